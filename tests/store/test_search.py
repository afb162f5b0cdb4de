"""A search finds what a look at every row would find, on whatever road it goes."""

from random import Random
from typing import Any

import pytest

from tests.support.builders import (
    Database,
    a_chain,
    a_link,
    accept,
)
from tests.support.clock import START
from whimbrel.domain.chain import NewLink
from whimbrel.domain.chain_id import ChainIds, link_id
from whimbrel.domain.content import Channel
from whimbrel.domain.extra_param import parse, render
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.store.criteria import Criteria, Span
from whimbrel.store.engine import Store
from whimbrel.store.search import Look, Looked, look_for_chains

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
) -> Any:
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

    def _chain(self, number: int) -> Any:
        pick = self.random.choice
        pairs = self.random.sample(PAIRS, self.random.randrange(2))
        links = [self._link(number, position) for position in range(pick((1, 1, 2, 3)))]
        return a_chain(
            number,
            partner_id=pick((1, 1, 1, 2)),
            partner_ref=pick(REFS),
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

    def _is_wanted(self, chain: Any, wanted: Criteria) -> bool:
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
