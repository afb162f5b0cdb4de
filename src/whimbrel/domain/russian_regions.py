"""Where the regions of the Russian numbering registry are, and what time their clocks show.

The regions of each time zone are those of federal law 107-FZ of 3 June 2011, "On the calculation of
time", article 5, as amended; the names of the zones, and which of a region's clocks once differed,
are those of the IANA time zone database (the comments of `zone1970.tab`, release 2026f). A name in
this table says whose registry assigns the numbers and what clock its law sets there, and nothing
else.

The registry spells a region in many ways ("Ростовская обл.", "Ростовская область", "Республика
Чеченская", "Чеченская Республика"), so names are compared by their words, without order and without
the words that say what kind of region it is. A region that is not known is never guessed.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

# By districts: the west with the Lena, Tomponsky and Ust-Maysky; Verkhoyansky and Ust-Yansky;
# Oymyakonsky; the Kolyma. The registry does not tell which for mobile numbers.
_SAKHA_ZONES = (
    "Asia/Yakutsk",
    "Asia/Khandyga",
    "Asia/Vladivostok",
    "Asia/Ust-Nera",
    "Asia/Srednekolymsk",
)
_REGIONS_BY_ZONES: dict[tuple[str, ...], str] = {
    ("Europe/Kaliningrad",): "Калининградская область",
    ("Europe/Moscow",): """
        Республика Адыгея; Республика Дагестан; Республика Ингушетия;
        Кабардино-Балкарская Республика; Республика Калмыкия; Карачаево-Черкесская Республика;
        Республика Карелия; Республика Коми; Республика Марий Эл; Республика Мордовия;
        Республика Северная Осетия - Алания; Республика Татарстан; Чеченская Республика;
        Чувашская Республика - Чувашия; Краснодарский край; Ставропольский край;
        Архангельская область; Белгородская область; Брянская область; Владимирская область;
        Вологодская область; Воронежская область; Ивановская область; Калужская область;
        Костромская область; Курская область; Ленинградская область; Липецкая область;
        Московская область; Мурманская область; Нижегородская область; Новгородская область;
        Орловская область; Пензенская область; Псковская область; Ростовская область;
        Рязанская область; Смоленская область; Тамбовская область; Тверская область;
        Тульская область; Ярославская область; Город Москва; Город Санкт-Петербург;
        Ненецкий автономный округ; Донецкая Народная Республика; Луганская Народная Республика;
        Запорожская область; Херсонская область
        """,
    ("Europe/Simferopol",): "Республика Крым; Город Севастополь",
    ("Europe/Kirov",): "Кировская область",
    ("Europe/Volgograd",): "Волгоградская область",
    ("Europe/Astrakhan",): "Астраханская область",
    ("Europe/Saratov",): "Саратовская область",
    ("Europe/Ulyanovsk",): "Ульяновская область",
    ("Europe/Samara",): "Самарская область; Удмуртская Республика",
    ("Asia/Yekaterinburg",): """
        Республика Башкортостан; Пермский край; Курганская область; Оренбургская область;
        Свердловская область; Тюменская область; Челябинская область;
        Ханты-Мансийский автономный округ - Югра; Ямало-Ненецкий автономный округ
        """,
    ("Asia/Omsk",): "Омская область",
    ("Asia/Novosibirsk",): "Новосибирская область",
    ("Asia/Barnaul",): "Республика Алтай; Алтайский край",
    ("Asia/Tomsk",): "Томская область",
    ("Asia/Novokuznetsk",): "Кемеровская область - Кузбасс",
    ("Asia/Krasnoyarsk",): "Республика Тыва; Республика Хакасия; Красноярский край",
    ("Asia/Irkutsk",): "Республика Бурятия; Иркутская область",
    ("Asia/Chita",): "Забайкальский край",
    ("Asia/Yakutsk",): "Амурская область",
    _SAKHA_ZONES: "Республика Саха (Якутия)",
    ("Asia/Vladivostok",): "Приморский край; Хабаровский край; Еврейская автономная область",
    ("Asia/Magadan",): "Магаданская область",
    ("Asia/Sakhalin", "Asia/Srednekolymsk"): "Сахалинская область",  # the latter: North Kurils
    ("Asia/Kamchatka",): "Камчатский край",
    ("Asia/Anadyr",): "Чукотский автономный округ",
}
_OTHER_NAMES = {
    "Кемеровская область": "Кемеровская область - Кузбасс",
    "Чувашская Республика": "Чувашская Республика - Чувашия",
    "Ханты-Мансийский автономный округ": "Ханты-Мансийский автономный округ - Югра",
    "Республика Северная Осетия": "Республика Северная Осетия - Алания",
    "Республика Саха": "Республика Саха (Якутия)",
    "Корякский округ": "Камчатский край",
}
_WHOLE_COUNTRY = "Российская Федерация"
_KINDS = frozenset(
    {
        *("республика", "респ", "область", "обл", "край", "автономная", "автономный", "округ"),
        *("ао", "аобл", "город", "г"),
    }
)
_WORD = re.compile(r"[а-я0-9]+")
_BETWEEN_REGIONS = re.compile(r"\s*[*,]\s*|\s+и\s+")
_NOTHING = frozenset({"", "-"})


class Place(NamedTuple):
    """What a row of the registry says about where its subscribers are."""

    name: str
    """The regions by their official names; as it was written where one of them is not known."""
    zones: tuple[str, ...]
    """Every zone in which a subscriber may be, the western ones first; none: not known."""


@lru_cache(maxsize=16_384)
def locate(region: str, territory: str) -> Place:
    """Return the place that the columns `Регион` and `Территория ГАР` describe together.

    The more precise of them wins: where one lists fewer regions, all of them among the other's.
    Where they contradict each other, a subscriber may be in any region of either. Cached, since a
    file has many rows for each place.
    """
    known = [found for text in (region, territory) if (found := _regions_of(text))]
    if not known:
        return Place(territory if region in _NOTHING else region, ())
    one, other = known[0], known[-1]
    regions = one & other if one <= other or other <= one else one | other
    return Place(", ".join(sorted(regions)), _zones_of(regions))


def _regions_of(text: str) -> frozenset[str]:
    """Return the official names of the regions that a column lists, empty if any is not known.

    A vertical bar separates a place from the larger one that holds it, the region at last.
    """
    names = _BETWEEN_REGIONS.split(text.rpartition("|")[2].strip())
    found = [_OFFICIAL_NAMES.get(_key(name), "") for name in names]
    return frozenset(found) if all(found) else frozenset()


def _zones_of(regions: Iterable[str]) -> tuple[str, ...]:
    zones = {zone for region in regions for zone in _ZONES[region]}
    return tuple(zone for zone in _ALL_ZONES if zone in zones)


def _key(name: str) -> frozenset[str]:
    """Return what tells a region from the others, however it is spelt."""
    return frozenset(_WORD.findall(name.lower().replace("ё", "е"))) - _KINDS


_ZONES = {
    name.strip(): zones for zones, names in _REGIONS_BY_ZONES.items() for name in names.split(";")
}
_ALL_ZONES = tuple(dict.fromkeys(zone for zones in _REGIONS_BY_ZONES for zone in zones))
_ZONES[_WHOLE_COUNTRY] = _ALL_ZONES
_OFFICIAL_NAMES = {_key(name): name for name in _ZONES} | {
    _key(other): name for other, name in _OTHER_NAMES.items()
}
REGIONS = tuple(name for name in _ZONES if name != _WHOLE_COUNTRY)
"""The official names of all regions."""
