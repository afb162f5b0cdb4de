"""Short URLs, their clicks, and how many UIDs of each length are in use."""

import sqlalchemy as sa
from alembic import op

revision = "r0004"
down_revision = "r0003"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add what the service of short URLs needs."""
    op.add_column("links", sa.Column("short_uids", sa.Text(), nullable=True))
    op.create_table(
        "short_urls",
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("shared_key", sa.LargeBinary(), nullable=True),
        sa.Column("subscriber", sa.Text(), nullable=True),
        sa.Column("chain_id", sa.BigInteger(), nullable=True),
        sa.Column("link_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("idle_until", sa.BigInteger(), nullable=True),
        sa.Column("visits", sa.Integer(), nullable=False),
        sa.Column("clicks", sa.Integer(), nullable=False),
        sa.Column("first_click_at", sa.BigInteger(), nullable=True),
        sa.Column("last_click_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.partner_id"]),
        sa.PrimaryKeyConstraint("uid"),
    )
    _add_index("short_urls_shared", "shared_key", "shared_key IS NOT NULL", unique=True)
    _add_index("short_urls_chain", "chain_id", "chain_id IS NOT NULL")
    _add_index("short_urls_expires", "expires_at", "expires_at IS NOT NULL")
    _add_index("short_urls_idle", "idle_until", "idle_until IS NOT NULL")
    op.create_table(
        "clicks",
        sa.Column("click_id", _NUMBER, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("counted", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("click_id"),
    )
    op.create_index("clicks_uid", "clicks", ["uid", "at"])
    op.create_table(
        "uid_spaces",
        sa.Column("uid_length", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("uid_length"),
    )


def _add_index(name: str, column: str, condition: str, *, unique: bool = False) -> None:
    where = sa.text(condition)
    op.create_index(
        name, "short_urls", [column], unique=unique, sqlite_where=where, postgresql_where=where
    )
