"""Request bodies: bounded, complete, and in UTF-8 whatever charset they came in."""

import codecs
import encodings
import encodings.aliases
import pkgutil
import re
from functools import lru_cache

from starlette.types import Receive, Scope

_CHARSET = re.compile(rb"""charset\s*=\s*["']?([^\s;"']+)""", re.IGNORECASE)
_UTF8 = {"utf-8", "ascii"}
_TEXT_CODECS = re.compile(
    r"utf-(?:8-sig|16|16-[lb]e|32|32-[lb]e)|cp\d+|iso8859-\d+|koi8-[rtu]|mac-\w+|gb\d+|gbk|big5"
    r"|shift_jis\w*|euc_\w+|ptcp154|latin-1"
)
# Python remembers every name that it was ever asked for, so it is asked for these alone.
_ALIASES = {module.name for module in pkgutil.iter_modules(encodings.__path__)}
_ALIASES |= encodings.aliases.aliases.keys()


class BodyTooLong(Exception):
    """A body longer than its limit."""


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


class UnknownCharset(Exception):
    """A charset that is not known, or a body that is not in it."""


async def read_whole(receive: Receive, limit: int) -> bytes:
    """Return the whole body of up to `limit` bytes. Raises `BodyTooLong`, `ClientGone`."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")  # the usual case: one event
        if len(body) > limit:
            raise BodyTooLong
        return body
    chunks, length = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        length += len(chunk)
        if length > limit:
            raise BodyTooLong
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()


def header(scope: Scope, name: bytes) -> bytes:
    """Return a header's value, empty if there is none; `name` is in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


def to_utf8(body: bytes, content_type: bytes) -> bytes:
    """Return the body in UTF-8, from the charset that Content-Type names if it names one.

    Raises `UnknownCharset`. Only plain text encodings are honoured: some of Python's codecs take
    quadratic time or mean something else than text.
    """
    match = _CHARSET.search(content_type) if content_type else None
    if match:
        body = _decoded(body, match[1].decode("latin-1"))
    return body.removeprefix(codecs.BOM_UTF8)


def _decoded(body: bytes, charset: str) -> bytes:
    name = _codec(charset)
    if name in _UTF8:
        return body
    if not _TEXT_CODECS.fullmatch(name):
        raise UnknownCharset(f"Content-Type: the charset {charset[:40]!r} is not known.")
    try:
        return body.decode(name).encode()
    except UnicodeError as error:
        raise UnknownCharset(f"Content-Type: the body is not in {charset[:40]}.") from error


@lru_cache(maxsize=256)
def _codec(charset: str) -> str:
    """Return Python's name of a charset, empty if it has none."""
    alias = encodings.normalize_encoding(charset).lower()
    try:
        return codecs.lookup(alias).name if alias in _ALIASES else ""
    except LookupError:  # Windows' own, elsewhere
        return ""
