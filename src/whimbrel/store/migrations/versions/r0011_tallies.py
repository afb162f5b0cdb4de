"""Sums of what has happened, for the overview, and an index of the reports that were given up."""

import sqlalchemy as sa
from alembic import op

revision = "r0011"
down_revision = "r0010"

_DEAD = sa.text("state = 3")


def upgrade() -> None:
    """Add both; what happened before is in no sum."""
    op.create_table(
        "tallies",
        sa.Column("span", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("begins_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("detail", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("span", "what", "begins_at", "channel", "position", "detail"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "reports_dead",
        "reports",
        ["lane", "created_at"],
        sqlite_where=_DEAD,
        postgresql_where=_DEAD,
    )
