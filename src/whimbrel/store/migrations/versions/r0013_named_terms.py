"""Whether a message's sender and lifetime were named by its request, or are defaults."""

import sqlalchemy as sa
from alembic import op

revision = "r0013"
down_revision = "r0012"


def upgrade() -> None:
    """Add the column; of what is there already, nobody knows."""
    op.add_column("links", sa.Column("named", sa.SmallInteger))
