"""The pages' texts in other languages, keyed by the English ones.

`words/ru/*.toml` hold one table each, English to Russian. A text without a translation is shown in
English; a test finds it before anybody else does.
"""

import functools
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

LANGUAGES = MappingProxyType({"en": "English", "ru": "Русский"})


@functools.cache
def read_words() -> Mapping[str, Mapping[str, str]]:
    """Read every translation, by language; the files are read once a process.

    Raises `ValueError` for a text that two files have.
    """
    translations = {language: _of(language) for language in LANGUAGES if language != "en"}
    return MappingProxyType({**translations, "en": MappingProxyType({})})


def _of(language: str) -> Mapping[str, str]:
    words: dict[str, str] = {}
    folder = files("whimbrel.web.pages") / "words" / language
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        texts = tomllib.loads(file.read_text(encoding="utf-8"))
        for english, text in texts.items():
            if words.setdefault(english, text) != text:
                raise ValueError(f"{file.name}: {english!r} has another translation elsewhere")
    return MappingProxyType(words)


def phrase(english: str) -> str:
    """Mark a text in the code that pages show; it is translated where it is shown."""
    return english


class Translator:
    """One language."""

    def __init__(self, language: str, words: Mapping[str, str]) -> None:
        self.language = language
        self._words = words

    def __call__(self, english: str, /, **values: object) -> str:
        """Return a text in this language, with `{name}` filled in."""
        text = self._words.get(english, english)
        return text.format_map(values) if values else text
