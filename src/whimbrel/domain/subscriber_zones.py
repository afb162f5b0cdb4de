"""In which zones a schedule is read: UTC+3, the Partner's own, or those of the subscriber.

A subscriber's zones are those of the number's range in the Russian registry, else those that
libphonenumber's prefix data name. They may be several (Yakutia has five, an American free phone
number 42), and the subscriber is in one of them: the sending hours must then be open in all. Where
they never are, in the two weeks after acceptance, the country's capital decides. A number of no
country has UTC+3. The choice is made once, at acceptance, and kept with the schedule.

Where a number was assigned is not always where its owner is, or lives: it is what can be known.
"""

import phonenumbers
from msgspec.structs import replace
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumber
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA

from whimbrel.domain.capitals import CAPITAL_ZONES
from whimbrel.domain.numbering import NumberRanges
from whimbrel.domain.schedule import Schedule, ZoneReason, has_common_hours

_UNKNOWN = (UNKNOWN_TIMEZONE,)


def in_partner_zone(hours: Schedule, zone: str) -> Schedule:
    """Return the hours as a Partner in `zone` means them; the empty zone is UTC+3."""
    return replace(hours, zones=(zone,), zone_reason=ZoneReason.PARTNER) if zone else hours


def in_subscriber_zones(
    hours: Schedule, dest_addr: str, ranges: NumberRanges, now: int
) -> Schedule:
    """Return the hours as they are on the clocks of the subscriber at `dest_addr`.

    `dest_addr` is normalised digits (`phone.py`). It takes some hundred microseconds where the
    registry does not know the number.
    """
    zones, reason = subscriber_zones(dest_addr, ranges)
    zoned = replace(hours, zones=zones, zone_reason=reason)
    if len(zones) <= 1 or has_common_hours(zoned, now):
        return zoned
    capital = capital_zone(phonenumbers.parse(f"+{dest_addr}"))
    return replace(hours, zones=(capital,), zone_reason=ZoneReason.CAPITAL)


def subscriber_zones(dest_addr: str, ranges: NumberRanges) -> tuple[tuple[str, ...], ZoneReason]:
    """Return the IANA names of all zones in which a subscriber may be, and who says so."""
    origin = ranges.look_up(dest_addr)
    if origin is not None and origin.zones:
        return origin.zones, ZoneReason.REGISTRY
    return _zones_by_prefix(phonenumbers.parse(f"+{dest_addr}"))


def capital_zone(number: PhoneNumber) -> str:
    """Return the zone of the capital of a number's country.

    A number that no country of a shared code claims (+7 210 ...) belongs to the code's main one.
    """
    main_region = COUNTRY_CODE_TO_REGION_CODE[number.country_code or 0][0]
    region = phonenumbers.region_code_for_number(number)
    return CAPITAL_ZONES.get(region or main_region) or CAPITAL_ZONES[main_region]


def _zones_by_prefix(number: PhoneNumber) -> tuple[tuple[str, ...], ZoneReason]:
    """Return the zones of a number's prefix; of a number that is not assigned, its country's."""
    zones = time_zones_for_number(number)
    if zones == _UNKNOWN:
        zones = TIMEZONE_DATA.get(str(number.country_code), ())
    return (zones, ZoneReason.PREFIX) if zones else ((), ZoneReason.NO_COUNTRY)
