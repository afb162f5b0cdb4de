import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.http_urls import MAX_URL_LENGTH, redact, usable_url


@pytest.mark.parametrize(
    "url",
    [
        "http://partner.example",
        "https://partner.example/reports?channel=sms#top",
        "HTTPS://Partner.Example:8443/",
        "https://anna:secret@partner.example/",
        "http://10.0.0.1:8080/hook",
        "http://[2001:db8::1]/hook",
        "https://пример.рф/отчёты",
        "http://p.example/" + "a" * (MAX_URL_LENGTH - 17),
    ],
)
def test_usable(url: str) -> None:
    assert usable_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "partner.example/hook",
        "//partner.example/hook",
        "/hook",
        "http:",
        "http://",
        "http:///hook",
        "http:/partner.example",
        "http://?x=1",
        "http://anna@/",
        "ftp://partner.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://partner.example:0/",
        "http://partner.example:65536/",
        "http://partner.example:http/",
        "http://[::1/",
        "http://part ner.example/",
        "http://partner.example/a b",
        " http://partner.example/",
        "http://partner.example/\n",
        "http://partner.example/\r\nX: y",
        "http://partner.example/\t",
        "http://partner.example/\x00",
        "http://partner.example/\x7f",
        "http://partner.example/\u00a0",
        "http://partner.example/\u2028",
        "http://partner.example/\ud800",
        "http://trusted.example\\@partner.example/",
        "http://p.example/" + "a" * (MAX_URL_LENGTH - 16),
    ],
)
def test_not_usable(url: str) -> None:
    assert not usable_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h.example/a/b", "https://h.example/a/b"),
        ("https://h.example", "https://h.example/"),
        ("https://anna:secret@h.example:8443/a?token=x#y", "https://h.example:8443/a"),
        ("http://h.example:80/", "http://h.example/"),
        ("http://[::1]:8080/a?b", "http://[::1]:8080/a"),
        ("https://пример.рф/ы?ы", "https://xn--e1afmkfd.xn--p1ai/%D1%8B"),
        ("http://h.example/a\u2028b", "http://h.example/a%E2%80%A8b"),
        ("http://h:99999/secret", "(unusable URL)"),
        ("secret", "(unusable URL)"),
        ("mailto:secret", "(unusable URL)"),
        ("", "(unusable URL)"),
    ],
)
def test_redact(url: str, shown: str) -> None:
    assert redact(url) == shown


@given(st.text())
def test_any_text_is_judged_and_redacted(text: str) -> None:
    usable_url(text)
    redact(text)


@given(st.from_regex(r"https?://[a-z@:/?#\[\]%\\.0-9]{0,40}", fullmatch=True))
def test_what_looks_like_a_url_is_judged_and_redacted(text: str) -> None:
    usable_url(text)
    assert "@" not in redact(text).partition("://")[2].partition("/")[0]
    assert "?" not in redact(text)
