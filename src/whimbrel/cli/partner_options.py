"""What of a Partner can be set on the command line, and the checks that it passes."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Any

import typer
from msgspec.structs import replace

from whimbrel.cli.terminal import fail
from whimbrel.domain.content import Channel
from whimbrel.domain.partner import DuplicateControl, Profile, TrafficType
from whimbrel.domain.zones import zone_of
from whimbrel.http_out import usable_url

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
ReportUrl = Annotated[str | None, typer.Option(help="Where its delivery reports go.")]
Traffic = Annotated[TrafficType | None, typer.Option(help="trafficType of its reports.")]
Zone = Annotated[
    str | None,
    typer.Option(help="IANA zone of dates in reports and of sending hours; '' is UTC+3."),
]
RateOption = Annotated[float | None, typer.Option(min=0, help="Requests a second; 0: no limit.")]
Burst = Annotated[int | None, typer.Option(min=1, help="Requests at once within the rate.")]
Concurrency = Annotated[int | None, typer.Option(min=0, help="Requests under way; 0: no limit.")]


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
    return new


def _check(profile: Profile) -> None:
    for subnet in profile.subnets:
        try:
            ip_network(subnet)
        except ValueError as error:
            fail(f"subnet: {error}")
    if profile.report_url and not usable_url(profile.report_url):
        fail("report-url: it must be an absolute http or https URL")
    try:
        zone_of(profile.zone)
    except ValueError as error:
        fail(f"zone: {error}")
