"""The rules that a Partner must keep to, whoever writes it: the command line or the console.

A rule that is broken is told as a `Fault`: which member, and the rule in English, as a text that
its values are put into. So a form can show each fault beside its field, in the reader's language.
"""

import base64
import math
import secrets
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from whimbrel.domain.content import Channel
from whimbrel.domain.login import BadLogin, check_login
from whimbrel.domain.partner import SHORTEST_HISTORY_DAYS, Partner, Profile
from whimbrel.domain.password import SHORTEST, hash_password
from whimbrel.domain.short_url import BadBase, ShortUrlMode, base_of
from whimbrel.domain.zones import zone_of
from whimbrel.http_urls import usable_url

MOST_TTL_MINUTES: Mapping[Channel, int] = MappingProxyType(
    {Channel.WHATSAPP: 10_080, Channel.SMS: 2_880}
)
"""The longest lifetime of a message by its channel (`protocol.md`, section 3)."""
NO_SHORT_DOMAIN = (
    "there is no short domain; give the Partner one, or set short_urls.base_url or "
    "server.public_url"
)
_SECRET_BYTES = 24  # Standard Webhooks asks for 24 to 64


class Fault(NamedTuple):
    """A rule that is broken."""

    member: str
    """Of the profile, or `login`, `password`."""
    rule: str
    """The rule in English, with names in braces for `values`."""
    values: Mapping[str, object] = MappingProxyType({})

    def __str__(self) -> str:
        return self.rule.format(**self.values)


class BadPartner(ValueError):
    """A Partner that may not be so; the faults tell why."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(f"{fault.member}: {fault}" for fault in faults))
        self.faults = faults


class Bounds(NamedTuple):
    """What a number of a profile may be, both ends included."""

    least: float | None
    greatest: float | None
    whole: bool = True


def _bounds() -> dict[str, Bounds]:
    """Read the bounds out of the profile's own types."""
    found = {}
    info = msgspec.inspect.type_info(Profile)
    for field in info.fields if isinstance(info, msgspec.inspect.StructType) else ():
        if isinstance(field.type, msgspec.inspect.IntType | msgspec.inspect.FloatType):
            whole = isinstance(field.type, msgspec.inspect.IntType)
            found[field.name] = Bounds(field.type.ge, field.type.le, whole)
    return found


BOUNDS: Mapping[str, Bounds] = MappingProxyType(_bounds())
"""Of each number in a profile."""


def checked_login(login: str) -> str:
    """Return a login that may be given out, taken or not. Raises `BadPartner`."""
    try:
        check_login(login)
    except BadLogin as error:
        raise BadPartner(Fault("login", error.rule, error.values)) from error
    return login


def taken(login: str) -> BadPartner:
    """Return the error for a login that another Partner has."""
    return BadPartner(Fault("login", "'{login}' is taken", {"login": login}))


def hashed(password: str) -> str:
    """Return what is stored for a password, in about 50 ms of a core. Raises `BadPartner`."""
    if len(password) < SHORTEST:
        rule = "A password has at least {shortest} characters."
        raise BadPartner(Fault("password", rule, {"shortest": SHORTEST}))
    return hash_password(password)


def new_partner(login: str, password_hash: str, profile: Profile) -> Partner:
    """Return a Partner that is not written yet; login and profile have been checked."""
    return Partner(0, login, password_hash, False, profile)


def new_signing_secret() -> str:
    """Make a secret for Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def checked(profile: Profile, gateway_base: str) -> Profile:
    """Return a profile as it is stored: without empty entries, with its default sender allowed.

    `gateway_base` is the gateway's own short domain, empty if it has none. Raises `BadPartner` with
    every fault.
    """
    senders = [sender for sender in profile.senders if sender]
    if profile.default_sender and profile.default_sender not in senders:
        senders.append(profile.default_sender)
    subnets = [subnet for subnet in profile.subnets if subnet]
    tidy = replace(profile, senders=senders, subnets=subnets)
    faults = tuple(_faults_of(tidy, gateway_base))
    if faults:
        raise BadPartner(*faults)
    short_domain = base_of(tidy.short_domain) if tidy.short_domain else ""
    return replace(tidy, short_domain=short_domain)


def grown_length(profile: Profile, gateway_base: str) -> int:
    """Return the length of a Partner's short URLs if texts grow by them, 0 if none does.

    They do where a URL is "shortened" that is no longer than its short one.
    """
    if profile.short_urls is ShortUrlMode.OFF:
        return 0
    length = len(profile.short_domain or gateway_base) + 1 + profile.short_uid_length
    return length if length > profile.short_threshold else 0


def _faults_of(profile: Profile, gateway_base: str) -> Iterator[Fault]:
    yield from _numbers(profile)
    if 0 < profile.history_days < SHORTEST_HISTORY_DAYS:
        rule = "at least {least}, or 0 for ever"
        yield Fault("history_days", rule, {"least": SHORTEST_HISTORY_DAYS})
    yield from _subnets(profile)
    for member in ("report_url", "click_url"):
        url = getattr(profile, member)
        if url and not usable_url(url):
            yield Fault(member, "it must be an absolute http or https URL")
    try:
        zone_of(profile.zone)
    except ValueError:
        yield Fault("zone", "'{zone}' is not the name of a time zone", {"zone": profile.zone})
    yield from _short_domain(profile, gateway_base)


def _numbers(profile: Profile) -> Iterator[Fault]:
    for member, bounds in BOUNDS.items():
        yield from _number(member, getattr(profile, member), bounds)
    for channel, minutes in profile.ttl_minutes.items():
        bounds = Bounds(1, MOST_TTL_MINUTES[channel])
        yield from _number(f"{channel.lower()}_ttl", minutes, bounds)


def _number(member: str, value: float, bounds: Bounds) -> Iterator[Fault]:
    least = -math.inf if bounds.least is None else bounds.least
    greatest = math.inf if bounds.greatest is None else bounds.greatest
    if not least <= value <= greatest or math.isinf(value):
        yield out_of_bounds(member, bounds)


def out_of_bounds(member: str, bounds: Bounds) -> Fault:
    """Return the fault of a number that is too small or too great, or none at all."""
    if bounds.greatest is None:
        rule = "a whole number, at least {least}" if bounds.whole else "a number, at least {least}"
        return Fault(member, rule, {"least": bounds.least})
    values = {"least": bounds.least, "greatest": bounds.greatest}
    return Fault(member, "a whole number from {least} to {greatest}", values)


def _subnets(profile: Profile) -> Iterator[Fault]:
    for subnet in profile.subnets:
        try:
            network = ip_network(subnet, strict=False)
        except ValueError:
            rule = "'{subnet}' does not appear to be an IPv4 or IPv6 network"
            yield Fault("subnets", rule, {"subnet": subnet})
            continue
        try:
            ip_network(subnet)
        except ValueError:
            rule = "{subnet} has host bits set; the network is {network}"
            yield Fault("subnets", rule, {"subnet": subnet, "network": network})


def _short_domain(profile: Profile, gateway_base: str) -> Iterator[Fault]:
    if not profile.short_domain:
        if profile.short_urls is not ShortUrlMode.OFF and not gateway_base:
            yield Fault("short_urls", NO_SHORT_DOMAIN)
        return
    try:
        base_of(profile.short_domain)
    except BadBase as error:
        yield Fault("short_domain", error.rule, error.values)
