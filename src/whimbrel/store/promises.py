"""What must always be true of a store, as questions that find where it is not.

Each statement returns what breaks a promise, named by numbers alone, a few at the most. They read
what is committed, beside gateways at work: each is one statement, and so sees one state.

Work that is open is found by the partial indexes, so that those promises are asked of all of it.
What concerns settled chains is asked from a chain on (`:first`): of the last ones, or of all. Where
two tables meet, both are bounded so, or the planner would read one of them whole.
"""

from typing import NamedTuple

from whimbrel.store.engine import Statement

SHOWN = 10
"""How many breaches of one promise are named."""
_SOME = f"LIMIT {SHOWN + 1}"
FIRST_OF_RECENT = Statement("""
SELECT coalesce(min(chain_id), 0)
FROM (SELECT chain_id FROM chains ORDER BY chain_id DESC LIMIT :chains) AS recent
""")
"""The first of the last so many chains."""


class Promise(NamedTuple):
    """A sentence that is true of every store, and the question for what breaks it."""

    name: str
    says: str
    breaches: Statement
    """Rows of numbers or texts, each with the name of what it is."""
    whole: bool = False
    """It reads whole tables: for `--full`."""


def _promise(name: str, says: str, sql: str, *, whole: bool = False) -> Promise:
    return Promise(name, says, Statement(f"{sql}\n{_SOME}"), whole)


PROMISES = (
    _promise(
        "chain-has-links",
        "every chain has its first link",
        """
SELECT 'chain', c.chain_id FROM chains c
WHERE c.chain_id >= CAST(:first AS bigint) AND NOT EXISTS (
    SELECT 1 FROM links l
    WHERE l.link_id = c.chain_id * 16 AND l.link_id >= CAST(:first AS bigint) * 16)""",
    ),
    _promise(
        "links-in-a-row",
        "a link with a goal has one behind it, and only such a link has",
        """
SELECT 'link', l.link_id FROM links l
WHERE l.link_id >= CAST(:first AS bigint) * 16 AND l.satisfied_by IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM links behind WHERE behind.link_id = l.link_id + 1)
UNION ALL
SELECT 'link', l.link_id FROM links l
WHERE l.link_id >= CAST(:first AS bigint) * 16 AND (l.link_id & 15) > 0 AND NOT EXISTS (
    SELECT 1 FROM links before
    WHERE before.link_id = l.link_id - 1 AND before.satisfied_by IS NOT NULL)""",
    ),
    _promise(
        "link-of-its-chain",
        "a link is of a chain that is there, and its number is that of its chain",
        """
SELECT 'link', l.link_id FROM links l
WHERE l.link_id >= CAST(:first AS bigint) * 16 AND ((l.link_id >> 4) <> l.chain_id
    OR NOT EXISTS (
        SELECT 1 FROM chains c
        WHERE c.chain_id = l.chain_id AND c.chain_id >= CAST(:first AS bigint)))""",
    ),
    _promise(
        "held-link-waits",
        "a held link waits for one before it that can still reach its goal",
        """
SELECT 'link', l.link_id FROM links l LEFT JOIN links before ON before.link_id = l.link_id - 1
WHERE l.state = -10 AND ((l.link_id & 15) = 0 OR before.state IN (50, 55, 57, 60)
    OR (before.state >= 70 AND before.state >= before.satisfied_by))""",
    ),
    _promise(
        "settled-link-told",
        "of every link the Partner was told what it came to",
        """
SELECT 'link', link_id FROM links
WHERE link_id >= CAST(:first AS bigint) * 16 AND state >= 50 AND state <> 55
    AND told <> CASE state WHEN 70 THEN 2 WHEN 80 THEN 9 ELSE 5 END""",
    ),
    _promise(
        "report-written",
        "every report that a Partner wants of a link is there",
        """
SELECT 'link', l.link_id FROM links l JOIN chains c ON c.chain_id = l.chain_id
WHERE l.link_id >= CAST(:first AS bigint) * 16 AND l.told >= 0
    AND (c.registered_delivery = 1 OR (c.registered_delivery = 2 AND l.told = 5))
    AND (NOT EXISTS (SELECT 1 FROM reports r WHERE r.link_id = l.link_id AND r.status = l.told)
        OR (l.told = 9 AND NOT EXISTS (
            SELECT 1 FROM reports r WHERE r.link_id = l.link_id AND r.status = 2)))""",
    ),
    _promise(
        "report-of-a-link",
        "every report is about a link that is there",
        """
SELECT 'report', r.report_id FROM reports r
WHERE r.link_id >= CAST(:first AS bigint) * 16 AND NOT EXISTS (
    SELECT 1 FROM links l
    WHERE l.link_id = r.link_id AND l.link_id >= CAST(:first AS bigint) * 16
        AND l.chain_id = r.chain_id)""",
    ),
    _promise(
        "held-report-waits",
        "a held report waits behind an open one of its chain",
        """
SELECT 'report', r.report_id FROM reports r
WHERE r.state IN (0, 1) AND r.state = 0 AND NOT EXISTS (
    SELECT 1 FROM reports older
    WHERE older.chain_id = r.chain_id AND older.state IN (0, 1) AND older.status < 100
        AND older.report_id < r.report_id)""",
    ),
    _promise(
        "one-report-due",
        "a report is due only when none of its chain is open before it",
        """
SELECT 'report', r.report_id FROM reports r
WHERE r.state IN (0, 1) AND r.state = 1 AND EXISTS (
    SELECT 1 FROM reports older
    WHERE older.chain_id = r.chain_id AND older.state IN (0, 1) AND older.status < 100
        AND older.report_id < r.report_id)""",
    ),
    _promise(
        "click-report-tells",
        "the report of a click has what it tells",
        """
SELECT 'report', r.report_id FROM reports r
WHERE r.link_id >= CAST(:first AS bigint) * 16 AND r.status = 100 AND NOT EXISTS (
    SELECT 1 FROM click_reports c WHERE c.report_id = r.report_id)""",
    ),
    _promise(
        "uids-counted",
        "the UIDs in use are counted by their length",
        """
SELECT 'UIDs of length', uid_length FROM (
    SELECT length(uid) AS uid_length, count(*) AS made, 0 AS used
    FROM short_urls GROUP BY length(uid)
    UNION ALL SELECT uid_length, 0, used FROM uid_spaces
) AS counted
GROUP BY uid_length HAVING sum(made) <> sum(used)""",
        whole=True,
    ),
    _promise(
        "visit-of-a-short-url",
        "every visit is of a short URL that is there",
        """
SELECT 'visit', c.click_id FROM clicks c
WHERE NOT EXISTS (SELECT 1 FROM short_urls s WHERE s.uid = c.uid)""",
        whole=True,
    ),
    _promise(
        "pair-of-a-chain",
        "every pair by which chains are found is of a chain that has its extraParam",
        """
SELECT 'chain', e.chain_id FROM extra_pairs e
WHERE NOT EXISTS (
    SELECT 1 FROM chains c WHERE c.chain_id = e.chain_id AND c.extra_param IS NOT NULL)""",
        whole=True,
    ),
    _promise(
        "submit-of-a-link",
        "every submit is of a link that is there, and no attempt beyond its last",
        """
SELECT 'link', s.link_id FROM submits s
WHERE s.link_id >= CAST(:first AS bigint) * 16 AND NOT EXISTS (
    SELECT 1 FROM links l
    WHERE l.link_id = s.link_id AND l.link_id >= CAST(:first AS bigint) * 16
        AND l.attempt >= s.attempt)""",
    ),
)


class Lateness(NamedTuple):
    """Work whose moment has passed: it breaks no promise, but somebody should be doing it."""

    what: str
    since: Statement
    """How many, and since when the oldest; of what was due by `:before`."""


LATENESS = (
    Lateness(
        "messages to be sent",
        Statement("""
SELECT count(*), min(due_at) FROM links WHERE state = 0 AND due_at <= CAST(:before AS bigint)
"""),
    ),
    Lateness(
        "lifetimes that have ended",
        Statement("""
SELECT count(*), min(expires_at) FROM links
WHERE state < 50 AND state <> 10 AND expires_at <= CAST(:before AS bigint)
"""),
    ),
    Lateness(
        "submits without an answer",
        Statement("""
SELECT count(*), min(due_at) FROM links
WHERE state IN (10, 20) AND due_at <= CAST(:before AS bigint)
"""),
    ),
    Lateness(
        "cascades that go on unread",
        Statement("""
SELECT count(*), min(l.due_at) FROM links l JOIN links before ON before.link_id = l.link_id - 1
WHERE l.state = -10 AND l.due_at <= CAST(:before AS bigint) AND before.state >= 50
"""),
    ),
    Lateness(
        "reports to be sent",
        Statement("""
SELECT count(*), min(next_at) FROM reports
WHERE state = 1 AND next_at <= CAST(:before AS bigint)
"""),
    ),
)
