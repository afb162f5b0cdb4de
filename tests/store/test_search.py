"""A search finds what a look at every row would find, on whatever road it goes."""

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from tests.support.builders import (
    SMS_LANE,
    Database,
    a_chain,
    a_link,
    a_receipt,
    accept,
    answer,
    claim,
    receive,
    submit,
)
from tests.support.clock import START
from whimbrel.clock import MINUTE, SECOND
from whimbrel.domain.chain import Chain, NewLink, PartsTaken, Taken
from whimbrel.domain.chain_id import ChainIds, link_id
from whimbrel.domain.content import Channel
from whimbrel.domain.extra_param import parse, render
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.store.criteria import Criteria, Span
from whimbrel.store.engine import Store
from whimbrel.store.extra_pairs import MOST_PAIRS, pair_key
from whimbrel.store.purge import OldContents, remove_chains, remove_contents
from whimbrel.store.search import Look, Looked, look_for_chains
from whimbrel.store.search_roads import MOST_LISTED

S = LinkState
PHONES = ("79160000001", "79160000002", "79160000003", "4930123456")
SENDERS = ("ALFA", "BETA", "GAMMA")
REFS = (None, "order-1", "order-2", "Ünïcode 'ref'")
PAIRS = (("city", "Tver"), ("city", "Omsk, East"), ("City", "Tver"), ("100%", "_!"), ("n", ""))
ERRORS = (ErrorCode.TIMEOUT, ErrorCode.FILTERED, ErrorCode.UNKNOWN)

_MOVE = "UPDATE links SET state = {state:d}, error_code = {error:d} WHERE link_id = {0}"
_SUBMIT = """INSERT INTO submits (link_id, attempt, ended_at, outcome, provider_id)
VALUES ({0}, 1, 1, 'submitted', '{name}')"""


async def look(store: Store, span: Span = Span(), **criteria: Any) -> list[int]:  # noqa: B008
    """Search from the newest to the oldest, however many stretches it takes."""
    wanted = Criteria(span=span, **criteria)
    return [
        number for one in [looked async for looked in stretches(store, wanted)] for number in one
    ]


async def stretches(
    store: Store, wanted: Criteria, *, room: int = 50, budget: int = 1_000, older: bool = True
) -> AsyncIterator[list[int]]:
    span = wanted.span
    while not span.is_empty:
        looked: Looked = await store.read(look_for_chains, Look(wanted, span, room, older, budget))
        assert len(looked.chains) <= room
        assert span.since <= looked.rest.since
        assert looked.rest.before <= span.before
        assert looked.rest != span, "a stretch gets somewhere"
        yield [one.chain_id for one in looked.chains]
        span = looked.rest


class Crowd:
    """Chains of every kind, and a naive search among them."""

    def __init__(self, random: Random, count: int) -> None:
        self.random = random
        ids = ChainIds(3)
        self.chains = [self._chain(ids.next(START + n * 40)) for n in range(count)]
        self.links: dict[int, dict[str, Any]] = {}

    def _chain(self, number: int) -> Chain:
        pick = self.random.choice
        pairs = self.random.sample(PAIRS, self.random.randrange(2))
        links = [self._link(number, position) for position in range(pick((1, 1, 2, 3)))]
        return a_chain(
            number,
            partner_id=pick((1, 1, 1, 2)),
            partner_ref=(ref := pick((*REFS, f"own-{number}"))),
            dedupe_ref=ref if ref and ref.startswith("own-") else None,
            dest_addr=pick(PHONES),
            extra_param=render(pairs) or None,
            links=tuple(links),
        )

    def _link(self, number: int, position: int) -> NewLink:
        return a_link(
            number,
            link_id=link_id(number, position),
            position=position,
            channel=self.random.choice(list(Channel)),
            sender=self.random.choice(SENDERS),
        )

    async def written(self, store: Store, database: Database) -> None:
        """Write them, and let every link be in some state."""
        await accept(store, *self.chains)
        script = ["BEGIN"]
        for chain in self.chains:
            for link in chain.links:
                state = self.random.choice([*S, S.READ, S.READ, S.FAILED])
                failed = state in {S.FAILED, S.EXPIRED}
                error = self.random.choice(ERRORS) if failed else ErrorCode.NONE
                if state is S.EXPIRED:
                    error = ErrorCode.TIMEOUT
                name = f"wamid.{link.link_id % 97}"
                self.links[link.link_id] = {
                    "channel": link.channel,
                    "sender": link.sender,
                    "state": state,
                    "error": error,
                    "name": name,
                }
                script += [
                    _MOVE.format(link.link_id, state=state, error=error),
                    _SUBMIT.format(link.link_id, name=name),
                ]
        database.script(";\n".join([*script, "COMMIT"]))

    def wanted(self, wanted: Criteria) -> list[int]:
        """Return the numbers of those that are wanted, the newest first."""
        return [one.chain_id for one in reversed(self.chains) if self._is_wanted(one, wanted)]

    def _is_wanted(self, chain: Chain, wanted: Criteria) -> bool:
        links = [self.links[link.link_id] for link in chain.links]
        pairs = parse(chain.extra_param or "")
        return (
            wanted.span.since <= chain.chain_id < wanted.span.before
            and wanted.dest_addr in {None, chain.dest_addr}
            and wanted.partner_ref in {None, chain.partner_ref}
            and wanted.login in {None, f"partner{chain.partner_id}"}
            and (
                not wanted.provider_ids or any(one["name"] in wanted.provider_ids for one in links)
            )
            and (
                wanted.pair is None
                or any(
                    name == wanted.pair[0] and wanted.pair[1] in {None, value}
                    for name, value in pairs
                )
            )
            and (not wanted.of_link or any(self._is_meant(one, wanted) for one in links))
        )

    def _is_meant(self, link: dict[str, Any], wanted: Criteria) -> bool:
        lowest, highest = wanted.states or (-100, 100)
        return (
            lowest <= link["state"] <= highest
            and wanted.channel in {None, link["channel"]}
            and wanted.sender in {None, link["sender"]}
            and wanted.error_code in {None, link["error"]}
        )

    def criteria(self, random: Random) -> Criteria:
        """Return some criteria, those alone that a form can make."""
        some = random.choice(self.chains)
        link = self.links[random.choice(some.links).link_id]
        pair = random.choice(PAIRS)
        edges = sorted(random.choice(self.chains).chain_id for _ in range(2))
        possible: dict[str, Any] = {
            "span": random.choice(
                [Span(*edges), Span(since=edges[0]), Span(some.chain_id, some.chain_id + 1)]
            ),
            "dest_addr": random.choice([some.dest_addr, "79990000000"]),
            "partner_ref": some.partner_ref or "order-3",
            "provider_ids": (link["name"], "nothing"),
            "login": random.choice([f"partner{some.partner_id}", "nobody"]),
            "pair": random.choice([pair, (pair[0], None), ("city", "nowhere")]),
            "channel": link["channel"],
            "sender": link["sender"],
            "states": random.choice([(link["state"],) * 2, (S.HELD, S.SENT), (S.QUEUED, S.UNSURE)]),
            "error_code": random.choice([link["error"] or ErrorCode.FILTERED, ErrorCode.BUSY]),
        }
        chosen = random.sample(sorted(possible), random.choice((0, 1, 1, 1, 2, 2, 3)))
        return Criteria(**{name: possible[name] for name in chosen})


@pytest.mark.parametrize("seed", range(2))
async def test_a_search_finds_what_a_look_at_every_row_finds(
    store: Store, database: Database, seed: int
) -> None:
    random = Random(seed)
    crowd = Crowd(random, 100)
    await crowd.written(store, database)
    hits = 0
    for _ in range(80):
        wanted = crowd.criteria(random)
        expected = crowd.wanted(wanted)
        hits += bool(expected)
        room, budget = random.choice(((2, 9), (4, 7), (50, 1_000), (3, 3), (50, 20)))
        older = random.random() < 0.6
        found = [
            number
            async for one in stretches(store, wanted, room=room, budget=budget, older=older)
            for number in one
        ]
        assert found == (expected if older else expected[::-1]), (wanted, room, budget, older)
    assert hits > 25, "the criteria are such that something is found"


async def test_pages_lose_and_double_nothing_while_new_ones_come(store: Store) -> None:
    ids = ChainIds(1)
    old = [ids.next(START + n * SECOND) for n in range(60)]
    await accept(store, *(a_chain(number) for number in old))
    wanted, seen = Criteria(dest_addr=a_chain().dest_addr), []
    async for numbers in stretches(store, wanted, room=7, budget=9):
        seen += numbers
        await accept(store, a_chain(ids.next(START + MINUTE)))
        await store.write(remove_chains, old[:1])
    assert seen == old[::-1], "what came meanwhile is above, and nothing was removed: it is open"


async def test_a_number_is_found_in_every_spelling_that_is_kept(store: Store) -> None:
    await submit(store, 1, "wamid.HBgL==")
    await submit(store, 2, "3ade68b1")
    await accept(store, a_chain(3, link={"channel": Channel.SMS}))
    await claim(store, lane=SMS_LANE)
    taken = PartsTaken({1: "a1", 2: "a2"}, parts=2)
    await answer(store, Taken(1, START, "a1"), 3, parts=taken)
    assert await look(store, provider_ids=("wamid.HBgL==",)) == [1]
    assert await look(store, provider_ids=("987654321", "3ade68b1")) == [2]
    assert await look(store, provider_ids=("a2",)) == [3]
    assert await look(store, provider_ids=("a2",), span=Span(4)) == []


async def test_a_state_is_followed_as_it_moves(store: Store) -> None:
    await submit(store, 1, "wamid.1")
    await accept(store, a_chain(2))
    assert await look(store, states=(S.SUBMITTED, S.SUBMITTED)) == [1]
    await receive(store, a_receipt(S.FAILED, provider_id="wamid.1", error_code=ErrorCode.FILTERED))
    assert await look(store, states=(S.FAILED, S.FAILED)) == [1]
    assert await look(store, error_code=ErrorCode.FILTERED) == [1]
    await receive(store, a_receipt(S.READ, provider_id="wamid.1"))
    assert await look(store, error_code=ErrorCode.FILTERED) == []
    assert await look(store, states=(S.HELD, S.SENT)) == [2]


async def test_the_states_of_very_many_are_looked_at_on_the_way(store: Store) -> None:
    """More links are unsettled than are listed as a whole."""
    await accept(store, *(a_chain(number) for number in range(1, MOST_LISTED + 50)))
    found = await look(store, states=(S.QUEUED, S.QUEUED))
    assert found == list(range(MOST_LISTED + 49, 0, -1))


# Pairs of extraParam


async def test_only_what_is_accepted_has_its_pairs_kept(store: Store, database: Database) -> None:
    chains = [a_chain(one, dedupe_ref="r", extra_param="a=1,b=2,a=1") for one in (1, 2)]
    await accept(store, *chains)
    assert sorted(database.rows("SELECT pair, chain_id FROM extra_pairs")) == sorted(
        (pair_key(*pair), 1) for pair in (("a", "1"), ("b", "2"))
    )
    assert await look(store, pair=("b", "2")) == [1]


async def test_a_text_that_only_looks_like_it_is_not_found(store: Store) -> None:
    await accept(store, a_chain(1, extra_param="x=1,,city=Tver"), a_chain(2, extra_param="y=100%"))
    assert await look(store, pair=("city", "Tver")) == []
    assert await look(store, pair=("x", "1,city=Tver")) == [1]
    assert await look(store, pair=("y", None)) == [2]
    assert await look(store, pair=("_", None)) == []


async def test_a_chain_of_very_many_pairs_is_found_by_the_first(store: Store) -> None:
    pairs = [(f"n{n}", str(n)) for n in range(MOST_PAIRS + 1)]
    await accept(store, a_chain(1, extra_param=render(pairs)))
    assert await look(store, pair=pairs[MOST_PAIRS - 1]) == [1]
    assert await look(store, pair=pairs[MOST_PAIRS]) == []


async def test_pairs_go_with_the_content_and_with_the_chain(
    store: Store, database: Database
) -> None:
    for number in (1, 2, 3):
        await accept(store, a_chain(number, extra_param="a=1,b=2", registered_delivery=0))
    database.script("UPDATE links SET state = 80")
    await store.write(remove_contents, OldContents([1], START))
    await store.write(remove_chains, [2])
    assert {row[0] for row in database.rows("SELECT chain_id FROM extra_pairs")} == {3}
    assert await look(store, pair=("a", "1")) == [3]
    await store.write(remove_contents, OldContents([3], START))
    assert database.rows("SELECT * FROM extra_pairs") == []
    assert await look(store, pair=("a", None)) == []


async def test_a_nul_is_no_obstacle(store: Store, database: Database) -> None:
    """PostgreSQL keeps U+FFFD in its place."""
    await accept(store, a_chain(1, extra_param="a=x\0y", registered_delivery=0))
    value = "x\ufffdy" if database.engine == "postgres" else "x\0y"
    assert await look(store, pair=("a", value)) == [1]
    database.script("UPDATE links SET state = 80")
    await store.write(remove_chains, [1])
    assert database.rows("SELECT * FROM extra_pairs") == []
