"""Which parts of a text are URLs.

`linkify-it-py` knows what a host, a port and a path may look like in any alphabet. Where a URL
begins and ends in a message is decided here: after an emoji or a zero-width space, before a
guillemet, between the asterisks of WhatsApp's markup. Only what begins with `http://` or `https://`
is a URL: no e-mail address, no `file.py`, no bare domain.

The time is linear in the text, whatever is in it: what lies far ahead of a URL is looked at once
for all URLs, not again for each.
"""

import re
import unicodedata
from collections.abc import Iterator

from linkify_it import LinkifyIt  # type: ignore[import-untyped]

_rules = LinkifyIt(options={"fuzzy_link": False, "fuzzy_email": False}).re
_LETTER = _rules["src_pseudo_letter"]
# The library's own host tries each label in several ways, which takes exponential time where the
# host is wrong in the end; atomic groups try the longest label and no other.
_LABEL = f"(?>{_rules['src_xn']}|{_LETTER}(?:(?:-|{_LETTER}){{0,61}}{_LETTER})?)"
_AFTER_SCHEME = re.compile(
    f"//{_rules['src_auth']}{_LABEL}(?:\\.{_LABEL})*+{_rules['src_port']}"
    f"{_rules['src_host_terminator']}{_rules['src_path']}",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?<![^\W_])(?<!\w\+)https?:(?=//)", re.IGNORECASE)
# Space, controls, what has no width and joins no letters; quotes, and what else RFC 3986 keeps out
# of URLs so that they can stand between it; a comma before another URL.
_NEVER_INSIDE = re.compile(
    r"[\s\x00-\x20\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202f\u2060-\u206f\ufeff"
    r'<>"`\\«»‹›“”„\uff1c\uff1e\uff5c]|[,;|](?=[*_~]?https?://)',
    re.IGNORECASE,
)
_MARKS = "*_~"  # WhatsApp's bold, italic and struck through
_MARK_OR_LINE = re.compile(rf"[{_MARKS}\n]")
_AFTER_MARKUP = f"{_MARKS}.,;:!?…'’)]}}"
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))
_PUNCTUATION = ".,;:!?'"
_SELECTORS = "\ufe0e\ufe0f\u20e3"  # make an emoji of the character before


def find_urls(text: str) -> Iterator[tuple[int, int]]:
    """Yield the begin and the end of each URL in `text`, in their order."""
    token, markup, position = _Token(text, 0, 0), _Markup(text), 0
    while found := _SCHEME.search(text, position):
        begin, position = found.span()
        if begin >= token.end:
            token = _Token(text, begin, _end_of_token(text, begin))
        markup.read_to(begin)
        match = _AFTER_SCHEME.match(text, position, token.limit(begin, markup.opened))
        end = _without_tail(text, match.end()) if match else 0
        if end > position + len("//"):
            yield begin, end
            position = markup.position = end


def _end_of_token(text: str, begin: int) -> int:
    found = _NEVER_INSIDE.search(text, begin)
    return found.start() if found else len(text)


def _without_tail(text: str, end: int) -> int:
    """Return the end of a URL without punctuation, emoji and joiners behind it.

    The library leaves out some of the ASCII punctuation, and none of the rest.
    """
    while _is_tail(text[end - 1]):
        end -= 1
    return end


def _is_tail(char: str) -> bool:
    if char.isascii():
        return char in _PUNCTUATION
    return unicodedata.category(char)[0] in "PSC" or char in _SELECTORS


class _Token:
    """A stretch of text that may hold URLs, and nothing that would end any of them."""

    def __init__(self, text: str, begin: int, end: int) -> None:
        self.end = end
        self._text = text
        core = begin + len(text[begin:end].rstrip(_AFTER_MARKUP))
        self._closing = {mark: self._find(mark, core) for mark in _MARKS}
        self._unclosed = {
            opener: self._find(opener, max(begin, text.rfind(closer, begin, end)))
            for opener, closer in _BRACKETS
        }

    def limit(self, begin: int, opened: set[str]) -> int:
        """Return where a URL that begins at `begin` has to end at the latest.

        That is before the mark that closes the markup around it, before the same quote that stands
        before it, and before a bracket that nothing closes.
        """
        ends = [self.end, *(self._closing[mark] for mark in opened)]
        if self._text[begin - 1 : begin] == "'":
            ends.append(self._find("'", begin))
        for opener, position in self._unclosed.items():
            if position < begin:  # those of an earlier URL are passed by
                self._unclosed[opener] = self._find(opener, begin)
            ends.append(self._unclosed[opener])
        return min(ends)

    def _find(self, what: str, begin: int) -> int:
        """Return where `what` is next in the token; its end if it is nowhere."""
        found = self._text.find(what, begin, self.end)
        return self.end if found < 0 else found


class _Markup:
    """Which of WhatsApp's marks are open at a place, read from the text outside of URLs."""

    def __init__(self, text: str) -> None:
        self.position = 0
        self.opened: set[str] = set()
        self._text = text

    def read_to(self, end: int) -> None:
        """Follow the marks from the last position to `end`. A line's end closes all."""
        for found in _MARK_OR_LINE.finditer(self._text, self.position, end):
            mark = found[0]
            if mark == "\n":
                self.opened.clear()
            elif mark not in self.opened:
                if not self._is_word(found.start() - 1):
                    self.opened.add(mark)
            elif not self._is_word(found.end()):
                self.opened.discard(mark)
        self.position = max(self.position, end)

    def _is_word(self, position: int) -> bool:
        return self._text[position : position + 1].isalnum() if position >= 0 else False
