"""What a stored URL looks like in a `Location` header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from whimbrel.domain.location import location_of

AS_IT_IS = [
    "https://shop.example",
    "http://shop.example/",
    "https://shop.example:8443/a/b;c=d?e=f&g[]=h#i",
    "https://user:pass@shop.example/~x/!$&'()*+,=:@",
    "https://[2001:db8::1]:8080/",
    "https://shop.example/%D0%BA%2Fx?100%&q=%zz",
    "https://xn--e1afmkfd.xn--p1ai/",
    "https://shop.example/?to=https://other.example/",
]
ENCODED = [
    ("https://shop.example/каталог", "https://shop.example/%D0%BA%D0%B0%D1%82%D0%B0%D0%BB%D0%BE%D0%B3"),
    ("https://shop.example/?q=ё#я", "https://shop.example/?q=%D1%91#%D1%8F"),
    ('https://shop.example/a b"<>^`{|}', "https://shop.example/a%20b%22%3C%3E%5E%60%7B%7C%7D"),
    ("https://пример.рф/", "https://xn--e1afmkfd.xn--p1ai/"),
    ("HTTPS://Пример.РФ:8443/x", "https://xn--e1afmkfd.xn--p1ai:8443/x"),
    ("https://faß.example/", "https://xn--fa-hia.example/"),  # not fass.example: another's site
    ("https://a_b.пример.рф/", "https://a_b.xn--e1afmkfd.xn--p1ai/"),
    ("https://имя@пример.рф/", "https://%D0%B8%D0%BC%D1%8F@xn--e1afmkfd.xn--p1ai/"),
    ("https://shop.example/\r\nSet-Cookie: a=b", "https://shop.example/%0D%0ASet-Cookie:%20a=b"),
    ("https://shop.example\r\n/x", "https://shop.example%0D%0A/x"),
    ("https://shop.example/\x00", "https://shop.example/%00"),
    ("https://good.example\\@evil.example/", "https://good.example/@evil.example/"),
    ("https://shop.example/\ud800", "https://shop.example/?"),
]  # fmt: skip
NONE = [
    "", "shop.example", "//shop.example/", "/x", "javascript:alert(1)", "javascript://x/%0aalert(1)",
    "data:text/html,x", "ftp://shop.example/", "file:///etc/passwd", "https:shop.example",
    "https://", "https:///x", "https://:80/", "https://user@/", " https://shop.example",
]  # fmt: skip


@pytest.mark.parametrize("target", AS_IT_IS)
def test_what_is_right_stays(target: str) -> None:
    assert location_of(target) == target


@pytest.mark.parametrize(("target", "location"), ENCODED)
def test_what_http_cannot_carry_is_encoded(target: str, location: str) -> None:
    assert location_of(target) == location


@pytest.mark.parametrize("target", NONE)
def test_nothing_but_http_and_https(target: str) -> None:
    assert location_of(target) is None


@given(
    st.sampled_from(["http", "HTTPS"]),
    st.from_regex(r"[a-z]{1,9}\.example", fullmatch=True),
    st.text(),
)
def test_whatever_is_behind_the_host_it_is_plain_ascii_and_leads_there(
    scheme: str, host: str, rest: str
) -> None:
    location = location_of(f"{scheme}://{host}/{rest}")
    assert location is not None
    assert location.isascii()
    assert not set(location) & set(' "<>\\^`{|}\x7f')
    assert min(location) > " "
    assert URL(location, encoded=True).host == host
