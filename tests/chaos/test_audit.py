"""The audit finds what it is there to find."""

from collections.abc import Callable

import pytest

from tests.chaos.audit import Audit
from tests.chaos.books import Books, Chain, Link, Submit, Told
from tests.chaos.harm import Down
from tests.chaos.orders import Order, Try
from tests.chaos.receiver import Arrival
from tests.chaos.watch import Sample
from whimbrel.domain.status import LinkState
from whimbrel.domain.unanswered import Verdict
from whimbrel.store.submits import INTERRUPTED, NO_ANSWER

MT_NUM = 1_000
LINK = MT_NUM << 4


class World:
    """One message on WhatsApp that was accepted, sent once, read and told."""

    def __init__(self) -> None:
        self.order = Order("order-1", "auto", "whatsapp", {})
        self.order.tries.append(Try("node-1", 0.0, 0.1, "200"))
        self.order.mt_nums.add(str(MT_NUM))
        chain = self.chain = Chain(MT_NUM, "order-1", "auto")
        chain.links[LINK] = Link(LINK, MT_NUM, "WHATSAPP", LinkState.READ, 0)
        chain.submits.append(Submit(LINK, 1, "submitted", ""))
        chain.arrived[LINK, 0] = 1
        for number, status in enumerate((0, 2, 9)):
            chain.reports.append(Told(number, MT_NUM, LINK, status, 2))
            chain.received.append(Arrival("WHATSAPP", status, 0, True, float(number)))
        self.books = Books({MT_NUM: chain}, {"order-1": [chain]}, {}, 0)
        self.binds: list[Sample] = []
        self.downs: list[Down] = []

    def wrong(self) -> set[str]:
        audit = Audit([self.order], self.books)
        audit.run(self.binds, self.downs)
        return {one.what for one in audit.violations}

    def state(self, state: LinkState) -> None:
        self.chain.links[LINK] = self.chain.links[LINK]._replace(state=state)

    def doubt(self, detail: str = "") -> None:
        self.chain.submits[0] = Submit(LINK, 1, NO_ANSWER, f"{INTERRUPTED}; {detail}")


def forgotten(world: World) -> None:
    world.books.by_ref.clear()
    world.books.chains.clear()


def doubled_chain(world: World) -> None:
    world.books.by_ref["order-1"].append(world.chain)


def two_numbers(world: World) -> None:
    world.order.mt_nums.add("7")


def refused(world: World) -> None:
    world.order.mt_nums.clear()
    world.order.tries[:] = [Try("node-1", 0.0, 0.1, "1", retry_after=True)]


def sent_twice(world: World) -> None:
    world.chain.arrived[LINK, 0] = 2


def sent_twice_in_doubt(world: World) -> None:
    world.doubt()
    world.chain.arrived[LINK, 0] = 2


def sent_thrice_for_one_doubt(world: World) -> None:
    world.doubt(Verdict.SHORT.value)
    world.chain.arrived[LINK, 0] = 3


def on_its_way(world: World) -> None:
    world.state(LinkState.SENT)


def read_and_failed(world: World) -> None:
    world.state(LinkState.FAILED)
    world.chain.reports[:] = [Told(1, MT_NUM, LINK, 5, 2)]
    world.chain.received[:] = [Arrival("WHATSAPP", 5, 1, True, 1.0)]


def never_sent(world: World) -> None:
    world.chain.arrived.clear()


def unreported(world: World) -> None:
    del world.chain.received[1]


def unacknowledged(world: World) -> None:
    world.chain.received[1] = world.chain.received[1]._replace(acknowledged=False)


def disordered(world: World) -> None:
    world.chain.received.reverse()


def invented(world: World) -> None:
    world.chain.received.append(Arrival("SMS", 0, 0, True, 9.0))


def still_open(world: World) -> None:
    world.chain.reports[2] = world.chain.reports[2]._replace(state=1)


def bound_twice(world: World) -> None:
    world.binds.append(Sample((100.0, "esme", 2)))


def submitting_twice(world: World) -> None:
    world.books.sessions["centre"] = {"one": (1_000, 9_000), "two": (5_000, 6_000)}


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (forgotten, "lost"),
        (doubled_chain, "two chains"),
        (two_numbers, "two chains"),
        (refused, "stored though refused"),
        (sent_twice, "doubled"),
        (sent_twice_in_doubt, "doubled"),
        (sent_thrice_for_one_doubt, "doubled"),
        (on_its_way, "not settled"),
        (read_and_failed, "arrived, and not told"),
        (never_sent, "told, and never arrived"),
        (unreported, "report missing"),
        (unacknowledged, "report missing"),
        (disordered, "out of order"),
        (invented, "report of nothing"),
        (still_open, "report open or dead"),
        (bound_twice, "two binds"),
        (submitting_twice, "two binds that submit"),
    ],
)
def test_what_is_wrong_is_found(harm: Callable[[World], None], what: str) -> None:
    world = World()
    assert world.wrong() == set()
    harm(world)
    assert what in world.wrong()


def test_a_second_copy_is_allowed_where_it_was_decided_and_counted() -> None:
    world = World()
    world.doubt(Verdict.SHORT.value)
    world.chain.submits.append(Submit(LINK, 2, "submitted", ""))
    world.chain.arrived[LINK, 0] = 2
    assert world.wrong() == set()


def test_a_second_bind_is_allowed_beside_that_of_a_node_that_stands_still() -> None:
    world = World()
    bound_twice(world)
    world.downs.append(Down("node-1", "stand still", 80.0, 101.0))
    assert world.wrong() == set()
