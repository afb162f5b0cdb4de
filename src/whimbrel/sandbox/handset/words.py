"""The languages of the sandbox's pages: English, and Russian by the English text."""

from collections.abc import Mapping

from starlette.requests import Request

from whimbrel.sandbox.handset.words_ru import RUSSIAN

LANGUAGES = {"en": "English", "ru": "Русский"}


class Words:
    """Texts in one language. Called with an English text, returns it in this language.

    What is written `{name}` in it is filled in. A text that is not known stays English: some of
    them come from the wire.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts: Mapping[str, str] = RUSSIAN if language == "ru" else {}

    def __call__(self, text: str, **values: object) -> str:
        """Return the text with its values."""
        known = self._texts.get(text, text)
        return known.format(**values) if values else known


def language_of(request: Request, cookie: str) -> str:
    """Return the language that the visitor has chosen by a cookie, or that his browser prefers."""
    chosen = request.cookies.get(cookie)
    if chosen in LANGUAGES:
        return chosen
    return _preferred(request.headers.get("accept-language", ""))


def _preferred(header: str) -> str:
    """Read an Accept-Language (RFC 9110, section 12.5.4); English for whoever wants neither."""
    best, best_weight = "en", 0.0
    for choice in header.split(","):
        name, _, rest = choice.partition(";")
        language = name.strip().lower().partition("-")[0]
        try:
            weight = float(rest.strip().removeprefix("q=") or 1)
        except ValueError:
            weight = 0.0
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best
