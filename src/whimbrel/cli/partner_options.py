"""What of a Partner can be set on the command line, and the checks that it passes."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Any

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
from whimbrel.domain.short_url import (
    LONGEST_UID,
    SHORTEST_UID,
    BadBase,
    ShortUrlMode,
    base_of,
)
from whimbrel.domain.unanswered import SHORT_LIFETIME, Unanswered
from whimbrel.domain.zones import zone_of
from whimbrel.flow.own_domain import gateway_base
from whimbrel.http_urls import usable_url
from whimbrel.settings import Settings

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
    int | None, typer.Option(min=1, max=10_080, help="Default lifetime on WhatsApp, minutes.")
]
SmsTtl = Annotated[
    int | None, typer.Option(min=1, max=2_880, help="Default lifetime of SMS, minutes.")
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


def changed(profile: Profile, options: Mapping[str, Any], **members: Any) -> Profile:
    """Return the profile with the options and members that are given (not None).

    Ends the command with the option's name and the rule if one is wrong.
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
    if new.default_sender and new.default_sender not in new.senders:
        new.senders = [*new.senders, new.default_sender]
    new.subnets = [subnet for subnet in new.subnets if subnet]
    new.senders = [sender for sender in new.senders if sender]
    _check(new)
    if new.short_domain:
        new.short_domain = _base(new.short_domain)
    return new


def short_url_length(profile: Profile, settings: Settings) -> int:
    """Return how many characters a Partner's short URLs have; 0: it has not the service.

    Ends the command if there is no domain for them.
    """
    if profile.short_urls is ShortUrlMode.OFF:
        return 0
    base = profile.short_domain or gateway_base(settings)
    if not base:
        fail(
            "short-urls: there is no short domain; give --short-domain, or set short_urls.base_url "
            "or server.public_url"
        )
    return len(base) + 1 + profile.short_uid_length


def _base(url: str) -> str:
    try:
        return base_of(url)
    except BadBase as error:
        fail(f"short-domain: {error}")


def _check(profile: Profile) -> None:
    if 0 < profile.history_days < SHORTEST_HISTORY_DAYS:
        fail(f"history-days: at least {SHORTEST_HISTORY_DAYS}, or 0 for ever")
    for subnet in profile.subnets:
        try:
            ip_network(subnet)
        except ValueError as error:
            fail(f"subnet: {error}")
    if profile.report_url and not usable_url(profile.report_url):
        fail("report-url: it must be an absolute http or https URL")
    if profile.click_url and not usable_url(profile.click_url):
        fail("click-url: it must be an absolute http or https URL")
    try:
        zone_of(profile.zone)
    except ValueError as error:
        fail(f"zone: {error}")
