"""A delivery report as the Partner reads it (`protocol.md`, section 7), and the report of a click.

camelCase ends here and in `web/`. Every member but `id` is always present, for deployed clients
index them blindly.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

import msgspec
from msgspec import UNSET, Struct, UnsetType

from whimbrel.clock import SECOND
from whimbrel.domain.content import Channel
from whimbrel.domain.partner import Partner
from whimbrel.domain.receipt import ClickedUrl, Report
from whimbrel.domain.segments import part_count

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_PART = "001"  # as every message is, save a long SMS


class _Body(Struct, rename="camel"):
    id: str | UnsetType
    mt_num: str
    status: int
    type: str
    done_date: str
    submit_date: str
    source_addr: str
    dest_addr: str
    text: str
    part_count: str
    error_code: str
    mcc_mnc: str
    traffic_type: int


class _ClickBody(Struct, rename="camel", tag_field="event", tag="click"):
    mt_num: str
    id: str | UnsetType
    dest_addr: str
    short_url: str
    target_url: str
    clicked_at: str


_encode = msgspec.json.Encoder().encode


def report_body(report: Report, partner: Partner, mcc_mnc: str) -> bytes:
    """Return the JSON that is POSTed for `report`; dates are in the Partner's zone.

    `mcc_mnc` is the network of the operator to which the number was first assigned, for a number
    that moved to another one keeps it; empty where it is not known.
    """
    zone = partner.zone
    if report.clicked is not None:
        return _click_body(report, report.clicked, zone)
    return _encode(
        _Body(
            id=UNSET if report.partner_ref is None else report.partner_ref,
            mt_num=str(report.chain_id),
            status=report.status,
            type=report.channel,
            done_date=_date(report.done_at, zone),
            submit_date=_date(report.submitted_at, zone),
            source_addr=report.sender,
            dest_addr=report.dest_addr,
            text=report.text or "",
            part_count=_parts(report),
            error_code=str(report.error_code),
            mcc_mnc=mcc_mnc,
            traffic_type=int(partner.profile.traffic_type),
        )
    )


def _parts(report: Report) -> str:
    if report.parts:
        return f"{report.parts:03}"
    if report.channel != Channel.SMS or report.text is None:
        return _ONE_PART
    return f"{part_count(report.text):03}"


def _click_body(report: Report, clicked: ClickedUrl, zone: tzinfo) -> bytes:
    """Return the JSON of a subscriber's first click; the form is Whimbrel's own."""
    return _encode(
        _ClickBody(
            mt_num=str(report.chain_id),
            id=UNSET if report.partner_ref is None else report.partner_ref,
            dest_addr=report.dest_addr,
            short_url=clicked.short_url,
            target_url=clicked.target,
            clicked_at=_date(report.done_at, zone),
        )
    )


def _date(moment: int | None, zone: tzinfo) -> str:
    """Write a moment as `2019-05-05T10:20:35+0300`; the empty text where there is none."""
    return "" if moment is None else _second(moment // SECOND, zone)


@lru_cache(maxsize=4_096)
def _second(second: int, zone: tzinfo) -> str:
    """Cached, since the reports of one second share it."""
    return f"{(_EPOCH + timedelta(seconds=second)).astimezone(zone):%Y-%m-%dT%H:%M:%S%z}"
