"""What operators have asked for of dead reports, and an index by which these are listed."""

import sqlalchemy as sa
from alembic import op

revision = "r0014"
down_revision = "r0013"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_UNENDED, _DEAD = sa.text("ended_at IS NULL"), sa.text("state = 3")


def upgrade() -> None:
    """Add the tables of redeliveries, and the index of dead reports by their messages."""
    op.create_table(
        "redeliveries",
        sa.Column("redelivery_id", _NUMBER, primary_key=True),
        sa.Column("partner_id", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("operator", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("stopped_at", sa.BigInteger),
    )
    op.create_table(
        "redelivery_lanes",
        sa.Column("redelivery_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("lane", sa.Text, primary_key=True),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("after_created_at", sa.BigInteger, nullable=False),
        sa.Column("after_report_id", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
    )
    op.create_index(
        "redelivery_lanes_open",
        "redelivery_lanes",
        ["redelivery_id", "lane"],
        sqlite_where=_UNENDED,
        postgresql_where=_UNENDED,
    )
    op.create_index(
        "reports_dead_of",
        "reports",
        ["link_id", "status"],
        sqlite_where=_DEAD,
        postgresql_where=_DEAD,
    )
