"""The pairs of `extraParam` by which chains are found.

A row holds a hash of a pair and the number of a chain that has it: small, of one length whatever a
Partner writes, and without the content itself. Whoever finds a chain by it looks at its text, too.
"""

from collections.abc import Iterable
from hashlib import blake2b
from itertools import islice

from whimbrel.domain import extra_param
from whimbrel.store.engine import Ask, Do, Statement, Steps

MOST_PAIRS = 32
"""Of a chain: no Partner means more, and one that writes thousands must not fill the store."""

_INSERT = Statement("""
INSERT INTO extra_pairs (pair, chain_id) VALUES (:pair, :chain_id) ON CONFLICT DO NOTHING
""")
_TEXT = Statement("""
SELECT extra_param FROM chains WHERE chain_id = :chain_id AND extra_param IS NOT NULL
""")
_REMOVE = Statement("DELETE FROM extra_pairs WHERE pair = :pair AND chain_id = :chain_id")


def pair_key(name: str, value: str) -> int:
    """Return the hash of a pair: 64 bits with a sign, for ever the same.

    PostgreSQL holds U+FFFD where a text had a NUL, so that both have one hash.
    """
    text = f"{name}={value}".replace("\0", "\ufffd")
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def pair_keys(text: str) -> list[int]:
    """Return the hashes of the first `MOST_PAIRS` different pairs of an `extraParam`."""
    try:
        pairs = dict.fromkeys(extra_param.parse(text))
    except extra_param.BadExtraParam:
        return []  # nothing that was accepted
    return [pair_key(*pair) for pair in islice(pairs, MOST_PAIRS)]


def has_pair(text: str | None, name: str, value: str | None) -> bool:
    """Tell whether an `extraParam` has a pair; with None for the value, whether it has the name."""
    try:
        pairs = extra_param.parse(text or "")
    except extra_param.BadExtraParam:
        return False
    return any(pair == (name, value) or (value is None and pair[0] == name) for pair in pairs)


def keep_pairs(texts: Iterable[tuple[int, str]]) -> Steps[None]:
    """Write the pairs of chains, given by their numbers with their `extraParam`."""
    rows = [(key, chain_id) for chain_id, text in texts for key in pair_keys(text)]
    yield Do(_INSERT, sorted(rows))  # the order of all writers


def forget_pairs(chain_ids: list[int]) -> Steps[None]:
    """Remove the pairs of chains that have their `extraParam` still."""
    texts = yield Ask(_TEXT, [(chain_id,) for chain_id in chain_ids])
    rows = [
        (key, chain_id)
        for chain_id, found in zip(chain_ids, texts, strict=True)
        for (text,) in found
        for key in pair_keys(text)
    ]
    yield Do(_REMOVE, sorted(rows))
