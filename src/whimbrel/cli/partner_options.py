"""What of a Partner can be set on the command line, and the checks that it passes."""

from collections.abc import Mapping
from typing import Annotated, Any, Never

import typer
from msgspec.structs import replace

from whimbrel.cli.terminal import fail
from whimbrel.clock import MINUTE
from whimbrel.domain.content import Channel
from whimbrel.domain.partner import (
    SHORTEST_HISTORY_DAYS,
    DuplicateControl,
    Profile,
    TrafficType,
)
from whimbrel.domain.short_url import LONGEST_UID, SHORTEST_UID, ShortUrlMode
from whimbrel.domain.unanswered import SHORT_LIFETIME, Unanswered
from whimbrel.flow.partner_rules import MOST_TTL_MINUTES, NO_SHORT_DOMAIN, BadPartner, checked

Subnets = Annotated[
    list[str] | None,
    typer.Option("--subnet", help="Where requests may come from; repeatable; '' for anywhere."),
]
Senders = Annotated[
    list[str] | None, typer.Option("--sender", help="A sender it may use; repeatable.")
]
DefaultSender = Annotated[str | None, typer.Option(help="The sender where it names none.")]
Types = Annotated[
    list[Channel] | None, typer.Option("--type", help="A message type it may use; repeatable.")
]
Cascades = Annotated[
    bool | None, typer.Option("--cascades/--no-cascades", help="Whether it may send cascades.")
]
WhatsappTtl = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_TTL_MINUTES[Channel.WHATSAPP],
        help="Default lifetime on WhatsApp, minutes.",
    ),
]
SmsTtl = Annotated[
    int | None,
    typer.Option(
        min=1, max=MOST_TTL_MINUTES[Channel.SMS], help="Default lifetime of SMS, minutes."
    ),
]
Duplicates = Annotated[DuplicateControl | None, typer.Option(help="What a repeated id gets.")]
ContentWindow = Annotated[
    int | None,
    typer.Option(
        "--content-window",
        min=0,
        help="Seconds in which equal content is a duplicate; 0: off.",
    ),
]
UnansweredRule = Annotated[
    Unanswered | None,
    typer.Option(
        "--unanswered",
        help="What becomes of a message that may have gone, and of which nothing is heard: it goes "
        f"again, fails, or (auto) goes again if its lifetime is at most {SHORT_LIFETIME // MINUTE} "
        "minutes.",
    ),
]
ReportUrl = Annotated[str | None, typer.Option(help="Where its delivery reports go.")]
ClickUrl = Annotated[
    str | None,
    typer.Option(help="Where the first click of each subscriber is told; '': nowhere."),
]
Traffic = Annotated[TrafficType | None, typer.Option(help="trafficType of its reports.")]
Zone = Annotated[
    str | None,
    typer.Option(help="IANA zone of dates in reports and of sending hours; '' is UTC+3."),
]
RateOption = Annotated[float | None, typer.Option(min=0, help="Requests a second; 0: no limit.")]
Burst = Annotated[int | None, typer.Option(min=1, help="Requests at once within the rate.")]
Concurrency = Annotated[int | None, typer.Option(min=0, help="Requests under way; 0: no limit.")]
ShortUrls = Annotated[
    ShortUrlMode | None,
    typer.Option(help="Whether long URLs in its texts are shortened, and for whom."),
]
ShortThreshold = Annotated[
    int | None, typer.Option(min=0, help="URLs of more characters than this are shortened.")
]
ShortUidLength = Annotated[
    int | None,
    typer.Option(min=SHORTEST_UID, max=LONGEST_UID, help="Characters of a short URL's UID."),
]
ShortIdleDays = Annotated[
    int | None,
    typer.Option(min=0, help="Days without a visit after which one is removed; 0: never."),
]
ShortLifetimeDays = Annotated[
    int | None,
    typer.Option(min=0, help="Days after which one is removed even if followed; 0: never."),
]
ShortDomain = Annotated[
    str | None,
    typer.Option(help="Its own short domain, such as https://go.shop.example; '': the gateway's."),
]
ContentDays = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Days after which texts, image URLs and extraParam are removed; 0: with the history.",
    ),
]
HistoryDays = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Days after which a message is removed with all that is known of it, its id for "
        f"duplicate control included; at least {SHORTEST_HISTORY_DAYS}, or 0: never.",
    ),
]
VisitDays = Annotated[
    int | None,
    typer.Option(
        min=0, help="Days after which a visit of a short URL is removed; 0: with the short URL."
    ),
]

_MEMBERS = frozenset(Profile.__struct_fields__)
_OPTIONS = {"subnets": "subnet", "senders": "sender", "message_types": "type"}
"""What members are called on the command line, where it is not the same with hyphens."""


def changed(
    profile: Profile, options: Mapping[str, Any], gateway_base: str, **members: Any
) -> Profile:
    """Return the profile with the options and members that are given (not None).

    `gateway_base` is the gateway's own short domain. Ends the command with the option's name and
    the rule if one is wrong.
    """
    given = {**options, **members}
    new = replace(
        profile,
        **{name: given[name] for name in _MEMBERS.intersection(given) if given[name] is not None},
    )
    for channel in Channel:
        minutes = given.get(f"{channel.lower()}_ttl")
        if minutes:
            new.ttl_minutes = {**new.ttl_minutes, channel: minutes}
    try:
        return checked(new, gateway_base)
    except BadPartner as error:
        refuse(error)


def refuse(error: BadPartner) -> Never:
    """End the command with the first rule that is broken, under the option's name."""
    fault = error.faults[0]
    option = _OPTIONS.get(fault.member, fault.member.replace("_", "-"))
    hint = " (--short-domain)" if fault.rule == NO_SHORT_DOMAIN else ""
    fail(f"{option}: {fault}{hint}")
