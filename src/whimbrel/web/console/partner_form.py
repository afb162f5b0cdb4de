"""Reads a Partner out of a form, and writes one into it: what was typed is never lost."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from whimbrel.domain.content import Channel
from whimbrel.domain.partner import DuplicateControl, Profile, TrafficType
from whimbrel.domain.short_url import ShortUrlMode
from whimbrel.domain.unanswered import Unanswered
from whimbrel.flow.partner_changes import masked, unmasked
from whimbrel.flow.partner_rules import (
    BOUNDS,
    MOST_TTL_MINUTES,
    BadPartner,
    Bounds,
    Fault,
    checked,
    out_of_bounds,
)
from whimbrel.web.console.partner_fields import FIELDS, Field
from whimbrel.web.pages.forms import Form
from whimbrel.web.pages.words import phrase

Typed = Mapping[str, str | list[str]]
"""Fields as a form sends and shows them, by member."""
_ENUMS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {
        "unanswered": Unanswered,
        "duplicate_control": DuplicateControl,
        "traffic_type": TrafficType,
        "short_urls": ShortUrlMode,
    }
)
_TTLS = MappingProxyType({f"{channel.lower()}_ttl": channel for channel in Channel})
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}([.,][0-9]{1,9})?", re.ASCII)


def typed_of(profile: Profile) -> dict[str, str | list[str]]:
    """Return a profile as a form shows it."""
    typed: dict[str, str | list[str]] = {}
    for member, field in FIELDS.items():
        if member in _TTLS:
            typed[member] = str(profile.ttl_minutes.get(_TTLS[member], ""))
            continue
        value = getattr(profile, member)
        match field.kind:
            case "lines":
                typed[member] = "\n".join(value)
            case "channels":
                typed[member] = [one.value for one in value]
            case "check":
                typed[member] = "yes" if value else ""
            case "number":
                typed[member] = f"{value:.9g}" if isinstance(value, float) else str(value)
            case "url":
                typed[member] = masked(value)
            case _:
                typed[member] = str(value)
    return typed


def typed_in(form: Form) -> dict[str, str | list[str]]:
    """Return what a form has sent, to be shown again."""
    return {
        member: form.all(member) if field.kind == "channels" else form.get(member, "")
        for member, field in FIELDS.items()
    }


def profile_in(form: Form, stored: Profile, gateway_base: str) -> Profile:
    """Return the profile that a form asks for, in the place of the one that is stored.

    Raises `BadPartner` with every fault: of what cannot be read, and of the rules.
    """
    faults: list[Fault] = []
    minutes = dict(stored.ttl_minutes)
    members: dict[str, Any] = {"ttl_minutes": minutes}
    for member, field in FIELDS.items():
        try:
            if member in _TTLS:
                _read_ttl(minutes, member, form.get(member, ""))
            else:
                members[member] = _value(field, form, stored)
        except BadPartner as error:
            faults += error.faults
    try:
        profile = checked(replace(stored, **members), gateway_base)
    except BadPartner as error:
        faults += error.faults
    if faults:
        raise BadPartner(*faults)
    return profile


def _value(field: Field, form: Form, stored: Profile) -> Any:
    member, text = field.member, form.get(field.member, "")
    match field.kind:
        case "lines":
            return [line.strip() for line in text.split("\n")]
        case "channels":
            return _channels(form.all(member))
        case "number":
            return _number(member, text, BOUNDS[member])
        case "choice":
            return _choice(member, text)
        case "url":
            return _url(member, text, getattr(stored, member))
        case "text" | "check":
            return bool(text) if field.kind == "check" else text


def _number(member: str, text: str, bounds: Bounds) -> float:
    if not (_WHOLE if bounds.whole else _NUMBER).fullmatch(text):
        raise BadPartner(out_of_bounds(member, bounds))
    return int(text) if bounds.whole else float(text.replace(",", "."))


def _read_ttl(minutes: dict[Channel, int], member: str, text: str) -> None:
    channel = _TTLS[member]
    if not text:
        minutes.pop(channel, None)
        return
    bounds = Bounds(1, MOST_TTL_MINUTES[channel])
    if not _WHOLE.fullmatch(text):
        raise BadPartner(out_of_bounds(member, bounds))
    minutes[channel] = int(text)


def _channels(names: list[str]) -> list[Channel]:
    known = [one for one in Channel if one.value in names]
    if not known:
        raise BadPartner(Fault("message_types", phrase("choose at least one")))
    return known


def _choice(member: str, text: str) -> Any:
    try:
        return _ENUMS[member](text)
    except ValueError:
        raise BadPartner(Fault(member, phrase("choose one of the list"))) from None


def _url(member: str, text: str, stored: str) -> str:
    url = unmasked(text, stored)
    if "://***@" in url:
        rule = phrase("user and password are masked here: write them anew with another address")
        raise BadPartner(Fault(member, rule))
    return url
