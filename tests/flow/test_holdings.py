"""Senders among nodes: even parts, one holder a place, and shares of what they share."""

import pytest

from tests.flow.nodes import Node, a_line, live
from tests.support.builders import Database
from tests.support.clock import START, FakeClock
from whimbrel.clock import MINUTE, SECOND
from whimbrel.domain.content import Channel
from whimbrel.flow.membership import FENCE_SECONDS, LEASE_SECONDS
from whimbrel.flow.sender_lines import SenderLine, unheard
from whimbrel.store.senders import (
    Retry,
    SenderPause,
    pause_senders,
    paused_senders,
    resume_senders,
    retry_senders,
)
from whimbrel.store.sqlite import SqliteStore

W, S = Channel.WHATSAPP, Channel.SMS
NAMES = ("A", "B", "C", "D", "E", "F")


def lines(count: int, *, slots: int = 1, channel: Channel = W) -> list[SenderLine]:
    return [a_line(name, channel, slots=slots) for name in NAMES[:count]]


def held_by(nodes: list[Node]) -> list[str]:
    """Return all that is held, a name for each holder."""
    return sorted(name for node in nodes for name in node.held)


async def nodes_with(store: SqliteStore, clock: FakeClock, count: int, **how: int) -> list[Node]:
    senders = how.pop("senders", 3)
    return [
        await Node(store, clock, *lines(senders, **how), name=f"n{i}").start() for i in range(count)
    ]


# Parts


async def test_one_node_holds_all_from_its_start(store: SqliteStore, clock: FakeClock) -> None:
    [node] = await nodes_with(store, clock, 1)
    assert node.held == {"A", "B", "C"}
    assert node.woken == 3


@pytest.mark.parametrize(
    ("nodes", "senders", "slots"),
    [(2, 3, 1), (3, 4, 1), (3, 1, 1), (5, 6, 1), (2, 1, 2), (3, 2, 2), (4, 3, 3), (2, 2, 5)],
)
async def test_parts_are_even_and_nothing_lies_idle(
    store: SqliteStore, clock: FakeClock, nodes: int, senders: int, slots: int
) -> None:
    all_nodes = await nodes_with(store, clock, nodes, senders=senders, slots=slots)
    await live(clock, *all_nodes, seconds=5)
    counts = [len(node.held) for node in all_nodes]
    assert max(counts) - min(counts) <= 1
    assert held_by(all_nodes) == sorted(NAMES[:senders] * min(slots, nodes))


async def test_no_sender_has_more_holders_than_places_at_any_moment(
    store: SqliteStore, clock: FakeClock
) -> None:
    nodes: list[Node] = []
    for number in range(4):
        nodes.append(await Node(store, clock, *lines(3), *lines(2, channel=S, slots=2)).start())
        for _ in range(4):
            for node in nodes:
                clock.advance(SECOND // len(nodes))
                await node.step()
                for channel, name, most in [(W, "A", 1), (W, "B", 1), (S, "A", 2), (S, "B", 2)]:
                    holders = sum(one.line(name, channel).held for one in nodes)
                    assert holders <= most, (number, channel, name)


async def test_a_node_that_comes_is_given_its_part(store: SqliteStore, clock: FakeClock) -> None:
    [first] = await nodes_with(store, clock, 1, senders=4)
    second = await Node(store, clock, *lines(4)).start()
    assert second.held == set(), "a place is free when its holder says so"
    await live(clock, first, second, seconds=2)
    assert (len(first.held), len(second.held)) == (2, 2)
    assert held_by([first, second]) == ["A", "B", "C", "D"]


async def test_what_a_dead_node_held_goes_to_the_others_after_its_lease(
    store: SqliteStore, clock: FakeClock
) -> None:
    dead, other = await nodes_with(store, clock, 2, senders=2)
    await live(clock, dead, other, seconds=3)
    [lost] = dead.held
    await live(clock, other, seconds=LEASE_SECONDS - 2)
    assert lost not in other.held
    await live(clock, other, seconds=4)
    assert other.held == {"A", "B"}


async def test_what_is_even_is_not_moved_about(store: SqliteStore, clock: FakeClock) -> None:
    nodes = await nodes_with(store, clock, 3, senders=4)
    await live(clock, *nodes, seconds=5)
    before = [node.held for node in nodes]
    counts = [len(node.connections) for node in nodes]
    await live(clock, *nodes, seconds=30)
    assert [node.held for node in nodes] == before
    assert [len(node.connections) for node in nodes] == counts


async def test_a_node_holds_what_its_roles_are_for(store: SqliteStore, clock: FakeClock) -> None:
    both = [a_line("A", W), a_line("A", S)]
    web, whatsapp, sms = [
        await Node(store, clock, *[a_line("A", W), a_line("A", S)], roles=roles).start()
        for roles in (("api",), ("dispatch", "reports"), ("smpp",))
    ]
    await live(clock, web, whatsapp, sms, seconds=15)
    for node, expected in [(web, (False, False)), (whatsapp, (True, False)), (sms, (False, True))]:
        assert tuple(node.line(line.name, line.channel).held for line in both) == expected


async def test_a_sender_that_the_others_do_not_know_is_not_left_lying(
    store: SqliteStore, clock: FakeClock
) -> None:
    """Settings are changed node by node; B would be the other node's part, which knows A alone."""
    old = await Node(store, clock, *lines(1), name="old").start()
    new = await Node(store, clock, *lines(3), name="new").start()
    await live(clock, old, new, seconds=9)
    await live(clock, old, new, seconds=4)
    assert new.held >= {"B", "C"}
    begun = len(new.connections)
    await live(clock, old, new, seconds=30)
    assert len(new.connections) == begun, "and it is not taken and given back in turns"
    assert held_by([old, new]) == ["A", "B", "C"]


# Connections


async def test_connections_begin_and_end_exactly_with_what_is_held(
    store: SqliteStore, clock: FakeClock
) -> None:
    nodes: list[Node] = []
    for _ in range(3):
        nodes.append(await Node(store, clock, *lines(4, channel=S)).start())
        await live(clock, *nodes, seconds=4)
    await live(clock, *nodes[1:], seconds=LEASE_SECONDS + 4)
    for node in nodes:
        for name in NAMES[:4]:
            events = [what for what, whose in node.connections if whose == name]
            assert events == (["begun", "ended"] * len(events))[: len(events)]
            assert node.line(name, S).held == (events[-1:] == ["begun"])


async def test_the_connection_is_ended_before_its_place_is_free(
    store: SqliteStore, clock: FakeClock, database: Database
) -> None:
    first = await Node(store, clock, *lines(2, channel=S)).start()
    free: list[bool] = []
    ended = first.holdings._connections.end

    async def end(line: SenderLine) -> None:
        await ended(line)
        [(taken,)] = database.rows("SELECT count(*) FROM holdings WHERE account = ?", line.name)
        free.append(not taken)

    first.holdings._connections = first.holdings._connections._replace(end=end)
    second = await Node(store, clock, *lines(2, channel=S)).start()
    await live(clock, first, second, seconds=3)
    assert free == [False]
    assert len(second.held) == 1


# Fences and outages


async def test_a_fenced_node_sends_through_none(store: SqliteStore, clock: FakeClock) -> None:
    [node] = await nodes_with(store, clock, 1)
    node.store.away = True
    await live(clock, node, seconds=FENCE_SECONDS - 1)
    assert len(node.held) == 3
    await live(clock, node, seconds=1)
    assert node.held == set()
    assert [what for what, _ in node.connections] == ["begun"] * 3 + ["ended"] * 3


async def test_after_an_outage_it_goes_on_with_what_it_had(
    store: SqliteStore, clock: FakeClock
) -> None:
    """Nobody has taken it for dead, so that its places are still its own."""
    nodes = await nodes_with(store, clock, 2, senders=4)
    await live(clock, *nodes, seconds=3)
    before = [node.held for node in nodes]
    for node in nodes:
        node.store.away = True
    await live(clock, *nodes, seconds=30)
    assert held_by(nodes) == []
    for node in nodes:
        node.store.away = False
    await live(clock, *nodes, seconds=2)
    assert [node.held for node in nodes] == before


async def test_a_node_that_stood_still_claims_for_none_of_its_old_senders(
    store: SqliteStore, clock: FakeClock
) -> None:
    stopped, other = await nodes_with(store, clock, 2, senders=2)
    await live(clock, stopped, other, seconds=3)
    assert len(stopped.held) == 1
    before = len(stopped.connections)
    await live(clock, other, seconds=LEASE_SECONDS + 4)
    assert other.held == {"A", "B"}
    await stopped.membership.step()  # it has joined anew, and nobody has looked at its senders yet
    assert stopped.membership.is_mine
    assert stopped.held == set()
    await live(clock, stopped, other, seconds=3)
    assert held_by([stopped, other]) == ["A", "B"]
    assert [what for what, _ in stopped.connections[before:]] == ["ended", "begun"]


@pytest.mark.parametrize("channel", [W, S])
async def test_a_place_whose_taking_was_not_answered_is_used(
    store: SqliteStore, clock: FakeClock, channel: Channel
) -> None:
    node = Node(store, clock, *lines(2, channel=channel))
    await node.membership.join()
    node.store.loses_answers = True
    for _ in range(3):
        await node.step()
    node.store.loses_answers = False
    await node.step()
    await node.step()
    assert node.held == {"A", "B"}


async def test_a_place_whose_giving_back_failed_is_given_back_later(
    store: SqliteStore, clock: FakeClock
) -> None:
    first = await Node(store, clock, *lines(2)).start()
    second = await Node(store, clock, *lines(2)).start()
    clock.advance(SECOND)
    await first.membership.step()
    writes = first.store.write

    async def refuse(operation, item):  # type: ignore[no-untyped-def]
        first.store.away = operation.__name__ == "give_back_slots"
        return await writes(operation, item)

    first.store.write = refuse  # type: ignore[method-assign]
    await first.step()
    assert len(first.held) == 1, "it has stopped all the same"
    first.store.write = writes  # type: ignore[method-assign]
    first.store.away = False
    await live(clock, first, second, seconds=3)
    assert held_by([first, second]) == ["A", "B"]


# Throughput


async def test_nodes_that_share_a_sender_share_its_throughput(
    store: SqliteStore, clock: FakeClock
) -> None:
    nodes = await nodes_with(store, clock, 4, senders=1, slots=4)
    await live(clock, *nodes, seconds=2)
    assert [node.line("A").pacing.rate for node in nodes] == [20.0] * 4
    await live(clock, *nodes[:3], seconds=LEASE_SECONDS + 4)
    assert [node.line("A").pacing.rate for node in nodes[:3]] == [pytest.approx(80 / 3)] * 3


async def test_the_shares_never_exceed_the_throughput_once_all_have_looked(
    store: SqliteStore, clock: FakeClock
) -> None:
    nodes: list[Node] = []
    for _ in range(5):
        nodes.append(await Node(store, clock, *lines(2, slots=3)).start())
        for _ in range(5):
            begun = sum(len(node.connections) for node in nodes)
            await live(clock, *nodes, seconds=1)
            if begun != sum(len(node.connections) for node in nodes):
                continue  # some have changed, and others not looked since
            for name in ("A", "B"):
                rates = [one.line(name).pacing.rate for one in nodes if one.line(name).held]
                assert sum(rates) <= 80.0 + 1e-9, (len(nodes), name, rates)


async def test_a_new_holder_counts_itself_from_the_start(
    store: SqliteStore, clock: FakeClock
) -> None:
    first, second = await nodes_with(store, clock, 2, senders=1, slots=2)
    assert (first.line("A").pacing.rate, second.line("A").pacing.rate) == (80.0, 40.0)
    await live(clock, first, seconds=1)
    assert first.line("A").pacing.rate == 40.0


# Pauses


def a_pause(channel: Channel = W, at: int = START, name: str = "A") -> SenderPause:
    return SenderPause(channel, name, at, at + MINUTE, 1, "190 expired", at)


async def test_a_new_holder_rests_where_the_old_one_did(
    store: SqliteStore, clock: FakeClock
) -> None:
    await store.write(pause_senders, a_pause())
    [node] = await nodes_with(store, clock, 1)
    assert (node.line("A").pause, node.line("B").pause) == (a_pause(), None)
    assert node.line("A").room(clock) == 0


async def test_a_pause_that_another_node_saw_cause_for_is_adopted(
    store: SqliteStore, clock: FakeClock
) -> None:
    """A webhook that blames the sender comes to any node that has the role api."""
    [node] = await nodes_with(store, clock, 1)
    pause = a_pause(at=clock.advance(SECOND))
    await store.write(pause_senders, pause)
    await live(clock, node, seconds=1)
    assert node.line("A").pause == pause


async def test_a_pause_that_an_operator_has_ended_is_heard_of_once(
    store: SqliteStore, clock: FakeClock
) -> None:
    await store.write(pause_senders, a_pause())
    [node] = await nodes_with(store, clock, 1)
    await store.write(retry_senders, Retry(clock.advance(SECOND), W, "A"))
    woken = node.woken
    await node.step()
    line = node.line("A")
    assert line.pause is not None
    assert line.pause.paused_until == clock.now()
    assert node.woken == woken + 1
    later = line.rest(clock, "190 expired still", None)
    await node.step()
    assert line.pause == later, "what the node knows itself is newer"


async def test_a_pause_of_before_the_sender_worked_again_is_not(
    store: SqliteStore, clock: FakeClock
) -> None:
    [node] = await nodes_with(store, clock, 1)
    line = node.line("A")
    line.rest(clock, "190", None)
    clock.advance(SECOND)
    line.resume(clock.now())
    await store.write(pause_senders, a_pause())  # its removal is on its way
    await live(clock, node, seconds=1)
    assert line.pause is None


async def test_who_does_not_hold_a_sender_knows_of_its_pause_while_it_lasts(
    store: SqliteStore, clock: FakeClock
) -> None:
    """Else the next webhook that blames it would begin with pauses of long ago."""
    web = await Node(store, clock, a_line("A"), roles=("api",)).start()
    await store.write(pause_senders, a_pause())
    await web.step()
    assert web.line("A").pause == a_pause()
    await store.write(resume_senders, ("WHATSAPP", "A"))
    await web.step()
    assert web.line("A").pause is None


async def test_a_new_connection_begins_without_what_was_said_of_the_old_one(
    store: SqliteStore, clock: FakeClock
) -> None:
    await store.write(pause_senders, a_pause(S))
    [node] = await nodes_with(store, clock, 1, senders=1, channel=S)
    assert await store.read(paused_senders, None) == []
    assert node.line("A", S).pause is None


async def test_what_the_only_holder_knows_better_is_mended(
    store: SqliteStore, clock: FakeClock
) -> None:
    """The words of a node that has died, or its own two latest, written crosswise."""
    [node] = await nodes_with(store, clock, 1, senders=1, channel=S)
    await store.write(pause_senders, a_pause(S))
    await live(clock, node, seconds=5)
    assert await store.read(paused_senders, None) == [a_pause(S)]
    await live(clock, node, seconds=1)
    assert await store.read(paused_senders, None) == []
    node.line("A", S).connector.blocked_since = START  # type: ignore[misc]
    await store.write(pause_senders, a_pause(S))
    await live(clock, node, seconds=10)
    assert await store.read(paused_senders, None) == [a_pause(S)]


# Receipts


async def test_the_receipts_of_an_smsc_that_another_node_holds_are_heard_there(
    store: SqliteStore, clock: FakeClock
) -> None:
    web = await Node(store, clock, a_line("A", S), a_line("A"), roles=("dispatch",)).start()
    assert unheard(web.lines) == {(S, "A")}, "nobody holds it"
    sms = await Node(store, clock, a_line("A", S), roles=("smpp",)).start()
    await web.step()
    assert unheard(web.lines) == set()
    await store.write(pause_senders, a_pause(S))  # its connection is gone
    await web.step()
    assert unheard(web.lines) == {(S, "A")}
    assert unheard(sms.lines) == set()
    sms.line("A", S).connector.blocked_since = START  # type: ignore[misc]
    assert unheard(sms.lines) == {(S, "A")}
