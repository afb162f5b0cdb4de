"""People who look after the gateway: their logins, their sessions, and what they have changed."""

import sqlalchemy as sa
from alembic import op

revision = "r0010"
down_revision = "r0009"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the console's own tables."""
    op.create_table(
        "operators",
        sa.Column("operator_id", _NUMBER, primary_key=True),
        sa.Column("login", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("sees_texts", sa.SmallInteger, nullable=False),
        sa.Column("disabled", sa.SmallInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("operators_login", "operators", ["login"], unique=True)
    op.create_table(
        "operator_sessions",
        sa.Column("token_hash", sa.LargeBinary, primary_key=True),
        sa.Column("operator_id", sa.BigInteger, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("operator_sessions_operator", "operator_sessions", ["operator_id"])
    op.create_table(
        "audit",
        sa.Column("audit_id", _NUMBER, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("operator", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
    )
