"""The small pages that a visitor of a short domain may meet, in Russian or English.

They say nothing of what was asked, load nothing and run nothing.
"""

from types import MappingProxyType
from typing import NamedTuple

_LANGUAGES = ("en", "ru")
_TEXTS = {
    404: {
        "en": ("Page not found", "There is a mistake in the address, or it is no longer valid."),
        "ru": ("Страница не найдена", "В адресе ошибка, или он больше не действует."),
    },
    405: {
        "en": ("Not possible", "This address can only be opened."),
        "ru": ("Невозможно", "Этот адрес можно только открыть."),
    },
    429: {
        "en": ("Too many attempts", "Please try again in a minute."),
        "ru": ("Слишком много попыток", "Попробуйте ещё раз через минуту."),
    },
    503: {
        "en": ("Out of service", "Please try again in a minute."),
        "ru": ("Сервис недоступен", "Попробуйте ещё раз через минуту."),
    },
}
_PAGE = """\
<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<h1>{title}</h1>
<p>{text}</p>
</html>
"""


class Page(NamedTuple):
    """A page, ready to be sent."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]


def _page(status: int, language: str) -> Page:
    title, text = _TEXTS[status][language]
    body = _PAGE.format(language=language, title=title, text=text).encode()
    headers = (
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"content-language", language.encode()),
        (b"vary", b"Accept-Language"),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
        (b"x-content-type-options", b"nosniff"),
    )
    return Page(status, body, headers)


_PAGES = MappingProxyType(
    {(status, language): _page(status, language) for status in _TEXTS for language in _LANGUAGES}
)


def page(status: int, accept_language: bytes) -> Page:
    """Return the page for 404, 405, 429 or 503 in the visitor's language."""
    return _PAGES[status, language_of(accept_language)]


def language_of(accept_language: bytes) -> str:
    """Return `ru` or `en`, whichever an Accept-Language prefers (RFC 9110, section 12.5.4).

    English if it names neither, or both alike.
    """
    weights = dict.fromkeys(_LANGUAGES, 0.0)
    for choice in accept_language[:1_000].decode("latin-1").lower().split(","):
        name, _, parameter = choice.partition(";")
        language = name.strip().partition("-")[0]
        if language in weights:
            weights[language] = max(weights[language], _weight(parameter))
    return "ru" if weights["ru"] > weights["en"] else "en"


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
