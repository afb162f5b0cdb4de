"""Where the registry's regions are: federal law 107-FZ, article 5, and `zone1970.tab`."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.support import registry
from whimbrel.domain.registry_file import assign, read_registry
from whimbrel.domain.russian_regions import REGIONS, Place, locate

NOTHING = "-"
NOVEMBER = datetime(2026, 11, 23, tzinfo=UTC)
YAKUTIA = (
    *("Asia/Yakutsk", "Asia/Khandyga", "Asia/Vladivostok", "Asia/Ust-Nera", "Asia/Srednekolymsk"),
)


def hours_ahead(zone: str) -> float:
    offset = NOVEMBER.astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return offset.total_seconds() / 3600


def test_the_law_has_eighty_nine_regions() -> None:
    assert len(REGIONS) == 89
    for name in REGIONS:
        place = locate(name, NOTHING)
        assert place == locate(NOTHING, name)
        assert place.name == name
        assert place.zones


@pytest.mark.parametrize(
    ("hours", "count"),
    # How many regions the law has in each zone, from MSK-1 to MSK+9. Yakutia is in three.
    [(2, 1), (3, 53), (4, 5), (5, 9), (6, 1), (7, 8), (8, 2), (9, 3), (10, 4), (11, 3), (12, 2)],
)
def test_the_zones_have_the_law_s_regions(hours: int, count: int) -> None:
    there = [
        name
        for name in REGIONS
        if any(hours_ahead(zone) == hours for zone in locate(name, NOTHING).zones)
    ]
    assert len(there) == count, there


@pytest.mark.parametrize(
    ("written", "official"),
    [
        ("Ростовская обл.", "Ростовская область"),
        ("Ростовская область", "Ростовская область"),
        ("ростовская ОБЛ", "Ростовская область"),
        ("г. Москва", "Город Москва"),
        ("Москва", "Город Москва"),
        ("Республика Чеченская", "Чеченская Республика"),
        ("Республика Удмуртская", "Удмуртская Республика"),
        ("Республика Донецкая Народная", "Донецкая Народная Республика"),
        ("Республика Саха /Якутия/", "Республика Саха (Якутия)"),
        ("Кемеровская обл.", "Кемеровская область - Кузбасс"),
        ("Кемеровская область - Кузбасс обл.", "Кемеровская область - Кузбасс"),
        ("Чувашская Республика", "Чувашская Республика - Чувашия"),
        ("Ханты - Мансийский - Югра АО", "Ханты-Мансийский автономный округ - Югра"),
        ("Ханты-Мансийский Автономный округ - Югра АО", "Ханты-Мансийский автономный округ - Югра"),
        ("Ямало-Ненецкий АО", "Ямало-Ненецкий автономный округ"),
        ("Ненецкий АО", "Ненецкий автономный округ"),
        ("Еврейская автономная обл.", "Еврейская автономная область"),
        ("Алтайский край", "Алтайский край"),
        ("Республика Алтай", "Республика Алтай"),
        ("г. Норильск|Красноярский край", "Красноярский край"),
        ("г. Псков|г.о. город Псков|Псковская область", "Псковская область"),
        ("Корякский округ|Камчатский край", "Камчатский край"),
    ],
)
def test_a_region_is_known_however_it_is_spelt(written: str, official: str) -> None:
    assert locate(written, NOTHING).name == official


@pytest.mark.parametrize(
    ("region", "territory", "place"),
    [
        # Lists, with every separator that occurs.
        ("г. Москва * Московская область", NOTHING,
         Place("Город Москва, Московская область", ("Europe/Moscow",))),
        ("Москва и Московская область", NOTHING,
         Place("Город Москва, Московская область", ("Europe/Moscow",))),
        (NOTHING, "Ленинградская область, Город Санкт-Петербург",
         Place("Город Санкт-Петербург, Ленинградская область", ("Europe/Moscow",))),
        ("Московская область * Москва|Московская область * Москва", NOTHING,
         Place("Город Москва, Московская область", ("Europe/Moscow",))),
        # A list over several zones keeps them all.
        ("Омская область * Пермский край", NOTHING,
         Place("Омская область, Пермский край", ("Asia/Yekaterinburg", "Asia/Omsk"))),
        ("Республика Саха /Якутия/", NOTHING, Place("Республика Саха (Якутия)", YAKUTIA)),
        # The more precise column wins, whichever it is.
        ("г. Москва и Московская область", "Город Москва",
         Place("Город Москва", ("Europe/Moscow",))),
        ("Омская обл.", "Омская область, Пермский край", Place("Омская область", ("Asia/Omsk",))),
        ("Российская Федерация", NOTHING, None),
        # They contradict each other: either may be true.
        ("Омская обл.", "Пермский край",
         Place("Омская область, Пермский край", ("Asia/Yekaterinburg", "Asia/Omsk"))),
        # One of them is not known.
        ("Атлантида", "Омская область", Place("Омская область", ("Asia/Omsk",))),
        ("Омская обл.", "Атлантида", Place("Омская область", ("Asia/Omsk",))),
        # Neither is: nothing is guessed, not even from the rest of a list.
        ("Атлантида", NOTHING, Place("Атлантида", ())),
        (NOTHING, "Атлантида", Place("Атлантида", ())),
        ("Омская обл. * Атлантида", NOTHING, Place("Омская обл. * Атлантида", ())),
        ("", "", Place("", ())),
        ("область", "край", Place("область", ())),
    ],
)  # fmt: skip
def test_both_columns_tell(region: str, territory: str, place: Place | None) -> None:
    if place is None:  # the whole country: every zone there is
        everywhere = {zone for name in REGIONS for zone in locate(name, NOTHING).zones}
        place = Place(region, locate(region, territory).zones)
        assert set(place.zones) == everywhere
    assert locate(region, territory) == place


def test_every_region_of_the_real_file_is_known() -> None:
    with registry.real_file().open(encoding="utf-8-sig") as lines:
        file = read_registry(lines)
    assert len(file.rows) > 16_000
    assert file.faults == []
    assert assign(file).unknown_regions == {}
