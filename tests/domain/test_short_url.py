"""Short URLs in texts: `protocol.md`, section 5.

In a table's text ⟦ and ⟧ stand around what must be replaced, and are not in the text itself.
"""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.domain.short_url import (
    LONGEST_UID,
    SHORTEST_UID,
    BadBase,
    Draft,
    ShortUrlRules,
    base_of,
    domain_of,
    drafted,
    is_crowded,
    new_uid,
    shared_key,
    uid_space,
)
from whimbrel.domain.url_search import find_urls

BASE = "https://go.shop.example"
OURS = frozenset(
    {
        "go.shop.example",
        "gw.example/l",
        "gw.example:8443/l",
        "xn--e1am5a0a.xn--p1ai",
        "b.example/a/b/c",
    }
)
THRESHOLD = 26


def rules(**changes: Any) -> ShortUrlRules:
    members = {
        "base": BASE,
        "ours": OURS,
        "threshold": THRESHOLD,
        "uid_length": 8,
        "shared": True,
        "idle": None,
        "lifetime": None,
    }
    return ShortUrlRules(**{**members, **changes})


def uid_of(target: str) -> str:
    """Return what the tests take for the UID of a target."""
    return shared_key(1, target, 8).hex()[:8]


def sent(draft: Draft | None, text: str) -> str:
    if draft is None:
        return text
    return draft.sent({target: uid_of(target) for target in draft.targets})


TEXTS = [
    # A URL and what may follow it
    "⟦https://shop.example/catalogue/1⟧",
    "Смотрите ⟦https://shop.example/catalogue/1⟧",
    "See ⟦https://shop.example/catalogue/1⟧ today",
    "Смотрите ⟦https://shop.example/catalogue/1⟧.",
    "See ⟦https://shop.example/catalogue/1⟧, please",
    "⟦https://shop.example/catalogue/1⟧; далее",
    "⟦https://shop.example/catalogue/1⟧: вот он",
    "Видели ⟦https://shop.example/catalogue/1⟧?",
    "Look: ⟦https://shop.example/catalogue/1⟧!",
    "Look ⟦https://shop.example/catalogue/1⟧!!! Now",
    "Видели ⟦https://shop.example/catalogue/1⟧?!",
    "Продолжение ⟦https://shop.example/catalogue/1⟧...",
    "Продолжение ⟦https://shop.example/catalogue/1⟧…",
    "Ссылка:⟦https://shop.example/catalogue/1⟧",
    "Ссылка — ⟦https://shop.example/catalogue/1⟧ — тут",
    "Ссылка—⟦https://shop.example/catalogue/1⟧—",
    "⟦https://shop.example/catalogue/1⟧\nВторая строка",
    "⟦https://shop.example/catalogue/1⟧\r\nSecond line",
    "a\t⟦https://shop.example/catalogue/1⟧\tb",
    "неразрывный\xa0⟦https://shop.example/catalogue/1⟧\xa0пробел",
    "⟦https://shop.example/catalogue/1⟧。",
    "⟦https://shop.example/catalogue/1⟧/.".replace("1⟧/", "1/⟧"),
    # Quotes and brackets
    "«⟦https://shop.example/catalogue/1⟧»",
    "Наш сайт «⟦https://shop.example/catalogue/1⟧».",
    "«⟦https://shop.example/catalogue/1⟧»,да",
    "“⟦https://shop.example/catalogue/1⟧”",
    "„⟦https://shop.example/catalogue/1⟧“, so",
    '"⟦https://shop.example/catalogue/1⟧"',
    '{"a":"⟦https://shop.example/catalogue/1⟧","b":"⟦https://shop.example/catalogue/2⟧"}',
    "'⟦https://shop.example/catalogue/1⟧'",
    "['⟦https://shop.example/catalogue/1⟧','⟦https://shop.example/catalogue/2⟧']",
    "‘⟦https://shop.example/catalogue/1⟧’",
    "(⟦https://shop.example/catalogue/1⟧)",
    "(см. ⟦https://shop.example/catalogue/1⟧).",
    "[⟦https://shop.example/catalogue/1⟧]",
    "{⟦https://shop.example/catalogue/1⟧}",
    "<⟦https://shop.example/catalogue/1⟧>",
    "[Каталог](⟦https://shop.example/catalogue/1⟧)",
    '<a href="⟦https://shop.example/catalogue/1⟧">Shop</a>',
    "⟦https://wiki.example/wiki/Bat_(animal)⟧ и далее",
    "(⟦https://wiki.example/wiki/Bat_(animal)⟧)",
    "⟦https://shop.example/find?id[]=1&id[]=2⟧",
    "⟦https://shop.example/catalogue/⟧(нет",
    # What a URL may have
    "⟦https://shop.example:8443/catalogue/1⟧",
    "⟦http://192.0.2.10:8080/catalogue/item/1⟧",
    "⟦https://shop.example/find?q=shoes&colour=red#top⟧",
    "⟦https://shop.example?q=shoes&colour=red⟧",
    "⟦https://shop.example/#/catalogue/shoes/1⟧",
    "⟦https://user:pass@shop.example/catalogue⟧",
    "⟦https://user:p%40ss@shop.example/catalogue⟧",
    "⟦https://shop.example/%D0%BA%D0%B0%D1%82%D0%B0%D0%BB%D0%BE%D0%B3⟧",
    "⟦https://shop.example/catalogue/a,b;c=1⟧",
    "⟦https://shop.example/catalogue/~shop/-/1⟧",
    "⟦https://shop.example/it's/catalogue/1⟧",
    "⟦https://shop.example/l?to=https://b.example/⟧ ok",
    "⟦https://shop.example/compare/v1.0...v2.0⟧",
    "⟦https://shop.example/a/b.html!c/d@e⟧",
    "⟦https://xn--80aswg.xn--p1ai/catalogue/1⟧",
    "⟦https://магазин.рф/каталог/обувь⟧",
    "Каталог: ⟦https://магазин.рф/каталог/обувь?цвет=красный⟧, звоните",
    "⟦https://магазин-обуви-и-одежды.рф⟧",
    "⟦https://bücher.example/straße/größe⟧",
    "⟦https://例え.テスト/パス/これは長いパスですよね⟧",
    "⟦HTTPS://SHOP.EXAMPLE/CATALOGUE/1⟧",
    "⟦Http://Shop.Example/Catalogue/one⟧ и",
    "⟦https://a.very.long.name.of.a.shop.example⟧.",
    # Several
    "⟦https://shop.example/catalogue/1⟧ ⟦https://shop.example/catalogue/2⟧",
    "⟦https://shop.example/catalogue/1⟧,⟦https://shop.example/catalogue/2⟧",
    "⟦https://shop.example/catalogue/1⟧;⟦https://shop.example/catalogue/2⟧|⟦http://shop.example/catalogue/3⟧",
    "⟦https://shop.example/catalogue/1⟧\n⟦https://shop.example/catalogue/2⟧\n",
    "1) ⟦https://shop.example/catalogue/1⟧ 2) ⟦https://shop.example/catalogue/1⟧",
    "https://s.example/a и ⟦https://shop.example/catalogue/1⟧ и https://s.example/b",
    # WhatsApp's markup
    "*⟦https://shop.example/catalogue/1⟧*",
    "_⟦https://shop.example/catalogue/1⟧_",
    "~⟦https://shop.example/catalogue/1⟧~",
    "`⟦https://shop.example/catalogue/1⟧`",
    "```⟦https://shop.example/catalogue/1⟧```",
    "*_⟦https://shop.example/catalogue/1⟧_*",
    "*Скидка: ⟦https://shop.example/catalogue/1⟧*, ждём!",
    "*Скидка* ⟦https://shop.example/catalogue/a*⟧",
    "_⟦https://shop.example/catalogue/a_b⟧_.",
    "~⟦https://магазин-обуви-и-одежды.рф⟧~",
    "_⟦https://a.very.long.name.of.a.shop.example⟧_",
    "snake_case ⟦https://shop.example/catalogue/a_⟧ б",
    "*жирный\n⟦https://shop.example/catalogue/a*⟧",
    "> ⟦https://shop.example/catalogue/1⟧",
    "* ⟦https://shop.example/catalogue/1⟧",
    "*⟦https://shop.example/catalogue/1⟧*,*⟦https://shop.example/catalogue/2⟧*",
    # Emoji and what has no width
    "👉⟦https://shop.example/catalogue/1⟧",
    "👉 ⟦https://shop.example/catalogue/1⟧🔥 Успей",
    "⟦https://shop.example/catalogue/1⟧❤️",
    "⟦https://shop.example/catalogue/1⟧👨\u200d👩\u200d👧",
    "\u200b⟦https://shop.example/catalogue/1⟧\u200b",
    "\ufeff⟦https://shop.example/catalogue/1⟧",
    "a\u200b⟦https://shop.example/catalogue/1⟧\u2060b",
    "\u202a⟦https://shop.example/catalogue/1⟧\u202c",
    "⟦https://shop.example/catalogue/1⟧\u200d",
    # Nothing of ours to do
    "",
    "Ваш код 4711",
    "Пишите на info@shop-with-a-long-name.example",
    "mailto:info@shop-with-a-long-name.example",
    "Откройте file.py или archive.tar.gz, затем README.md",
    "shop.example/catalogue/a-very-long-path-without-a-scheme",
    "www.shop-with-a-very-long-name.example/catalogue",
    "//shop.example/catalogue/without/a/scheme",
    "ftp://shop.example/catalogue/of/other/schemes",
    "git+https://shop.example/catalogue/of/other/schemes",
    "shttps://shop.example/catalogue/of/other/schemes",
    "https:/shop.example/catalogue/with/one/slash",
    "https: //shop.example/catalogue/with/a/blank",
    "https://",
    "https://!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!",
    "http://-shop.example-/catalogue/of/nothing",
    "https://shop.example:99999/catalogue/of/no/port",
    "https://s.example/12345678",
    "https://go.shop.example/AbC-12_x",
    "https://go.shop.example/AbC-12_x?utm_source=a&utm_medium=b",
    "HTTP://GO.SHOP.EXAMPLE/AbC-12_x/and/more",
    "https://user@go.shop.example:443/AbC-12_x",
    "https://gw.example/l/AbC-12_x?utm_source=sms",
    "https://gw.example:8443/l/AbC-12_x?utm_source=sms",
    "https://цель.рф/AbC-12_x?utm_source=sms&utm_medium=x",
    "https://b.example/a/b/c/AbC-12_x?utm_source=sms",
    # Beside what is ours
    "⟦https://gw.example/list/of/all/our/shoes⟧",
    "⟦https://gw.example:8444/l/AbC-12_x?utm=1⟧",
    "⟦https://go.shop.example.evil.example/AbC-12_x⟧",
    "⟦https://b.example/a/b/other/AbC-12_x?utm=1⟧",
    "⟦https://shop.example/?from=go.shop.example/AbC⟧",
]


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len(set(TEXTS)) == len(TEXTS) >= 80


@pytest.mark.parametrize("marked", TEXTS)
def test_a_text_and_what_is_replaced_in_it(marked: str) -> None:
    text = marked.replace("⟦", "").replace("⟧", "")
    draft = drafted(text, rules())
    targets = re.findall("⟦(.*?)⟧", marked)
    assert list(draft.targets if draft else ()) == targets
    expected = re.sub("⟦(.*?)⟧", lambda found: f"{BASE}/{uid_of(found[1])}", marked)
    assert sent(draft, text) == expected


@pytest.mark.parametrize("threshold", [0, 26, 27, 100])
def test_only_what_is_longer_than_the_threshold_is_replaced(threshold: int) -> None:
    for length in (threshold - 1, threshold, threshold + 1):
        url = "https://shop.example/".ljust(length, "x")
        draft = drafted(f"a {url} b", rules(threshold=threshold))
        assert (draft is not None) == (len(url) > threshold)


def test_a_draft_has_the_length_of_what_is_sent() -> None:
    text = "Раз https://shop.example/catalogue/1 два https://shop.example/catalogue/22."
    draft = drafted(text, rules(uid_length=5))
    assert draft is not None
    assert len(draft) == len(f"Раз {BASE}/12345 два {BASE}/12345.")
    assert draft.original == text


def test_a_url_that_no_header_could_carry_is_left_alone() -> None:
    assert drafted("https://shop.example/" + "x" * 4_096, rules()) is None


# Any text from which no URL can come, long URLs, and what stands between them.
WORDS = st.text(
    st.sampled_from("абв abz 12 \n.,!?()[]«»\"'*_~:/@#&=-…👉🔥\u200b\u200d"), max_size=12
).filter(lambda text: "//" not in text)
HOSTS = st.sampled_from(["shop.example", "магазин.рф", "a.b-c.example:8080", "u:p@shop.example"])
PATHS = st.lists(
    st.text(st.sampled_from("abcdxyz0189-_=&бвг"), min_size=1), min_size=10, max_size=20
).map(lambda names: f"{'/'.join(names[:5])}.{'.'.join(names[5:])}z")
URLS = st.builds("{}://{}/{}".format, st.sampled_from(["http", "https", "HTTPS"]), HOSTS, PATHS)
SPACED = st.lists(st.tuples(WORDS, URLS), max_size=5)
ANYTHING = st.lists(st.one_of(WORDS, URLS, st.text(max_size=20)), max_size=8).map("".join)


@given(SPACED, WORDS)
def test_every_long_url_is_replaced_and_nothing_else(
    parts: list[tuple[str, str]], rest: str
) -> None:
    text = "".join(f"{words} {url} " for words, url in parts) + rest
    draft = drafted(text, rules())
    assert list(draft.targets if draft else ()) == [url for _, url in parts]
    if draft:
        words = "".join(f"{words}  " for words, _ in parts) + rest
        assert "".join(draft.pieces) == words


@given(ANYTHING)
def test_expanding_gives_the_original_back(text: str) -> None:
    draft = drafted(text, rules())
    if draft is None:
        return
    assert draft.original == text
    short = sent(draft, text)
    assert len(short) == len(draft)
    for target in draft.targets:
        assert len(target) > THRESHOLD
        short = short.replace(f"{BASE}/{uid_of(target)}", target, 1)
    assert short == text


@given(ANYTHING)
def test_what_is_short_stays_as_it_is(text: str) -> None:
    once = sent(drafted(text, rules()), text)
    again = drafted(once, rules())
    assert again is None or not [t for t in again.targets if t.startswith(BASE)]


@given(SPACED, WORDS)
def test_shortening_twice_is_shortening_once(parts: list[tuple[str, str]], rest: str) -> None:
    text = "".join(f"{words} {url} " for words, url in parts) + rest
    once = sent(drafted(text, rules()), text)
    assert drafted(once, rules()) is None


@given(ANYTHING)
def test_urls_are_apart_and_in_order(text: str) -> None:
    position = 0
    for begin, end in find_urls(text):
        assert position <= begin < end <= len(text)
        assert re.match("https?://.", text[begin:end], re.IGNORECASE)
        position = end


@pytest.mark.parametrize("length", range(SHORTEST_UID, LONGEST_UID + 1))
def test_a_uid_is_of_64_characters_that_a_url_may_have(length: int) -> None:
    uids = {new_uid(length) for _ in range(2_000)}
    assert {len(uid) for uid in uids} == {length}
    assert all(re.fullmatch("[A-Za-z0-9_-]+[A-Za-z0-9]", uid) for uid in uids)
    assert len({uid[0] for uid in uids}) == 64
    assert len({uid[-1] for uid in uids}) == 62


def test_a_space_has_so_many_uids() -> None:
    assert uid_space(3) == 64 * 64 * 62
    assert uid_space(8) > 270 * 10**12


def test_a_space_is_crowded_beyond_a_hundredth() -> None:
    assert not is_crowded(3, uid_space(3) // 100)
    assert is_crowded(3, uid_space(3) // 100 + 1)


@pytest.mark.parametrize(
    ("url", "base", "domain"),
    [
        ("https://go.example", "https://go.example", "go.example"),
        ("https://go.example/", "https://go.example", "go.example"),
        ("http://Go.Example:8080/l/", "http://Go.Example:8080/l", "go.example:8080/l"),
        ("https://go.example:443/l", "https://go.example:443/l", "go.example/l"),
        ("http://192.0.2.1/a/b/c", "http://192.0.2.1/a/b/c", "192.0.2.1/a/b/c"),
        ("https://цель.рф", "https://цель.рф", "xn--e1am5a0a.xn--p1ai"),
    ],
)
def test_a_short_domain(url: str, base: str, domain: str) -> None:
    assert base_of(url) == base
    assert domain_of(base) == domain


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "absolute"),
        ("go.example", "absolute"),
        ("//go.example", "absolute"),
        ("ftp://go.example", "http or https"),
        ("https://", "absolute"),
        ("https://go.example:port", "absolute"),
        ("https://go.example:70000", "absolute"),
        ("https://[go.example", "absolute"),
        ("https://user@go.example", "more than a domain"),
        ("https://go.example/l?x=1", "more than a domain"),
        ("https://go.example/l#x", "more than a domain"),
        ("https://go.example/a b", "segments"),
        ("https://go.example/a//b", "segments"),
        ("https://go.example/a/b/c/d", "segments"),
        ("https://go.example/путь", "segments"),
        (f"https://{'go' * 50}.example", "longer than 100"),
    ],
)
def test_what_is_no_short_domain(url: str, told: str) -> None:
    with pytest.raises(BadBase, match=told):
        base_of(url)
