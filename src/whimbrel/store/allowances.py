"""How much of a Partner's rate is spent, where several nodes share it.

One moment a Partner tells it all (the generic cell rate algorithm, ITU-T I.371): until when what
was granted pays for the rate. Whoever is asked for more within the burst moves that moment on.

The moment is by the clocks of the nodes: as far as these are apart, so much later does a node that
is behind let requests in. A moment that lies further ahead than clocks ever should is no debt, but
what a wrong clock has left behind.
"""

import math
from typing import NamedTuple

from whimbrel.store.engine import Ask, Do, HoldKeys, Statement, Steps

_SPENT = Statement("SELECT spent_until FROM allowances WHERE partner_id = :partner_id")
_SPEND = Statement("""
INSERT INTO allowances (partner_id, spent_until) VALUES (:partner_id, :spent_until)
ON CONFLICT (partner_id) DO UPDATE SET spent_until = excluded.spent_until
""")
_MICROSECONDS = 1_000  # a millisecond
_CLOCKS_APART = 60_000_000  # microseconds: no two clocks that anybody looks after


class Draw(NamedTuple):
    """A node wants to let some requests of a Partner in."""

    partner_id: int
    rate: float
    """Requests a second."""
    burst: int
    wanted: int
    now: int


class Granted(NamedTuple):
    """How many it may let in, and after how many milliseconds there is one more if none."""

    requests: int
    wait: int


def draw_allowances(draws: list[Draw]) -> Steps[list[Granted]]:
    """Grant as much as is wanted and there, one node after the other."""
    yield HoldKeys(b"allow" + one.partner_id.to_bytes(8, "big")[5:] for one in draws)
    granted: list[Granted] = []
    for partner_id, rate, burst, wanted, now in draws:
        rows = (yield Ask(_SPENT, [(partner_id,)]))[0]
        cost, at = 1_000_000 / rate, now * _MICROSECONDS
        most = burst * cost
        stored = max(rows[0][0] - at, 0) if rows else 0  # a difference: a float keeps it exactly
        owed = stored if stored <= most + _CLOCKS_APART else most
        requests = max(0, min(wanted, int(burst - owed / cost + 1e-9)))
        if requests or owed != stored:
            yield Do(_SPEND, [(partner_id, at + math.ceil(owed + requests * cost))])
        wait = max(0.0, owed - (burst - 1) * cost) / _MICROSECONDS
        granted.append(Granted(requests, math.ceil(wait)))
    return granted
