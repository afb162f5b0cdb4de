"""Removal by age: old chains are found by Partner, and go without looking through their children.

On SQLite a foreign key goes only with its table, so links and reports are made anew: seconds for
a million chains, and for so long twice their room.
"""

import sqlalchemy as sa
from alembic import op

revision = "r0006"
down_revision = "r0005"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Drop the foreign keys to chains, and add what is removed by."""
    _drop_foreign_keys()
    op.add_column("chains", sa.Column("content_removed_at", sa.BigInteger(), nullable=True))
    op.create_index("chains_partner", "chains", ["partner_id", "chain_id"])
    with_content = "content_removed_at IS NULL"
    _add_index("chains_with_content", "chains", ["partner_id", "chain_id"], with_content)
    op.add_column(
        "clicks", sa.Column("partner_id", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.execute(
        "UPDATE clicks SET partner_id = coalesce("
        "(SELECT s.partner_id FROM short_urls s WHERE s.uid = clicks.uid), 0)"
    )
    op.create_index("clicks_partner", "clicks", ["partner_id", "at"])


def _drop_foreign_keys() -> None:
    if op.get_bind().dialect.name != "sqlite":
        for name in ("links", "reports"):
            op.drop_constraint(f"{name}_chain_id_fkey", name, type_="foreignkey")
        return
    for table in (_links(), _reports()):
        with op.batch_alter_table(table.name, copy_from=table, recreate="always"):
            pass
    # In the order in which they were made before: SQLite chooses the last of those that would do.
    _add_index("links_due", "links", ["lane", "due_at"], "state = 0")
    _add_index("links_limbo", "links", ["due_at"], "state IN (10, 20)")
    _add_index("links_unsettled", "links", ["expires_at"], "state < 50")
    _add_index("links_held", "links", ["due_at"], "state = -10")
    passable = "state = 0 AND satisfied_by IS NOT NULL"
    _add_index("links_passable", "links", ["lane", "due_at"], passable)
    _add_index("reports_due", "reports", ["lane", "next_at"], "state = 1")
    op.create_index("reports_link_status", "reports", ["link_id", "status"], unique=True)
    _add_index("reports_open", "reports", ["chain_id"], "state IN (0, 1)")


def _add_index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def _links() -> sa.Table:
    """Return the table as it is to be, in the order of its columns on disk."""
    return sa.Table(
        "links",
        sa.MetaData(),
        sa.Column("link_id", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("ttl", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("told", sa.SmallInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("attempted_at", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("closes_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("submitted_at", sa.BigInteger(), nullable=True),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("error_code", sa.SmallInteger(), nullable=False),
        sa.Column("satisfied_by", sa.SmallInteger(), nullable=True),
        sa.Column("short_uids", sa.Text(), nullable=True),
    )


def _reports() -> sa.Table:
    """Return the table as it is to be, in the order of its columns on disk."""
    return sa.Table(
        "reports",
        sa.MetaData(),
        sa.Column("report_id", _NUMBER, primary_key=True),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("link_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("submitted_at", sa.BigInteger(), nullable=True),
        sa.Column("error_code", sa.SmallInteger(), nullable=False),
    )
