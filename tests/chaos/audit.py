"""Whether what the client was told, what arrived, what was reported and what is stored agree."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.chaos.books import Books, Chain
from tests.chaos.harm import Down
from tests.chaos.orders import Order, is_life_of
from tests.chaos.place import Place
from tests.chaos.watch import Sample
from whimbrel.domain.status import LinkState

_SETTLED = LinkState.FAILED
_DEFINITE = {"1", "3", "not there"}
"""Answers after which nothing may be stored."""
_LAST_WORD = {
    LinkState.FAILED: 5, LinkState.EXPIRED: 5, LinkState.DELIVERED: 2, LinkState.READ: 9,
}  # fmt: skip
_AFTER_STANDING_STILL = 5.0  # seconds in which a node notices that its place is another's


class Violation(NamedTuple):
    """A broken promise."""

    what: str
    mt_num: int | None
    detail: str


class Audit:
    """Counts, and collects what is wrong."""

    def __init__(self, orders: list[Order], books: Books) -> None:
        self._orders = {one.ref: one for one in orders}
        self._books = books
        self.counts: Counter[str] = Counter()
        self.violations: list[Violation] = []

    def run(self, binds: list[Sample], downs: list[Down]) -> None:
        """Look at every order, every chain and every bind."""
        for order in self._orders.values():
            self._order(order)
        for chain in self._books.chains.values():
            self._chain(chain)
        self._binds(binds, downs)
        self.counts["messages of nobody in the sandbox"] = self._books.strangers
        if self._books.strangers:
            self._wrong("message of nobody", None, f"{self._books.strangers} in the sandbox")

    def _wrong(self, what: str, mt_num: int | None, detail: str) -> None:
        self.counts[what] += 1
        self.violations.append(Violation(what, mt_num, detail))

    def _order(self, order: Order) -> None:
        """Hold what the client was told against the store."""
        chains = self._books.by_ref.get(order.ref, [])
        known = {str(chain.chain_id) for chain in chains}
        if len(chains) > 1 or len(order.mt_nums) > 1:
            self._wrong("two chains", chains[0].chain_id, f"{order.ref}: {known}, {order.mt_nums}")
        if order.mt_nums - known:
            self._wrong("lost", None, f"{order.ref}: {order.mt_nums} answered, {known} stored")
        self.counts["accepted"] += bool(order.mt_nums)
        if chains and not order.mt_nums:
            self.counts["accepted, the answer lost"] += 1
            if all(one.outcome in _DEFINITE for one in order.tries):
                outcomes = [one.outcome for one in order.tries]
                self._wrong("stored though refused", chains[0].chain_id, f"{outcomes}")

    def _chain(self, chain: Chain) -> None:
        order = self._orders[chain.ref]
        self._links(chain)
        self._reports(chain)
        told = [(one.channel, one.status) for one in _first(chain.received)]
        if chain.is_ambiguous:
            self.counts["ambiguous messages"] += 1
        elif not is_life_of(order.kind, told):
            self._wrong("another life", chain.chain_id, f"{order.kind}: {told}")

    def _links(self, chain: Chain) -> None:
        for submit in chain.submits:
            self.counts["ambiguous submits"] += submit.is_ambiguous
            self.counts["ambiguous, went again"] += submit.went_again
            self.counts["ambiguous, given up and told so"] += submit.was_given_up
        for (link_id, part), times in chain.arrived.items():
            allowed = chain.allowed(link_id)
            self.counts["submits that arrived"] += times
            self.counts["doubled within the counted ambiguity"] += min(times, allowed) - 1
            if times > allowed:
                where = f"link {link_id}, part {part}: {times} times, {allowed} allowed"
                self._wrong("doubled", chain.chain_id, where)
        for link in chain.links.values():
            self._link(chain, link.link_id, LinkState(link.state), link.channel)

    def _link(self, chain: Chain, link_id: int, state: LinkState, channel: str) -> None:
        arrived = any(link == link_id for link, _ in chain.arrived)
        given_up = any(one.was_given_up for one in chain.submits if one.link_id == link_id)
        if state < _SETTLED:
            self._wrong("not settled", chain.chain_id, f"link {link_id} is {state.name}")
        elif state in {LinkState.SPARED, LinkState.FAILED} and arrived:
            taken_back = self._orders[chain.ref].kind == "cascade, failed" and channel == "WHATSAPP"
            if not taken_back and not (given_up and channel == "SMS"):
                self._wrong("arrived, and not told", chain.chain_id, f"{link_id}: {state.name}")
        elif state >= LinkState.DELIVERED and not arrived:
            self._wrong("told, and never arrived", chain.chain_id, f"{link_id}: {state.name}")
        if channel == "WHATSAPP" and state is LinkState.DELIVERED:
            self._wrong("read, and not told", chain.chain_id, f"{link_id}")

    def _reports(self, chain: Chain) -> None:
        """Hold what the receiver got against what the store says that it owed."""
        channel_of = {link.link_id: link.channel for link in chain.links.values()}
        owed = [(channel_of[one.link_id], one.status) for one in chain.reports]
        self.counts["reports"] += len(owed)
        self.counts["reports, arrivals"] += len(chain.received)
        told = {(one.channel, one.status) for one in chain.received if one.acknowledged}
        first = [(one.channel, one.status) for one in _first(chain.received)]
        again = len(chain.received) - len(first)
        self.counts["reports that came again"] += again
        self.counts["of them after their acknowledgement"] += _after_acknowledgement(chain)
        for one in chain.reports:
            if one.state != 2:
                self._wrong("report open or dead", chain.chain_id, f"{one}")
        if set(owed) - told:
            self._wrong("report missing", chain.chain_id, f"{owed} owed, {told} told")
        if set(first) - set(owed):
            self._wrong("report of nothing", chain.chain_id, f"{owed} owed, {first} told")
        if first != owed:
            self._wrong("out of order", chain.chain_id, f"{owed} owed, {first} told")
        for link in chain.links.values():
            last = _LAST_WORD.get(LinkState(link.state))
            statuses = [one.status for one in chain.reports if one.link_id == link.link_id]
            if last is not None and statuses[-1:] != [last]:
                self._wrong("last word missing", chain.chain_id, f"{link}: {statuses}")

    def _binds(self, binds: list[Sample], downs: list[Down]) -> None:
        """No account may have two binds, unless one is that of a node that stands still."""
        still = [
            (one.began, one.ended + _AFTER_STANDING_STILL)
            for one in downs
            if one.kind == "stand still"
        ]
        for at, account, sessions in binds:
            if any(begin <= at <= end for begin, end in still):
                self.counts["two binds, one of a node that stood still (samples)"] += 1
            else:
                self._wrong("two binds", None, f"{account}: {sessions} at {at:.3f}")
        for account, sessions in self._books.sessions.items():
            spans = sorted(sessions.values())
            for (_, last), (first, _) in itertools.pairwise(spans):
                if first < last and not any(b <= first / 1_000 <= e for b, e in still):
                    self._wrong("two binds that submit", None, f"{account}: {last - first} ms")


def _first(arrivals: Iterable[object]) -> Iterator["_Seen"]:
    seen: set[tuple[str, int]] = set()
    for one in arrivals:
        key = (one.channel, one.status)  # type: ignore[attr-defined]
        if key not in seen:
            seen.add(key)
            yield one  # type: ignore[misc]


class _Seen(NamedTuple):
    channel: str
    status: int


def _after_acknowledgement(chain: Chain) -> int:
    acknowledged: set[tuple[str, int]] = set()
    count = 0
    for one in chain.received:
        key = (one.channel, one.status)
        count += key in acknowledged
        if one.acknowledged:
            acknowledged.add(key)
    return count


async def audit_places(place: Place, audit: Audit) -> None:
    """Look at the nodes' and the senders' places, while all nodes are up and nothing goes on."""
    nodes = await place.rows("SELECT node_id, name FROM nodes WHERE token IS NOT NULL")
    names = sorted(name for _, name in nodes)
    if names != sorted(node.name for node in place.nodes):
        audit.violations.append(Violation("nodes", None, f"{names}"))
    ids = {node_id for node_id, _ in nodes}
    holdings = await place.rows("SELECT channel, account, slot, node_id FROM holdings")
    strange = [one for one in holdings if one[3] not in ids]
    if strange or len({one[:2] for one in holdings}) != len(holdings):
        audit.violations.append(Violation("holdings", None, f"{holdings}"))
    if len(holdings) != place.senders:
        audit.violations.append(Violation("senders that nobody holds", None, f"{holdings}"))
    [[claimed]] = await place.rows("SELECT count(*) FROM reports WHERE node_id IS NOT NULL")
    if claimed:
        audit.violations.append(Violation("reports still claimed", None, f"{claimed}"))
    [[parked]] = await place.rows("SELECT count(*) FROM parked_receipts")
    audit.counts["receipts that stay parked"] = parked


async def audit_end(place: Place, codes: dict[str, int], audit: Audit) -> None:
    """Look at what clean stops have left."""
    for name, code in codes.items():
        if code:
            audit.violations.append(Violation("bad end", None, f"{name} ended with {code}"))
    left = await place.rows("SELECT node_id FROM nodes WHERE token IS NOT NULL")
    held = await place.rows("SELECT node_id FROM holdings")
    if left or held:
        audit.violations.append(Violation("left behind", None, f"{left}, {held}"))
