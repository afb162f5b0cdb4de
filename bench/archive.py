"""Fills a store with a month of messages as a provider has them, for searching: either engine.

Half of the chains are one Partner's, a ten-thousandth another's; a hundredth goes to one test
phone, the others to two million phones; a fifth are cascades; one in eight was not delivered, for
common and for rare reasons; half have an `extraParam` with one of forty campaigns and an order of
their own. Knows the tables, and nothing of what is measured over them.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whimbrel.domain.chain_id import accepted_since
from whimbrel.store.extra_pairs import pair_key

PARTNERS = 20
RATE = 4
"""Messages a second."""
CAMPAIGNS = 40
PHONES = 2_000_000
TEST_PHONE = "79990000001"
_SLICE = 250_000

_CHAIN = f":first + ((n / {RATE}) << 23) + n % {RATE}"
_WITH_EXTRA = "n % 2 = 0"
_SENDER = "CASE WHEN n % 100000 = 11 THEN 'RARE' ELSE 'SENDER' || (n % 4) END"
_FAILED = "n % 19 = 1 AND n < :count - 20000"
_STATE = f"""CASE WHEN n >= :count - 500 THEN 0 WHEN n >= :count - 20000 THEN 40
    WHEN {_FAILED} THEN 50 WHEN n % 13 = 2 THEN 60 WHEN n % 3 = 0 THEN 70 ELSE 80 END"""
_ERROR = """CASE WHEN n >= :count - 20000 THEN 0
    WHEN n % 19 = 1 THEN CASE WHEN n % 4750 = 20 THEN 13 WHEN n % 190 = 39 THEN 10 ELSE 8 END
    WHEN n % 13 = 2 THEN 7 ELSE 0 END"""
_TEXT = "Ваш заказ 8770100 готов к выдаче. Ждём вас до 20:00."
_LINK = """INSERT INTO links (link_id, chain_id, lane, channel, sender, text, ttl, state, told,
    attempt, attempted_at, due_at, expires_at, submitted_at, done_at, provider_id, error_code,
    satisfied_by)
SELECT {link}, {chain}, '', '{channel}', {sender}, '{text}', 86400000, {state}, 9, 1,
    :began + n * {pause}, :began + n * {pause}, :began + n * {pause} + 86400000,
    :began + n * {pause}, :began + n * {pause} + 4000, {provider_id}, {error}, {goal}
FROM {numbers}"""
_OF_ALL = {
    "chain": _CHAIN, "sender": _SENDER, "text": _TEXT, "pause": 1_000 // RATE,
    "numbers": "{numbers}",
}  # fmt: skip
_TEXTS = (
    f"""INSERT INTO chains (chain_id, partner_id, partner_ref, dest_addr, registered_delivery,
    extra_param, accepted_at, request_id)
SELECT {_CHAIN},
    CASE WHEN n % 10000 = 7 THEN {PARTNERS} WHEN n % 2 = 0 THEN 1 ELSE 2 + n % {PARTNERS - 2} END,
    CASE WHEN n % 50 = 1 THEN 'daily' WHEN n % 5 > 0 THEN 'order-' || n END,
    CASE WHEN n % 100 = 3 THEN '{TEST_PHONE}'
        ELSE CAST(79000000000 + n * 7919 % {PHONES} AS text) END,
    1,
    CASE WHEN {_WITH_EXTRA} THEN 'campaign=' || (n / 2 % {CAMPAIGNS}) || ',order=' || n END,
    :began + n * {1_000 // RATE}, 'bench-' || n
FROM {{numbers}}""",
    _LINK.format(
        link=f"({_CHAIN}) * 16", channel="WHATSAPP", state=_STATE, error=_ERROR,
        provider_id=f"'wamid.HBgLNzkxNjEyMzQ1NjcVAgARGBI' || ({_CHAIN})",
        goal="CASE WHEN n % 5 = 0 THEN 70 END", **_OF_ALL,
    ),
    _LINK.format(
        link=f"({_CHAIN}) * 16 + 1", channel="SMS", error="0",
        state="CASE WHEN n % 13 = 2 THEN 70 ELSE 55 END",
         provider_id="CASE WHEN n % 13 = 2 THEN CAST(900000000 + n AS text) END",
        goal="NULL", **_OF_ALL,
    ) + " WHERE n % 5 = 0",
    f"""INSERT INTO submits (link_id, attempt, started_at, ended_at, outcome, provider_id)
SELECT ({_CHAIN}) * 16, 1, :began, :began + n * {1_000 // RATE}, 'submitted',
    'wamid.HBgLNzkxNjEyMzQ1NjcVAgARGBI' || ({_CHAIN})
FROM {{numbers}}""",
    f"""INSERT INTO submits (link_id, attempt, started_at, ended_at, outcome, provider_id)
SELECT ({_CHAIN}) * 16 + 1, 1, :began, :began + n * {1_000 // RATE}, 'submitted',
    CAST(900000000 + n AS text)
FROM {{numbers}} WHERE n % 5 = 0 AND n % 13 = 2""",
)  # fmt: skip
_PARTNERS = "INSERT INTO partners SELECT {n}, 'partner-{n}', '', '{{}}', 0, NULL, 1, 1"


def number_of(n: int, began: int) -> int:
    """Return the number of the chain that was the n-th."""
    return accepted_since(began) + ((n // RATE) << 23) + n % RATE


def _pairs(begin: int, end: int, began: int) -> Iterator[tuple[int, int]]:
    campaigns = [pair_key("campaign", str(one)) for one in range(CAMPAIGNS)]
    for n in range(begin + begin % 2, end, 2):
        chain_id = number_of(n, began)
        yield campaigns[n // 2 % CAMPAIGNS], chain_id
        yield pair_key("order", str(n)), chain_id


def fill_sqlite(path: Path, count: int, began: int) -> None:
    """Fill a file that has its tables."""
    numbers = (
        "(WITH RECURSIVE numbers(n) AS (SELECT :begin UNION ALL SELECT n + 1 FROM numbers"
        " WHERE n + 1 < :end) SELECT n FROM numbers)"
    )
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -500000")
    for n in range(1, PARTNERS + 1):
        connection.execute(_PARTNERS.format(n=n))
    for begin in range(0, count, _SLICE):
        end = min(begin + _SLICE, count)
        given = {"first": accepted_since(began), "began": began, "count": count,
                 "begin": begin, "end": end}  # fmt: skip
        connection.execute("BEGIN")
        for text in _TEXTS:
            connection.execute(text.replace("{numbers}", numbers), given)
        rows = sorted(_pairs(begin, end, began))
        connection.executemany("INSERT INTO extra_pairs VALUES (?, ?)", rows)
        connection.execute("COMMIT")
    connection.close()


_SECONDARY = """
SELECT indexname, indexdef FROM pg_indexes i
WHERE schemaname = 'public' AND tablename = ANY($1)
  AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = i.indexname)
"""


async def fill_postgres(connection: Any, count: int, began: int) -> None:
    """Fill a database that has its tables; the indexes are made in the end, which is quicker."""
    await connection.execute("SET synchronous_commit = off")
    await connection.execute("SET maintenance_work_mem = '512MB'")
    indexes = await connection.fetch(_SECONDARY, ["chains", "links", "submits"])
    for name, _ in indexes:
        await connection.execute(f"DROP INDEX {name}")
    await connection.execute("ALTER TABLE extra_pairs DROP CONSTRAINT extra_pairs_pkey")
    for n in range(1, PARTNERS + 1):
        await connection.execute(_PARTNERS.format(n=n))
    for begin in range(0, count, _SLICE):
        end = min(begin + _SLICE, count)
        given = {"first": accepted_since(began), "began": began, "count": count}
        for text in _TEXTS:
            sql = text.replace("{numbers}", f"generate_series({begin}::bigint, {end - 1}) AS n")
            for name, value in given.items():
                sql = sql.replace(f":{name}", f"{value}::bigint")
            await connection.execute(sql)
        await connection.copy_records_to_table("extra_pairs", records=_pairs(begin, end, began))
    await connection.execute("ALTER TABLE extra_pairs ADD PRIMARY KEY (pair, chain_id)")
    for _, definition in indexes:
        await connection.execute(definition)
    await connection.execute("VACUUM ANALYZE")
