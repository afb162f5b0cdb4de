"""What must be true of the store: at each start, every hour, and when a run has ended."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from whimbrel.clock import DAY, SECOND
from whimbrel.domain.content import Channel
from whimbrel.domain.status import LinkState, Status
from whimbrel.simulation.books import Books
from whimbrel.simulation.ledger import Ledger
from whimbrel.simulation.node import Node
from whimbrel.simulation.world import World

_SETTLED = 50
"""The rank from which on a link is at its end; told here once more, to be independent."""
_FALLS = {(10, 0), (20, 0), (30, 0), (40, 0)}
"""The moves that fall: another attempt, after a submit that did not go or was given back."""
_LATE = {70, 80}
"""Where a link that is settled may still go."""
_OPEN, _ACKNOWLEDGED, _DEAD = {0, 1}, 2, 3
_TOLD = {50: 5, 60: 5, 70: 2, 80: 9}
"""By a link's last state: the last status that its Partner was due."""
_OVERDUE = 300  # seconds: lease, grace, and some
_ATTEMPTS = 11
"""Of a report, before it is dead."""
Violated = Callable[[str, str], None]


def audit_start(world: World, books: Books) -> None:
    """Check that a gateway that has just started has taken over what an earlier one held."""
    held = books.rows("SELECT link_id FROM links WHERE state = 10")
    if held:
        world.violated("no submit outlives its process", str([link for (link,) in held]))
    claimed = books.rows("SELECT report_id FROM reports WHERE node_id IS NOT NULL AND state = 1")
    if claimed:
        world.violated("no report's claim outlives its process", str(claimed))


def audit_hour(world: World, books: Books) -> None:
    """Check that no link is kept beyond its lifetime, by a gateway that has run for a while."""
    before = world.clock.now() - _OVERDUE * SECOND
    late = books.rows(
        "SELECT link_id, state FROM links WHERE state < 50 AND expires_at < ?", before
    )
    if late:
        world.violated("lifetimes end", str(late))


def audit_end(world: World, books: Books, ledger: Ledger, node: Node) -> None:
    """Check everything that is known in the end."""
    _Audit(world, books, ledger, node).all()


class _Audit:
    def __init__(self, world: World, books: Books, ledger: Ledger, node: Node) -> None:
        self._world = world
        self._books = books
        self._ledger = ledger
        self._node = node
        self._links: list[tuple[Any, ...]] = books.rows(
            "SELECT l.link_id, l.chain_id, l.channel, l.state, l.told, c.registered_delivery"
            " FROM links l JOIN chains c ON c.chain_id = l.chain_id"
        )

    def all(self) -> None:
        self._accepted()
        self._ended()
        self._moves()
        self._heard()
        self._reports()
        self._told()
        self._deadlines()
        self._counted()

    def _accepted(self) -> None:
        """An accept that was answered is never lost."""
        chains = {
            chain_id: (ref, dest_addr)
            for chain_id, ref, dest_addr in self._books.rows(
                "SELECT chain_id, partner_ref, dest_addr FROM chains"
            )
        }
        for mt_num, promise in self._ledger.accepted.items():
            if chains.get(mt_num) != (promise.ref, promise.dest_addr):
                self._world.violated("what was accepted is kept", f"{mt_num} {promise}")

    def _ended(self) -> None:
        """Each chain ends."""
        for link_id, _, _, state, *_ in self._links:
            if state < _SETTLED:
                self._world.violated("each chain ends", f"{link_id} is in state {state}")

    def _moves(self) -> None:
        """States never fall."""
        for link_id, before, after in self._books.rows(
            "SELECT link_id, before, after FROM moves ORDER BY n"
        ):
            settled = before >= _SETTLED and after not in _LATE
            if settled or (after < before and (before, after) not in _FALLS):
                self._world.violated("states never fall", f"{link_id}: from {before} to {after}")

    def _heard(self) -> None:
        """What a channel said, and the gateway took, is kept; what nobody said is not told."""
        for link_id, _, channel, state, *_ in self._links:
            said = self._ledger.said[link_id]
            best = max((one for one in said if one is not LinkState.FAILED), default=LinkState.HELD)
            if state in _LATE and state > best:
                self._world.violated("nothing is invented", f"{link_id}: {state}, not {best}")
            if channel != Channel.WHATSAPP:
                continue
            filed = [one for seen in self._ledger.submits[link_id] for one in seen.filed]
            for one in filed:
                if one in _LATE and state < one:
                    self._world.violated("what was heard is kept", f"{link_id}: {one} to {state}")

    def _reports(self) -> None:
        """None is missing at its receiver."""
        acknowledged = {
            told.report_id
            for chain in self._ledger.told.values()
            for told in chain
            if told.acknowledged
        }
        for report_id, state, attempts, lasted in self._books.rows(
            "SELECT report_id, state, attempts, coalesce((SELECT max(ended_at) - min(ended_at)"
            " FROM report_attempts a WHERE a.report_id = r.report_id), 0) FROM reports r"
        ):
            if state in _OPEN:
                self._world.violated("each report ends", f"{report_id}: {attempts} attempts")
            elif state == _ACKNOWLEDGED and report_id not in acknowledged:
                self._world.violated("what is acknowledged was received", str(report_id))
            elif state == _DEAD and (attempts < _ATTEMPTS or self._is_short(lasted)):
                detail = f"{report_id}: {attempts} attempts in {lasted} ms"
                self._world.violated("a report is tried for more than a day", detail)

    def _is_short(self, lasted: int) -> bool:
        return lasted <= DAY and not self._world.odds.clock

    def _told(self) -> None:
        """There is a report for every told state that the Partner asked for."""
        rows: dict[int, list[int]] = defaultdict(list)
        for link_id, status in self._books.rows(
            "SELECT link_id, status FROM reports ORDER BY report_id"
        ):
            rows[link_id].append(status)
        for link_id, _, _, state, told, wanted in self._links:
            expected = _TOLD.get(state)
            if expected is not None and told != expected:
                self._world.violated("what happened is told", f"{link_id}: {state}, told {told}")
            missing = _expected(told, wanted) - set(rows[link_id])
            if missing:
                self._world.violated("each told state has its report", f"{link_id}: {missing}")
            ranks = [_ORDER.index(status) for status in rows[link_id]]
            if ranks != sorted(ranks) or (rows[link_id] and not wanted):
                self._world.violated("reports follow the states", f"{link_id}: {rows[link_id]}")

    def _deadlines(self) -> None:
        """What was not handed over by its deadline is never sent."""
        if self._world.odds.clock:
            return
        for link_id, chain_id, *_ in self._links:
            promise = self._ledger.accepted.get(chain_id)
            for seen in self._ledger.submits[link_id]:
                if promise and promise.deadline and seen.wall > promise.deadline + SECOND:
                    detail = f"{link_id}: {seen.wall - promise.deadline} ms late"
                    self._world.violated("nothing goes after its deadline", detail)

    def _counted(self) -> None:
        """Each second attempt without an answer to the first is counted."""
        if self._world.odds.crashes or self._world.odds.store:
            return  # the counter dies with its process, and its write may stand without it
        counted = self._node.counted["whimbrel_ambiguous_resubmits_total"]
        if counted < self._ledger.resent:
            detail = f"{self._ledger.resent} went again, {counted} are counted"
            self._world.violated("ambiguity is counted", detail)


_ORDER = (Status.HANDED_OVER, Status.UNDELIVERED, Status.DELIVERED, Status.READ)


def _expected(told: int, wanted: int) -> set[int]:
    """Return the statuses of which there must be a report, by the last that was told."""
    if told < 0 or wanted == 0:
        return set()
    due = {2, 9} if told == Status.READ else {told}
    return due if wanted == 1 else due & {Status.UNDELIVERED}
