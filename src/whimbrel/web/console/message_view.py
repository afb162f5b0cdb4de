"""What a message's page makes of its narrative before it is shown: nothing that the narrative says,
but what only a page needs."""

import json
from typing import NamedTuple

from whimbrel.clock import DAY, MINUTE, SECOND
from whimbrel.domain import extra_param
from whimbrel.domain.schedule import Schedule
from whimbrel.flow.happenings import Event, Told
from whimbrel.flow.narrative import Narrative
from whimbrel.flow.resend import repeated_by
from whimbrel.http_urls import redact

_ENOUGH = 12  # characters of a text
_MOST_ZONES = 6  # an American number may have forty


class Asked(NamedTuple):
    """What the request asked, as far as anybody may see it."""

    notify_url: str | None
    """Without userinfo and query, where secrets may be."""
    parameters: tuple[tuple[str, str], ...]
    """`extraParam`; the values are for those who may see texts."""
    begins: str
    ends: str
    weekdays: tuple[int, ...]
    zones: tuple[str, ...]
    more_zones: int
    resend_of: int | None
    """The message that it repeats, if an operator has sent it again."""


def asked_of(told: Narrative) -> Asked:
    """Return what was asked."""
    notify_url, parameters = told.chain["notify_url"], told.chain["extra_param"]
    hours = told.hours.schedule if told.hours else Schedule()
    return Asked(
        notify_url=None if notify_url is None else redact(notify_url),
        parameters=_pairs(parameters or ""),
        begins=_time_of_day(hours.begins),
        ends=_time_of_day(hours.ends),
        weekdays=() if len(hours.weekdays) == 7 else hours.weekdays,
        zones=hours.zones[:_MOST_ZONES] or ("UTC+3",),
        more_zones=max(len(hours.zones) - _MOST_ZONES, 0),
        resend_of=repeated_by(told.chain["request_id"]),
    )


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    try:
        return extra_param.parse(text)
    except extra_param.BadExtraParam:  # it was stored by another version, perhaps
        return (("", text),)


def _time_of_day(wall: int) -> str:
    minutes, rest = divmod(wall if wall <= DAY else wall - DAY, MINUTE)
    return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{rest // SECOND:02}" if rest else "")


def reveals(told: Narrative, answer: str) -> bool:
    """Tell whether a receiver's answer repeats a text of the message, as an echo does.

    Its beginning is enough, for an excerpt may end anywhere; as it is, or as JSON writes it.
    """
    begins = [step.text[:_ENOUGH] for step in told.steps if step.text]
    return any(form in answer for one in begins for form in (one, json.dumps(one)[1:-1]))


def kind_of(event: Event) -> str:
    """Name an event's kind, by which the template chooses its words."""
    what = event.what
    if isinstance(what, Told) and what.http_status is None:
        return "silence"
    return type(what).__name__.lower()
