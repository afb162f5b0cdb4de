"""What operators look for is found by an index: phone, Partner's id, pair of `extraParam`, error.

The pairs of the chains that are there are written a batch at a time. Indexes are made while nobody
writes: about a minute for ten million chains in PostgreSQL.
"""

import sqlalchemy as sa
from alembic import op

from whimbrel.store.extra_pairs import pair_keys

revision = "r0012"
down_revision = "r0011"

_BATCH = 5_000  # chains


def upgrade() -> None:
    """Add the indexes, and the table of pairs with what it has to hold."""
    op.create_index("chains_dest_addr", "chains", ["dest_addr", "chain_id"])
    with_ref = "partner_ref IS NOT NULL AND dedupe_ref IS NULL"
    _add_index("chains_partner_ref", "chains", ["partner_ref", "chain_id"], with_ref)
    undelivered = "state = 50 OR state = 57 OR state = 60"
    _add_index("links_undelivered", "links", ["error_code", "link_id"], undelivered)
    columns = ["subscriber", "received_at", "mo_id"]
    op.create_index("mo_messages_subscriber", "mo_messages", columns)
    pairs = op.create_table(
        "extra_pairs",
        sa.Column("pair", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("chain_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("pair", "chain_id"),
        sqlite_with_rowid=False,
    )
    _fill(pairs)


def _fill(pairs: sa.Table) -> None:
    chains = sa.table("chains", sa.column("chain_id"), sa.column("extra_param"))
    wanted = sa.select(chains.c.chain_id, chains.c.extra_param).where(
        chains.c.extra_param.is_not(None)
    )
    connection, last = op.get_bind(), -1
    while batch := connection.execute(
        wanted.where(chains.c.chain_id > last).order_by(chains.c.chain_id).limit(_BATCH)
    ).all():
        rows = [
            {"pair": key, "chain_id": chain_id}
            for chain_id, text in batch
            for key in set(pair_keys(text))
        ]
        if rows:
            connection.execute(sa.insert(pairs), rows)
        last = batch[-1].chain_id


def _add_index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
