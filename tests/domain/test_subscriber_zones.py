"""In which zones a schedule is read."""

from importlib import resources
from zoneinfo import ZoneInfo

import pytest
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from phonenumbers.tzdata import TIMEZONE_DATA

from tests.domain.test_schedule import schedule_of
from tests.support.clock import START
from tests.support.registry import a_look_up, real_ranges
from whimbrel.clock import DAY
from whimbrel.domain.capitals import CAPITAL_ZONES
from whimbrel.domain.numbering import NumberRanges
from whimbrel.domain.phone import normalise
from whimbrel.domain.schedule import Schedule, ZoneReason, opening
from whimbrel.domain.subscriber_zones import in_partner_zone, in_subscriber_zones

R = ZoneReason
BY_DAY = schedule_of("10:00", "20:00")
ALL_BUT_NIGHT = schedule_of("07:00", "23:00")
MORNING = schedule_of("09:00", "12:00")
NO_REGISTRY = NumberRanges()
YAKUTIA = {
    *("Asia/Yakutsk", "Asia/Khandyga", "Asia/Vladivostok", "Asia/Ust-Nera", "Asia/Srednekolymsk"),
}


def zoned(hours: Schedule, dest_addr: str, ranges: NumberRanges = NO_REGISTRY) -> Schedule:
    assert normalise(f"+{dest_addr}") == dest_addr, "a number as `check` hands it over"
    return in_subscriber_zones(hours, dest_addr, ranges, START)


def test_a_partner_without_a_zone_means_utc3() -> None:
    assert in_partner_zone(BY_DAY, "") is BY_DAY


def test_a_partner_s_own_zone() -> None:
    hours = in_partner_zone(BY_DAY, "Asia/Omsk")
    assert (hours.zones, hours.zone_reason) == (("Asia/Omsk",), R.PARTNER)
    assert (hours.begins, hours.ends) == (BY_DAY.begins, BY_DAY.ends)


@pytest.mark.parametrize(
    ("hours", "dest_addr", "zones", "reason"),
    [
        # The registry knows.
        (BY_DAY, "79161234567", {"Europe/Moscow"}, R.REGISTRY),
        (BY_DAY, "79146512345", {"Asia/Vladivostok"}, R.REGISTRY),
        # Yakutia has five zones, at most two hours apart.
        (BY_DAY, "79141112345", YAKUTIA, R.REGISTRY),
        (schedule_of("10:00", "12:00"), "79141112345", {"Europe/Moscow"}, R.CAPITAL),
        # The registry knows that it may be anywhere: ten hours apart.
        (BY_DAY, "79580000050", {"Europe/Moscow"}, R.CAPITAL),
        # It does not know the number: libphonenumber gives a mobile one all zones of +7.
        (BY_DAY, "79260000000", {"Europe/Moscow"}, R.CAPITAL),
        (ALL_BUT_NIGHT, "79260000000", set(TIMEZONE_DATA["7"]), R.PREFIX),
        (BY_DAY, "77012345678", {"Asia/Almaty"}, R.CAPITAL),
        # A landline has its town's.
        (BY_DAY, "78612345678", {"Europe/Moscow"}, R.PREFIX),
        # Nobody's number: its country's zones.
        (BY_DAY, "72101234567", {"Europe/Moscow"}, R.CAPITAL),
        (ALL_BUT_NIGHT, "72101234567", set(TIMEZONE_DATA["7"]), R.PREFIX),
        # +1: a town, a number that is free of charge anywhere, another country.
        (BY_DAY, "12125550123", {"America/New_York"}, R.PREFIX),
        (BY_DAY, "18002345678", {"America/New_York"}, R.CAPITAL),
        (BY_DAY, "12423221234", {"America/Nassau"}, R.PREFIX),
        (BY_DAY, "12423001234", {"America/Nassau"}, R.CAPITAL),
        # Brazil: mobile numbers have a town's code; a toll-free one has none, and up to three hours
        # are between its zones.
        (BY_DAY, "5511987654321", {"America/Sao_Paulo"}, R.PREFIX),
        (BY_DAY, "5592987654321", {"America/Manaus"}, R.PREFIX),
        (BY_DAY, "558001234567", set(TIMEZONE_DATA["55"]), R.PREFIX),
        (MORNING, "558001234567", {"America/Sao_Paulo"}, R.CAPITAL),
        # Australia: mobile numbers may be anywhere, from the Cocos Islands to Sydney.
        (BY_DAY, "61412345678", set(TIMEZONE_DATA["61"]), R.PREFIX),
        (MORNING, "61412345678", {"Australia/Sydney"}, R.CAPITAL),
        # A country with one zone.
        (BY_DAY, "4915112345678", {"Europe/Berlin"}, R.PREFIX),
        # No country's: free of charge everywhere, and satellites.
        (BY_DAY, "80012345678", set(), R.NO_COUNTRY),
        (BY_DAY, "870773111632", set(), R.NO_COUNTRY),
    ],
)
def test_a_subscriber_s_zones(
    hours: Schedule, dest_addr: str, zones: set[str], reason: ZoneReason
) -> None:
    found = zoned(hours, dest_addr, a_look_up())
    assert (set(found.zones), found.zone_reason) == (zones, reason)


def test_a_region_that_is_not_known_leaves_the_prefix() -> None:
    ranges = a_look_up("916;0000000;9999999;10000000;X;Атлантида;-;7740000076")
    origin = ranges.look_up("79161234567")
    assert origin is not None
    assert origin.zones == ()
    assert zoned(BY_DAY, "79161234567", ranges).zone_reason is R.CAPITAL
    assert zoned(ALL_BUT_NIGHT, "79161234567", ranges).zone_reason is R.PREFIX


@pytest.mark.parametrize("hours", [BY_DAY, ALL_BUT_NIGHT, MORNING, schedule_of(weekdays="1")])
@pytest.mark.parametrize("dest_addr", ["79161234567", "18002345678", "61412345678", "80012345678"])
def test_whatever_the_zones_it_opens_within_a_week_and_a_day(
    hours: Schedule, dest_addr: str
) -> None:
    opens_at, closes_at = opening(zoned(hours, dest_addr).to_json(), START)
    assert opens_at is not None
    assert closes_at is not None
    assert START <= opens_at < closes_at
    assert opens_at < START + 8 * DAY


def test_the_deadline_is_no_matter_of_zones() -> None:
    hours = schedule_of("10:00", "20:00", deadline="2026-11-23T05:14:00+0300")
    assert zoned(hours, "61412345678").zone_reason is R.PREFIX
    assert zoned(hours, "61412345678").deadline_at == hours.deadline_at


def test_real_numbers_of_the_real_registry() -> None:
    ranges = real_ranges()
    for dest_addr, zone in {
        "79133412345": "Asia/Krasnoyarsk",
        "79147912345": "Asia/Vladivostok",
    }.items():
        assert zoned(BY_DAY, dest_addr, ranges).zones == (zone,)


# The table of capitals


def regions_with_several_zones() -> set[str]:
    """Every region of every calling code for which some prefix has more than one zone."""
    regions: set[str] = set()
    for prefix, zones in TIMEZONE_DATA.items():
        if len(zones) > 1:
            begins = {int(prefix[:width]) for width in (1, 2, 3)}
            [code] = begins & COUNTRY_CODE_TO_REGION_CODE.keys()
            regions.update(COUNTRY_CODE_TO_REGION_CODE[code])
    return regions


def test_there_is_a_capital_wherever_there_are_several_zones_and_nowhere_else() -> None:
    assert set(CAPITAL_ZONES) == regions_with_several_zones()


def test_a_capital_is_in_its_own_country() -> None:
    """By the zone database's own table."""
    table = (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    countries = {(country, zone) for country, _, zone, *_ in rows}
    assert set(CAPITAL_ZONES.items()) <= countries


def test_every_zone_of_the_prefix_data_is_in_the_zone_database() -> None:
    for zones in set(TIMEZONE_DATA.values()):
        for zone in zones:
            assert ZoneInfo(zone).key == zone


def test_a_code_without_zones_belongs_to_no_country() -> None:
    without = [code for code in COUNTRY_CODE_TO_REGION_CODE if str(code) not in TIMEZONE_DATA]
    assert without
    for code in without:
        assert COUNTRY_CODE_TO_REGION_CODE[code] == ("001",)
