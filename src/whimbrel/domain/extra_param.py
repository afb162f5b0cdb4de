"""Extra parameters: `name=value,name=value` in one text.

Owns the grammar of `protocol.md`, section 1 (`extraParam`), both ways. What the parameters mean is
known to whoever reads them.

    text   = [ param *( "," param ) ]
    param  = name "=" value
    name   = one or more characters, without "," and "="
    value  = any characters, a comma written twice
"""

import re
from collections.abc import Iterable, Iterator

# The longer form first, so commas pair up from the left: of three, two are a comma of the value and
# the third ends it. No other reading is possible, since no name begins with a comma.
_COMMAS = re.compile(",,|,")


class BadExtraParam(ValueError):
    """The text breaks the grammar. The message tells the rule."""


def parse(text: str) -> tuple[tuple[str, str], ...]:
    """Return the (name, value) pairs of a text, in order, a repeated name as often as it stands.

    `place=a,geo=53.8,, 58.6` gives `("place", "a"), ("geo", "53.8, 58.6")`. The first `=` ends the
    name, further ones belong to the value, and a value may be empty. Nothing is trimmed: blanks
    belong to the name or the value in which they stand. An empty text has no parameters; an empty
    parameter, as after a comma at the end, is an error (`protocol.md`, section 1).

    Raises `BadExtraParam`.
    """
    if not text:
        return ()
    return tuple(_pair(param) for param in _split(text))


def render(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the text from which `parse` gives these pairs again.

    Raises `BadExtraParam` for a name that the grammar cannot carry.
    """
    return ",".join(f"{_checked_name(name)}={value.replace(',', ',,')}" for name, value in pairs)


def _split(text: str) -> Iterator[str]:
    start = 0
    for commas in _COMMAS.finditer(text):
        if commas[0] == ",":
            yield text[start : commas.start()]
            start = commas.end()
    yield text[start:]


def _pair(param: str) -> tuple[str, str]:
    name, equals, value = param.partition("=")
    if not equals:
        raise BadExtraParam(
            "Each parameter is name=value, and a comma inside a value is written twice."
        )
    return _checked_name(name), value.replace(",,", ",")


def _checked_name(name: str) -> str:
    if not name:
        raise BadExtraParam("The name of a parameter must not be empty.")
    if "," in name or "=" in name:
        raise BadExtraParam("The name of a parameter contains no comma and no equals sign.")
    return name
