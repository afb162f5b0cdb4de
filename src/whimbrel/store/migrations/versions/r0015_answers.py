"""What subscribers write on WhatsApp is kept: with Meta's word for its kind, and once by its id.

On SQLite a column can be left empty only in a table that is made anew: seconds for a million
messages, and for so long twice their room.
"""

import sqlalchemy as sa
from alembic import op

revision = "r0015"
down_revision = "r0014"

_NUMBERED = sa.text("provider_id IS NOT NULL")


def upgrade() -> None:
    """Add the columns, let `data_coding` be empty, and hold each of the channel's ids once."""
    with op.batch_alter_table("mo_messages") as table:
        table.alter_column("data_coding", existing_type=sa.SmallInteger(), nullable=True)
        table.add_column(sa.Column("kind", sa.Text(), nullable=True))
        table.add_column(sa.Column("provider_id", sa.Text(), nullable=True))
    op.create_index(
        "mo_messages_provider_id",
        "mo_messages",
        ["provider_id", "account", "channel"],
        unique=True,
        sqlite_where=_NUMBERED,
        postgresql_where=_NUMBERED,
    )
