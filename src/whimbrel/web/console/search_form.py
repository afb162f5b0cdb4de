"""What an operator asks for in the search form, and what he may have meant by one text.

A form's fields are those of the page's address, so that a search can be shared: whatever is found
or shown, its link names the fields that it needs.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from whimbrel.channels.sms.message_ids import AUTO, spellings
from whimbrel.domain import extra_param, phone
from whimbrel.domain.chain_id import accepted_since
from whimbrel.domain.content import Channel
from whimbrel.domain.status import FIRST_SETTLED, ErrorCode, LinkState
from whimbrel.store.criteria import BEYOND, Criteria, Span
from whimbrel.web.pages.preferences import zones
from whimbrel.web.pages.words import phrase

ON_ITS_WAY = "on-its-way"
"""The state of all links that are not settled."""
_LONGEST = 1_000
_LONGEST_REF = 255
_STATES = MappingProxyType(
    {
        ON_ITS_WAY: (int(LinkState.HELD), FIRST_SETTLED - 1),
        **{state.name.lower(): (int(state), int(state)) for state in LinkState},
    }
)
FIELDS = (
    *("number", "phone", "provider", "ref", "extra"),
    *("partner", "sender", "type", "state", "error", "from", "to"),
)
"""The fields that narrow a search, in their order on the page."""


class Wrong(Exception):
    """A field that cannot be meant so; the text is one of the catalogue's."""


class Asked(NamedTuple):
    """What the form says."""

    typed: Mapping[str, str]
    """The fields that are filled in, as they were typed."""
    criteria: Criteria
    wrong: Mapping[str, str]
    """What is wrong with fields, by their names."""

    def link(self, **changes: str | int | None) -> str:
        """Return the query of the same search with other fields; None leaves one out."""
        fields = {**self.typed, **changes}
        return urlencode({name: value for name, value in fields.items() if value not in {None, ""}})


def read_search(fields: Mapping[str, str], zone: str) -> Asked:
    """Read the fields. Times without an offset are those of the field `zone`, else of `zone`."""
    typed = {name: value for name in FIELDS if (value := fields.get(name, "").strip())}
    named = fields.get("zone", "")
    zone = named if named in zones() else zone
    criteria, wrong = Criteria(), {}
    for name, text in typed.items():
        try:
            criteria = _READERS[name](criteria, text, ZoneInfo(zone))
        except Wrong as error:
            wrong[name] = str(error)
    if {"from", "to"} & typed.keys():
        typed["zone"] = zone
    if criteria.span.is_empty and {"from", "to"} <= typed.keys() and "to" not in wrong:
        wrong.setdefault("to", phrase("This is not after the beginning."))
    return Asked(typed, criteria, wrong)


def readings_of(text: str) -> list[str]:
    """Return the fields that a text may be meant for, the likeliest first."""
    return [name for name in _READABLE if _is_readable(name, text)]


_READABLE = ("number", "phone", "provider", "ref", "extra")


def _is_readable(name: str, text: str) -> bool:
    try:
        _READERS[name](Criteria(), text, ZoneInfo("UTC"))
    except Wrong:
        return False
    return True


# One field each


def _number(criteria: Criteria, text: str, _: tzinfo) -> Criteria:
    if not (text.isascii() and text.isdecimal() and len(text) <= 16 and 0 < int(text) < BEYOND):
        raise Wrong(phrase("A message number is up to 16 digits."))
    return _within(criteria, Span(int(text), int(text) + 1))


def _phone(criteria: Criteria, text: str, _: tzinfo) -> Criteria:
    try:
        return criteria._replace(dest_addr=phone.normalise(text))
    except phone.BadPhone as error:
        raise Wrong(str(error)) from None


def _provider(criteria: Criteria, text: str, _: tzinfo) -> Criteria:
    """Look for an id as it was typed (those of WhatsApp), and as receipts of an SMSC spell it."""
    _check_length(text)
    if any(one.isspace() for one in text):
        raise Wrong(phrase("A provider's id has no blanks in it."))
    ids = dict.fromkeys((text, *spellings(text, AUTO, answered=False)))
    return criteria._replace(provider_ids=tuple(ids))


def _ref(criteria: Criteria, text: str, _: tzinfo) -> Criteria:
    if len(text) > _LONGEST_REF:
        raise Wrong(phrase("A Partner's id has at most 255 characters."))
    return criteria._replace(partner_ref=text)


def _extra(criteria: Criteria, text: str, _: tzinfo) -> Criteria:
    _check_length(text)
    if "=" not in text:
        name, value = text, None
    else:
        name, _equals, value = text.partition("=")
    try:
        extra_param.render([(name, value or "")])
    except extra_param.BadExtraParam:
        raise Wrong(phrase("Write name=value, or a name alone, without a comma in it.")) from None
    return criteria._replace(pair=(name, value))


def _partner(criteria: Criteria, text: str, _: tzinfo) -> Criteria:
    _check_length(text)
    return criteria._replace(login=text)


def _sender(criteria: Criteria, text: str, _: tzinfo) -> Criteria:
    _check_length(text)
    return criteria._replace(sender=text)


def _type(criteria: Criteria, text: str, _: tzinfo) -> Criteria:
    try:
        return criteria._replace(channel=Channel(text.upper()))
    except ValueError:
        raise Wrong(phrase("There is no such type of message.")) from None


def _state(criteria: Criteria, text: str, _: tzinfo) -> Criteria:
    try:
        return criteria._replace(states=_STATES[text])
    except KeyError:
        raise Wrong(phrase("There is no such state.")) from None


def _error(criteria: Criteria, text: str, _: tzinfo) -> Criteria:
    if not (
        text.isascii() and text.isdecimal() and int(text[:4]) in ErrorCode.__members__.values()
    ):
        raise Wrong(phrase("There is no such error code."))
    return criteria._replace(error_code=int(text))


def _from(criteria: Criteria, text: str, zone: tzinfo) -> Criteria:
    return _within(criteria, Span(since=_first_number(text, zone)))


def _to(criteria: Criteria, text: str, zone: tzinfo) -> Criteria:
    return _within(criteria, Span(before=_first_number(text, zone)))


def _first_number(text: str, zone: tzinfo) -> int:
    """Return the least number of a chain that is accepted at a moment, or later."""
    try:
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=zone)
        return min(accepted_since(int(at.timestamp() * 1_000)), BEYOND)
    except (ValueError, OverflowError):
        raise Wrong(phrase("Write a moment like 2026-11-25T14:30.")) from None


def _within(criteria: Criteria, span: Span) -> Criteria:
    since = max(criteria.span.since, span.since)
    return criteria._replace(span=Span(since, min(criteria.span.before, span.before)))


def _check_length(text: str) -> None:
    if len(text) > _LONGEST:
        raise Wrong(phrase("This is longer than anything that is kept."))


_READERS: Mapping[str, Callable[[Criteria, str, tzinfo], Criteria]] = MappingProxyType(
    {
        "number": _number,
        "phone": _phone,
        "provider": _provider,
        "ref": _ref,
        "extra": _extra,
        "partner": _partner,
        "sender": _sender,
        "type": _type,
        "state": _state,
        "error": _error,
        "from": _from,
        "to": _to,
    }
)
