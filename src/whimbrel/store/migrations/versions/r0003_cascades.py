"""Cascades and SMS: a link's goal, parts of long messages, what subscribers write."""

import sqlalchemy as sa
from alembic import op

revision = "r0003"
down_revision = "r0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add what cascades and SMS need."""
    op.add_column("links", sa.Column("satisfied_by", sa.SmallInteger(), nullable=True))
    _add_index("links_held", ["due_at"], "state = -10")
    _add_index("links_passable", ["lane", "due_at"], "state = 0 AND satisfied_by IS NOT NULL")
    op.add_column(
        "senders",
        sa.Column("paused_since", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.execute("UPDATE senders SET paused_since = changed_at")
    op.create_table(
        "parts",
        sa.Column("link_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("parts", sa.SmallInteger(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("happened_at", sa.BigInteger(), nullable=True),
        sa.Column("error_code", sa.SmallInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("link_id", "part"),
        sqlite_with_rowid=False,
    )
    op.create_index("parts_provider_id", "parts", ["provider_id"])
    _park_by_sender()
    op.create_table(
        "mo_messages",
        sa.Column("mo_id", _NUMBER, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("subscriber", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("parts", sa.SmallInteger(), nullable=False),
        sa.Column("reference", sa.Integer(), nullable=True),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("data_coding", sa.SmallInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mo_id"),
    )
    op.create_index("mo_messages_received_at", "mo_messages", ["received_at"])


def _park_by_sender() -> None:
    """Make the table of parked receipts anew: two SMSCs may give out the same number."""
    op.drop_index("parked_receipts_received_at", "parked_receipts")
    op.rename_table("parked_receipts", "parked_before")
    op.create_table(
        "parked_receipts",
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "state", "sender"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO parked_receipts"
        " SELECT provider_id, state, sender, receipt, received_at FROM parked_before"
    )
    op.drop_table("parked_before")
    op.create_index("parked_receipts_received_at", "parked_receipts", ["received_at"])


def _add_index(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "links", columns, sqlite_where=where, postgresql_where=where)
