"""Fills a PostgreSQL database with messages that are over, and with others that wait.

Knows the tables, and nothing of what is measured over them.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from whimbrel.clock import DAY, HOUR, SECOND
from whimbrel.domain.chain_id import accepted_since

PARTNERS = 3
SENDERS = 4
_SLICE = 500_000  # rows a transaction
_SETTLED_A_SECOND, _WAITING_A_SECOND = 4, 400  # of the seconds in which they were accepted
_TEXT = "Ваш заказ 8770100 готов к выдаче. Ждём вас до 20:00."

_SECONDARY = """
SELECT indexname, indexdef FROM pg_indexes i
WHERE schemaname = 'public' AND tablename = ANY($1)
  AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = i.indexname)
"""
_TABLES = ["chains", "links", "submits", "receipts", "reports"]
_CHAINS = f"""
INSERT INTO chains (chain_id, partner_id, partner_ref, dedupe_ref, dest_addr, registered_delivery,
    accepted_at, request_id)
SELECT $1 + ((n / $2) << 23) + n % $2, 1 + n % {PARTNERS}, 'ref-' || $5 || n, 'ref-' || $5 || n,
    (79000000000 + n)::text, 1, $6 + n / $2 * 1000, 'bench-' || n
FROM generate_series($3::bigint, $4::bigint) AS n
"""
_LINK = f"""
INSERT INTO links (link_id, chain_id, lane, channel, sender, text, ttl, state, told, attempt,
    attempted_at, due_at, expires_at, submitted_at, done_at, provider_id, error_code)
SELECT chain_id << 4, chain_id, 'WHATSAPP/' || partner_id || '/SENDER' || place, 'WHATSAPP',
    'SENDER' || place, '{_TEXT}', 86400000, {{columns}}
FROM (SELECT chain_id, partner_id, accepted_at, chain_id % {SENDERS} AS place FROM chains
      WHERE chain_id >= $1 AND chain_id < $2) AS c
"""
_SETTLED_LINK = _LINK.format(
    columns="80, 9, 1, accepted_at, accepted_at, accepted_at + 86400000, accepted_at, "
    "accepted_at, 'wamid.HBgLNzkxNjEyMzQ1NjcVAgARGBI' || chain_id, 0"
)
_WAITING_LINK = _LINK.format(
    columns="0, -1, 0, NULL, accepted_at + CASE WHEN chain_id % 2 = 0 THEN 0 ELSE $3 END, "
    "accepted_at + 86400000 + $3, NULL, NULL, NULL, 0"
)
_OF_SETTLED = (
    """INSERT INTO submits (link_id, attempt, started_at, ended_at, outcome, provider_id)
    SELECT link_id, 1, attempted_at, attempted_at, 'submitted', provider_id
    FROM links WHERE link_id >= $1::bigint << 4 AND link_id < $2::bigint << 4""",
    """INSERT INTO receipts (link_id, attempt, state, happened_at, received_at)
    SELECT link_id, 1, 80, attempted_at, attempted_at
    FROM links WHERE link_id >= $1::bigint << 4 AND link_id < $2::bigint << 4""",
    """INSERT INTO reports (chain_id, link_id, status, lane, state, next_at, attempts, failures,
        created_at, done_at, submitted_at, error_code)
    SELECT chain_id, link_id, 9, split_part(lane, '/', 2) || '/', 2, attempted_at, 1, 0,
        attempted_at, attempted_at, attempted_at, 0
    FROM links WHERE link_id >= $1::bigint << 4 AND link_id < $2::bigint << 4""",
)


class Crowd(NamedTuple):
    """How many messages are over, and how many wait: half of these are due, half are not yet."""

    settled: int
    waiting: int


async def fill(connection: Any, crowd: Crowd, now: int) -> Iterator[str]:
    """Fill the tables; the indexes are made in the end, which is far quicker."""
    told: list[str] = []
    began = time.perf_counter()
    await connection.execute("SET synchronous_commit = off")
    await connection.execute("SET maintenance_work_mem = '512MB'")
    indexes = await connection.fetch(_SECONDARY, _TABLES)
    for name, _ in indexes:
        await connection.execute(f"DROP INDEX {name}")
    since = now - DAY - crowd.settled // _SETTLED_A_SECOND * SECOND
    await _settled(connection, crowd.settled, since)
    await _waiting(connection, crowd.waiting, now - crowd.waiting // _WAITING_A_SECOND * SECOND)
    told.append(f"rows written in {time.perf_counter() - began:,.0f} s")
    began = time.perf_counter()
    for _, definition in indexes:
        await connection.execute(definition)
    await connection.execute("VACUUM ANALYZE")
    told.append(f"indexes made and tables vacuumed in {time.perf_counter() - began:,.0f} s")
    return iter(told)


async def _settled(connection: Any, count: int, since: int) -> None:
    first, rate = accepted_since(since), _SETTLED_A_SECOND
    for begin, end in _slices(count):
        await connection.execute(_CHAINS, first, rate, begin, end - 1, "s", since)
        span = (_id(first, begin, rate), _id(first, end, rate))
        await connection.execute(_SETTLED_LINK, *span)
        for text in _OF_SETTLED:
            await connection.execute(text, *span)


async def _waiting(connection: Any, count: int, since: int) -> None:
    first, rate = accepted_since(since), _WAITING_A_SECOND
    for begin, end in _slices(count):
        await connection.execute(_CHAINS, first, rate, begin, end - 1, "w", since)
        await connection.execute(
            _WAITING_LINK, _id(first, begin, rate), _id(first, end, rate), 6 * HOUR
        )


def _id(first: int, n: int, rate: int) -> int:
    return first + ((n // rate) << 23) + n % rate


def _slices(count: int) -> Iterator[tuple[int, int]]:
    return ((begin, min(begin + _SLICE, count)) for begin in range(0, count, _SLICE))
