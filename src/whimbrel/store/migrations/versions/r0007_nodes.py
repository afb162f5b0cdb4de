"""Several nodes on one store: who they are, what each holds, and what Partners may still send."""

import sqlalchemy as sa
from alembic import op

revision = "r0007"
down_revision = "r0006"


def upgrade() -> None:
    """Add nodes; the one that there was until now is node 0, and has handed out all numbers."""
    op.create_table(
        "nodes",
        sa.Column("node_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("numbers_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node_id"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO nodes (node_id, token, name, roles, version, started_at, seen_at, beat,"
        " numbers_until)"
        # domain/chain_id.py: seconds since 2026-01-01T00:00:00Z stand above 23 other bits.
        " SELECT 0, NULL, '', '', '', 0, 0, 0, (last.chain_id / 8388608 + 1767225601) * 1000"
        " FROM (SELECT max(chain_id) AS chain_id FROM chains) AS last"
        " WHERE last.chain_id IS NOT NULL"
    )
    op.create_table(
        "holdings",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("node_id", sa.SmallInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "account", "slot"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "allowances",
        sa.Column("partner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("spent_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partner_id"),
    )
    op.add_column("links", sa.Column("node_id", sa.SmallInteger(), nullable=True))
    op.add_column("reports", sa.Column("node_id", sa.SmallInteger(), nullable=True))
    claimed = sa.text("node_id IS NOT NULL")
    op.create_index(
        "reports_claimed", "reports", ["node_id"], sqlite_where=claimed, postgresql_where=claimed
    )
