"""The tables, for every engine.

Moments are milliseconds UTC. A partial index carries each question that is asked again and again
("what is due?"), so that settled rows cost nothing however many there are. Migrations are in
`migrations/`; a test holds the two alike.

What belongs to a chain has its number in its own (`domain/chain_id.py`) and no foreign key to it:
checked at each accept it would tell nothing new, and without an index of its own, which would cost
more, each removal of a chain would have to look through all links and all reports.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

metadata = MetaData()
_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite's own row number is an INTEGER

partners = Table(
    "partners",
    metadata,
    Column("partner_id", _NUMBER, primary_key=True),
    Column("login", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("disabled", SmallInteger, nullable=False),
    Column("removed_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Index("partners_login", "login", unique=True, sqlite_where=text("removed_at IS NULL"),
          postgresql_where=text("removed_at IS NULL")),
)  # fmt: skip

_WITH_CONTENT = text("content_removed_at IS NULL")
_WITH_REF = text("partner_ref IS NOT NULL AND dedupe_ref IS NULL")
chains = Table(
    "chains",
    metadata,
    Column("chain_id", _NUMBER, primary_key=True, autoincrement=False),
    Column("partner_id", BigInteger, ForeignKey("partners.partner_id"), nullable=False),
    Column("partner_ref", Text),
    Column("dedupe_ref", Text),
    Column("content_key", LargeBinary),
    Column("dest_addr", Text, nullable=False),
    Column("registered_delivery", SmallInteger, nullable=False),
    Column("notify_url", Text),
    Column("extra_param", Text),
    Column("schedule", Text),
    Column("accepted_at", BigInteger, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("content_removed_at", BigInteger),
    Index("chains_partner", "partner_id", "chain_id"),
    Index("chains_with_content", "partner_id", "chain_id", sqlite_where=_WITH_CONTENT,
          postgresql_where=_WITH_CONTENT),
    Index("chains_dest_addr", "dest_addr", "chain_id"),
    Index("chains_partner_ref", "partner_ref", "chain_id", sqlite_where=_WITH_REF,
          postgresql_where=_WITH_REF),
    Index("chains_dedupe_ref", "partner_id", "dedupe_ref", unique=True,
          sqlite_where=text("dedupe_ref IS NOT NULL"),
          postgresql_where=text("dedupe_ref IS NOT NULL")),
    Index("chains_content_key", "content_key", "accepted_at",
          sqlite_where=text("content_key IS NOT NULL"),
          postgresql_where=text("content_key IS NOT NULL")),
)  # fmt: skip

extra_pairs = Table(
    "extra_pairs",
    metadata,
    Column("pair", BigInteger, primary_key=True, autoincrement=False),
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""By which chains are found that have a pair in their `extraParam` (`extra_pairs.py`)."""

_HELD, _QUEUED, _LIMBO = text("state = -10"), text("state = 0"), text("state IN (10, 20)")
_UNSETTLED = text("state < 50")
_PASSABLE = text("state = 0 AND satisfied_by IS NOT NULL")
_UNDELIVERED = text("state = 50 OR state = 57 OR state = 60")
# Not IN: for more than two values SQLite fills a table of them, at each row that it writes.
links = Table(
    "links",
    metadata,
    Column("link_id", _NUMBER, primary_key=True, autoincrement=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("lane", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("text", Text),
    Column("image_url", Text),
    Column("ttl", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("told", SmallInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("attempted_at", BigInteger),
    Column("due_at", BigInteger, nullable=False),
    Column("closes_at", BigInteger),
    Column("expires_at", BigInteger, nullable=False),
    Column("submitted_at", BigInteger),
    Column("done_at", BigInteger),
    Column("provider_id", Text),
    Column("error_code", SmallInteger, nullable=False),
    Column("satisfied_by", SmallInteger),
    Column("short_uids", Text),
    Column("node_id", SmallInteger),
    Column("named", SmallInteger),
    Index("links_held", "due_at", sqlite_where=_HELD, postgresql_where=_HELD),
    Index("links_due", "lane", "due_at", sqlite_where=_QUEUED, postgresql_where=_QUEUED),
    Index("links_passable", "lane", "due_at", sqlite_where=_PASSABLE, postgresql_where=_PASSABLE),
    Index("links_limbo", "due_at", sqlite_where=_LIMBO, postgresql_where=_LIMBO),
    Index("links_unsettled", "expires_at", sqlite_where=_UNSETTLED, postgresql_where=_UNSETTLED),
    Index(
        "links_undelivered",
        "error_code",
        "link_id",
        sqlite_where=_UNDELIVERED,
        postgresql_where=_UNDELIVERED,
    ),
)

_UNEXPLAINED = text("outcome = 'no answer' AND provider_id IS NULL")
submits = Table(
    "submits",
    metadata,
    Column("link_id", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("provider_id", Text),
    Column("code", Text),
    Column("detail", Text),
    Index("submits_provider_id", "provider_id", sqlite_where=text("provider_id IS NOT NULL"),
          postgresql_where=text("provider_id IS NOT NULL")),
    Index("submits_unexplained", "ended_at", sqlite_where=_UNEXPLAINED,
          postgresql_where=_UNEXPLAINED),
    sqlite_with_rowid=False,
)  # fmt: skip

parts = Table(
    "parts",
    metadata,
    Column("link_id", BigInteger, primary_key=True, autoincrement=False),
    Column("part", SmallInteger, primary_key=True, autoincrement=False),
    Column("parts", SmallInteger, nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("happened_at", BigInteger),
    Column("error_code", SmallInteger, nullable=False),
    Column("code", Text),
    Column("detail", Text),
    Index("parts_provider_id", "provider_id"),
    sqlite_with_rowid=False,
)

receipts = Table(
    "receipts",
    metadata,
    Column("link_id", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("state", SmallInteger, primary_key=True, autoincrement=False),
    Column("happened_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("code", Text),
    Column("detail", Text),
    sqlite_with_rowid=False,
)

parked_receipts = Table(
    "parked_receipts",
    metadata,
    Column("provider_id", Text, primary_key=True),
    Column("state", SmallInteger, primary_key=True, autoincrement=False),
    Column("sender", Text, primary_key=True),
    Column("receipt", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Index("parked_receipts_received_at", "received_at"),
    sqlite_with_rowid=False,
)

_NUMBERED = text("provider_id IS NOT NULL")
mo_messages = Table(
    "mo_messages",
    metadata,
    Column("mo_id", _NUMBER, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("subscriber", Text, nullable=False),
    Column("text", Text),
    Column("part", SmallInteger, nullable=False),
    Column("parts", SmallInteger, nullable=False),
    Column("reference", Integer),
    Column("raw", LargeBinary, nullable=False),
    Column("data_coding", SmallInteger),
    Column("received_at", BigInteger, nullable=False),
    Column("kind", Text),
    Column("provider_id", Text),
    Index("mo_messages_received_at", "received_at"),
    Index("mo_messages_subscriber", "subscriber", "received_at", "mo_id"),
    Index(
        "mo_messages_provider_id",
        "provider_id",
        "account",
        "channel",
        unique=True,
        sqlite_where=_NUMBERED,
        postgresql_where=_NUMBERED,
    ),
)

_DUE, _OPEN, _DEAD = text("state = 1"), text("state IN (0, 1)"), text("state = 3")
_CLAIMED = text("node_id IS NOT NULL")
reports = Table(
    "reports",
    metadata,
    Column("report_id", _NUMBER, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("link_id", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("lane", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),
    Column("submitted_at", BigInteger),
    Column("error_code", SmallInteger, nullable=False),
    Column("node_id", SmallInteger),
    Index("reports_link_status", "link_id", "status", unique=True),
    Index("reports_due", "lane", "next_at", sqlite_where=_DUE, postgresql_where=_DUE),
    Index("reports_open", "chain_id", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("reports_dead", "lane", "created_at", sqlite_where=_DEAD, postgresql_where=_DEAD),
    Index("reports_dead_of", "link_id", "status", sqlite_where=_DEAD, postgresql_where=_DEAD),
    Index("reports_claimed", "node_id", sqlite_where=_CLAIMED, postgresql_where=_CLAIMED),
)

report_attempts = Table(
    "report_attempts",
    metadata,
    Column("report_id", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("latency", Integer, nullable=False),
    Column("http_status", SmallInteger),
    Column("answer", Text, nullable=False),
    sqlite_with_rowid=False,
)

senders = Table(
    "senders",
    metadata,
    Column("sender", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("paused_since", BigInteger, nullable=False),
    Column("paused_until", BigInteger, nullable=False),
    Column("holds", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

number_ranges = Table(
    "number_ranges",
    metadata,
    Column("first", _NUMBER, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("operator", Text, nullable=False),
    Column("inn", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("zones", Text, nullable=False),
)

numbering_imports = Table(
    "numbering_imports",
    metadata,
    Column("digit", SmallInteger, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("source_rows", Integer, nullable=False),
    Column("ranges", Integer, nullable=False),
    Column("imported_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

_SHARED, _OWN = text("shared_key IS NOT NULL"), text("chain_id IS NOT NULL")
_MORTAL, _IDLE = text("expires_at IS NOT NULL"), text("idle_until IS NOT NULL")
short_urls = Table(
    "short_urls",
    metadata,
    Column("uid", Text, primary_key=True),
    Column("partner_id", BigInteger, ForeignKey("partners.partner_id"), nullable=False),
    Column("target", Text, nullable=False),
    Column("shared_key", LargeBinary),
    Column("subscriber", Text),
    Column("chain_id", BigInteger),
    Column("link_id", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("idle_until", BigInteger),
    Column("visits", Integer, nullable=False),
    Column("clicks", Integer, nullable=False),
    Column("first_click_at", BigInteger),
    Column("last_click_at", BigInteger),
    Index("short_urls_shared", "shared_key", unique=True, sqlite_where=_SHARED,
          postgresql_where=_SHARED),
    Index("short_urls_chain", "chain_id", sqlite_where=_OWN, postgresql_where=_OWN),
    Index("short_urls_expires", "expires_at", sqlite_where=_MORTAL, postgresql_where=_MORTAL),
    Index("short_urls_idle", "idle_until", sqlite_where=_IDLE, postgresql_where=_IDLE),
)  # fmt: skip

clicks = Table(
    "clicks",
    metadata,
    Column("click_id", _NUMBER, primary_key=True),
    Column("uid", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("agent", Text, nullable=False),
    Column("counted", SmallInteger, nullable=False),
    Column("partner_id", BigInteger, nullable=False),
    Index("clicks_uid", "uid", "at"),
    Index("clicks_partner", "partner_id", "at"),
)

click_reports = Table(
    "click_reports",
    metadata,
    Column("report_id", BigInteger, primary_key=True, autoincrement=False),
    Column("short_url", Text, nullable=False),
    Column("target", Text, nullable=False),
)

uid_spaces = Table(
    "uid_spaces",
    metadata,
    Column("uid_length", SmallInteger, primary_key=True, autoincrement=False),
    Column("used", BigInteger, nullable=False),
)

nodes = Table(
    "nodes",
    metadata,
    Column("node_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("token", Text),
    Column("name", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("beat", BigInteger, nullable=False),
    Column("numbers_until", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

holdings = Table(
    "holdings",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("slot", SmallInteger, primary_key=True, autoincrement=False),
    Column("node_id", SmallInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

allowances = Table(
    "allowances",
    metadata,
    Column("partner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("spent_until", BigInteger, nullable=False),
)

_UNENDED = text("ended_at IS NULL")
redeliveries = Table(
    "redeliveries",
    metadata,
    Column("redelivery_id", _NUMBER, primary_key=True),
    Column("partner_id", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("operator", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("stopped_at", BigInteger),
)

redelivery_lanes = Table(
    "redelivery_lanes",
    metadata,
    Column("redelivery_id", BigInteger, primary_key=True, autoincrement=False),
    Column("lane", Text, primary_key=True),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("after_created_at", BigInteger, nullable=False),
    Column("after_report_id", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Index("redelivery_lanes_open", "redelivery_id", "lane", sqlite_where=_UNENDED,
          postgresql_where=_UNENDED),
)  # fmt: skip

tallies = Table(
    "tallies",
    metadata,
    Column("span", Integer, primary_key=True, autoincrement=False),
    Column("what", Text, primary_key=True),
    Column("begins_at", BigInteger, primary_key=True, autoincrement=False),
    Column("channel", Text, primary_key=True),
    Column("position", SmallInteger, primary_key=True, autoincrement=False),
    Column("detail", SmallInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

operators = Table(
    "operators",
    metadata,
    Column("operator_id", _NUMBER, primary_key=True),
    Column("login", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("sees_texts", SmallInteger, nullable=False),
    Column("disabled", SmallInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("operators_login", "login", unique=True),
)

operator_sessions = Table(
    "operator_sessions",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("operator_id", BigInteger, nullable=False),
    Column("address", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Index("operator_sessions_operator", "operator_id"),
    sqlite_with_rowid=False,
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", _NUMBER, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("operator", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", Text, nullable=False),
)
"""Who changed what; rows are only ever added."""

commits = Table(
    "commits",
    metadata,
    Column("writer", Text, primary_key=True),
    Column("mark", BigInteger, nullable=False),
    Column("left_at", BigInteger, nullable=False),
)
"""By which a writer to PostgreSQL finds out whether its last transaction was committed."""

SERIALS = {
    table.name: next(iter(table.primary_key.columns)).name
    for table in metadata.tables.values()
    if table.autoincrement_column is not None
}
"""The columns that the engine numbers, by their tables."""
