"""Submits of which nobody ever told what became of them, to be found by their moment."""

import sqlalchemy as sa
from alembic import op

revision = "r0009"
down_revision = "r0008"

_UNEXPLAINED = sa.text("outcome = 'no answer' AND provider_id IS NULL")


def upgrade() -> None:
    """Add the index by which a receipt's other possible owners are looked for."""
    op.create_index(
        "submits_unexplained",
        "submits",
        ["ended_at"],
        sqlite_where=_UNEXPLAINED,
        postgresql_where=_UNEXPLAINED,
    )
