"""What Partners put on the wire, what comes back, and what is in the store after it."""

import contextlib
import io
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from multidict import CIMultiDictProxy

from tests.support.gateway import RunningGateway, a_request
from whimbrel.store.engine import Statement, Steps, ask_one
from whimbrel.store.history import Story, tell_stories

ERROR_TABLE = {
    1: ("Service is unavailable", 503),
    2: ("Invalid IP-address", 403),
    3: ("Too many connections", 429),
    4: ("Invalid request", 400),
    5: ("Invalid login", 401),
    6: ("Invalid password", 401),
    7: ("serviceNumber is not defined", 400),
    8: ("destAddr is not correct", 406),
    9: ("Message type is not correct", 406),
    10: ("Prohibited sending duplicates", 409),
    11: ("Invalid TTL", 406),
    100: ("100", 500),
}
"""The provider's own table: description and HTTP code of each code."""

ABSENT = object()
"""As a value of `altered`: the member is taken away."""


class Answer(NamedTuple):
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)

    @property
    def mt_num(self) -> str:
        assert self.status == 200, self.body
        mt_num = self.json["mtNum"]
        assert isinstance(mt_num, str)
        return mt_num

    @property
    def code(self) -> int:
        """The code of an error; 0 of an acceptance."""
        return 0 if self.status == 200 else self.json["error"]["code"]

    @property
    def text(self) -> str:
        return self.json["extendedDescription"]


async def post(
    gateway: RunningGateway,
    body: bytes | Mapping[str, Any] | None = None,
    *,
    path: str = "/send",
    headers: Mapping[str, str] | None = None,
    client: aiohttp.ClientSession | None = None,
    **options: Any,
) -> Answer:
    """POST a body with these headers and no others: none about its type unless one is given."""
    if not isinstance(body, bytes):
        body = json.dumps(a_request() if body is None else body).encode()
    async with (client or gateway.client).post(
        gateway.url + path,
        data=io.BytesIO(body),  # aiohttp warns of long bytes
        headers=headers,
        skip_auto_headers=["Content-Type"],
        **options,
    ) as answer:
        return Answer(answer.status, answer.headers, await answer.read())


def altered(request: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy with some members changed; a path such as `message.data.ttl` names each."""
    copy: dict[str, Any] = json.loads(json.dumps(request))
    for path, value in changes.items():
        *parents, last = path.split(".")
        holder = copy
        for parent in parents:
            holder = holder.setdefault(parent, {})
        if value is ABSENT:
            del holder[last]
        else:
            holder[last] = value
    return copy


def a_text(text: str = "Hello", **members: Any) -> dict[str, Any]:
    """Return a `message` with a text."""
    content = {"type": "TEXT", "data": {"text": text}}
    return {"type": "WHATSAPP", "data": {"instantContent": content, **members}}


def assert_refused(answer: Answer, code: int, *phrases: str) -> None:
    """Assert the whole form of an error: all of its members, and nothing else."""
    description, http_status = ERROR_TABLE[code]
    assert answer.json == {
        "error": {"code": code, "description": description},
        "extendedDescription": answer.text,
    }
    assert answer.status == http_status
    for phrase in phrases:
        assert phrase in answer.text
    assert ("Retry-After" in answer.headers) == (code in {1, 3})


async def stored(gateway: RunningGateway, answer: Answer) -> Story:
    """Return what is in the store of an accepted request.

    A link's `first_due_at` is when it was due at acceptance: the dispatcher moves `due_at` on.
    """
    story = await gateway.store.read(tell_stories, int(answer.mt_num))
    assert story is not None
    for link in story.links:
        link["first_due_at"] = link["expires_at"] - link["ttl"]
    return story


async def count_chains(gateway: RunningGateway) -> int:
    return await gateway.store.read(_count_chains, None)


def _count_chains(items: list[None]) -> Steps[list[int]]:
    rows = yield from ask_one(Statement("SELECT count(*) FROM chains"))
    return [rows[0][0]] * len(items)


@contextlib.contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Hold SQLite's write lock, as a stuck process would."""
    with contextlib.closing(sqlite3.connect(folder / "whimbrel.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()
