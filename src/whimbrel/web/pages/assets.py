"""The files that pages load: styles, scripts, vendored libraries. All of them are ours to serve.

Their address holds a digest of them all, so that a browser may keep each for ever and never has an
old one, nor one that a script of the same folder imports. Long texts are sent packed.
"""

import asyncio
import gzip
import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

PATH = "/assets"
_DIGEST = 12  # hex digits
_TYPES = MappingProxyType({".js": "text/javascript", ".txt": "text/plain", ".svg": "image/svg+xml"})
_ALWAYS = "public, max-age=31536000, immutable"
_BRIEFLY = "public, max-age=300"  # asked for by a page of another version, which has its own
_WORTH_PACKING = 1_400  # bytes, about what one packet carries


class _File(NamedTuple):
    body: bytes
    media_type: str


class Assets:
    """Every file below a package's folder, read once."""

    def __init__(self, package: str = "whimbrel.web.pages", folder: str = "assets") -> None:
        root = files(package) / folder
        self._files = {name: _read(one) for name, one in _walk(root, "")}
        self._edition = _digest(self._files)
        self._packed: dict[str, bytes] = {}

    def url(self, name: str) -> str:
        """Return where a file is. Raises `KeyError` for one that is not there."""
        if name not in self._files:
            raise KeyError(name)
        return f"{PATH}/{self._edition}/{name}"

    async def answer(self, request: Request) -> Response:
        """Answer with a file, of whichever edition the page is that asks for it."""
        edition, name = request.path_params["edition"], request.path_params["name"]
        file = self._files.get(name)
        if file is None:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        keep = _ALWAYS if edition == self._edition else _BRIEFLY
        headers = {"cache-control": keep, "vary": "accept-encoding"}
        body = file.body
        if len(body) > _WORTH_PACKING and _takes_gzip(request):
            body = await self._pack(name, body)
            headers["content-encoding"] = "gzip"
        return Response(body, media_type=file.media_type, headers=headers)

    async def _pack(self, name: str, body: bytes) -> bytes:
        """Pack a file once, beside the requests that wait for nothing: the longest takes 60 ms."""
        if name not in self._packed:
            self._packed[name] = await asyncio.to_thread(gzip.compress, body, mtime=0)
        return self._packed[name]


def _takes_gzip(request: Request) -> bool:
    """Tell whether a browser says so; what it would take less gladly does not count here."""
    codings = request.headers.get("accept-encoding", "").split(",")
    return "gzip" in {coding.strip() for coding in codings}


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _walk(one, f"{prefix}{one.name}/")
        else:
            yield prefix + one.name, one


def _read(file: Traversable) -> _File:
    body = file.read_bytes()
    suffix = f".{file.name.rpartition('.')[2]}"
    guessed = _TYPES.get(suffix) or mimetypes.guess_type(file.name)[0]
    return _File(body, guessed or "application/octet-stream")


def _digest(files: Mapping[str, _File]) -> str:
    digest = hashlib.sha256()
    for name, file in sorted(files.items()):
        digest.update(f"{name} {len(file.body)} ".encode() + file.body)
    return digest.hexdigest()[:_DIGEST]
