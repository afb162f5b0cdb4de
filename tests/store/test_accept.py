"""Accepting chains: `protocol.md`, section 4."""

import asyncio
from itertools import permutations
from typing import Any

import pytest

from tests.support.builders import PARTNER_ID, SUBSCRIBER, Database, a_chain, accept
from tests.support.clock import START
from whimbrel.clock import DAY, MINUTE
from whimbrel.domain.content import Channel, Image, Text
from whimbrel.store.chains import Accepted, accept_chains, find_repeats, lane_of, sender_of
from whimbrel.store.engine import Do, Row, Step, Steps
from whimbrel.store.sqlite import SqliteStore

KEY = b"the same content"
WINDOW = 60_000


async def test_a_chain_is_kept_as_it_was_accepted(store: SqliteStore, database: Database) -> None:
    await accept(
        store,
        a_chain(
            7,
            partner_ref="order-1",
            registered_delivery=2,
            notify_url="https://partner.example/reports",
            extra_param="place=a",
            schedule="{}",
            link={"due_at": START + MINUTE, "closes_at": START + DAY, "ttl": 3 * DAY},
        ),
    )
    columns = (
        "partner_id, partner_ref, dest_addr, registered_delivery, notify_url, extra_param, "
        "schedule, accepted_at, request_id"
    )
    assert database.rows(f"SELECT {columns} FROM chains WHERE chain_id = 7") == [
        (
            PARTNER_ID,
            "order-1",
            SUBSCRIBER,
            2,
            "https://partner.example/reports",
            "place=a",
            "{}",
            START,
            "request-7",
        )
    ]
    link = database.link(7)
    assert (link["state"], link["told"], link["attempt"]) == (0, -1, 0)
    assert (link["due_at"], link["closes_at"]) == (START + MINUTE, START + DAY)
    assert (link["ttl"], link["expires_at"]) == (3 * DAY, START + DAY)
    assert link["lane"] == "WHATSAPP/1/WHIMBREL"


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (Text("Привет \N{WAVING HAND SIGN}"), ("Привет \N{WAVING HAND SIGN}", None)),
        (Image("https://img.example/a.png"), (None, "https://img.example/a.png")),
    ],
)
async def test_a_content_is_kept(
    store: SqliteStore, database: Database, content: Text | Image, columns: Any
) -> None:
    await accept(store, a_chain(link={"content": content}))
    assert database.rows("SELECT text, image_url FROM links") == [columns]


async def test_a_repeated_id_gets_the_first_number(store: SqliteStore, database: Database) -> None:
    await accept(store, a_chain(1, partner_ref="a", dedupe_ref="a"))
    assert await accept(store, a_chain(2, partner_ref="a", dedupe_ref="a")) == [
        Accepted(1, repeats_ref=True)
    ]
    assert database.rows("SELECT chain_id FROM links") == [(1,)]


async def test_a_hundred_requests_that_race_for_one_id_send_once(
    store: SqliteStore, database: Database
) -> None:
    racers = [a_chain(number, dedupe_ref="a") for number in range(1, 101)]
    answers = await accept(store, *racers)
    assert answers == [Accepted(1)] + [Accepted(1, repeats_ref=True)] * 99
    assert database.rows("SELECT chain_id FROM links") == [(1,)]


async def test_an_id_belongs_to_its_partner(store: SqliteStore) -> None:
    answers = await accept(
        store, a_chain(1, dedupe_ref="a"), a_chain(2, partner_id=2, dedupe_ref="a")
    )
    assert answers == [Accepted(1), Accepted(2)]


async def test_without_control_an_id_may_repeat(store: SqliteStore) -> None:
    answers = await accept(store, a_chain(1, partner_ref="a"), a_chain(2, partner_ref="a"))
    assert answers == [Accepted(1), Accepted(2)]


@pytest.mark.parametrize(
    ("later", "outcome"),
    [
        (0, Accepted(1, repeats_content=True)),
        (WINDOW - 1, Accepted(1, repeats_content=True)),
        (WINDOW, Accepted(2)),
        (2 * WINDOW, Accepted(2)),
    ],
)
async def test_the_same_content_is_a_duplicate_inside_its_window(
    store: SqliteStore, later: int, outcome: Accepted
) -> None:
    same: dict[str, Any] = {"content_key": KEY, "content_window": WINDOW}
    await accept(store, a_chain(1, **same))
    assert await accept(store, a_chain(2, accepted_at=START + later, **same)) == [outcome]


async def test_a_refused_duplicate_does_not_lengthen_the_window(store: SqliteStore) -> None:
    same: dict[str, Any] = {"content_key": KEY, "content_window": WINDOW}
    moments = [START, START + WINDOW - 1, START + WINDOW]
    answers = [
        await accept(store, a_chain(number, accepted_at=moment, **same))
        for number, moment in enumerate(moments, 1)
    ]
    assert answers[2] == [Accepted(3)]


async def test_contents_that_race_are_sent_once(store: SqliteStore) -> None:
    racers = [a_chain(number, content_key=KEY, content_window=WINDOW) for number in range(1, 4)]
    answers = await accept(store, *racers)
    assert answers == [Accepted(1)] + [Accepted(1, repeats_content=True)] * 2


async def test_a_repeat_of_both_is_a_repeat_of_the_request(store: SqliteStore) -> None:
    both: dict[str, Any] = {"dedupe_ref": "a", "content_key": KEY, "content_window": WINDOW}
    assert (await accept(store, a_chain(1, **both), a_chain(2, **both)))[1] == Accepted(
        1, repeats_ref=True
    )


@pytest.mark.parametrize(
    ("later", "outcome"),
    [
        ({}, Accepted(9)),
        ({"dedupe_ref": "a"}, Accepted(1, repeats_ref=True)),
        ({"dedupe_ref": "b"}, Accepted(9)),
        ({"dedupe_ref": "a", "partner_id": 2}, Accepted(9)),
        ({"content_key": KEY, "content_window": WINDOW}, Accepted(2, repeats_content=True)),
        (
            {"content_key": KEY, "content_window": WINDOW, "accepted_at": START + WINDOW},
            Accepted(9),
        ),
        (
            {"dedupe_ref": "a", "content_key": KEY, "content_window": WINDOW},
            Accepted(1, repeats_ref=True),
        ),
    ],
)
async def test_a_repeat_is_foreseen_and_nothing_is_written(
    store: SqliteStore, database: Database, later: dict[str, Any], outcome: Accepted
) -> None:
    await accept(store, a_chain(1, dedupe_ref="a"))
    await accept(store, a_chain(2, content_key=KEY, content_window=WINDOW))
    chain = a_chain(9, **later)
    assert await store.read(find_repeats, chain) == outcome
    assert database.rows("SELECT count(*) FROM chains") == [(2,)]
    assert await accept(store, chain) == [outcome]


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_a_chain_of_an_unknown_partner_spoils_no_other(
    store: SqliteStore, database: Database, order: tuple[int, ...]
) -> None:
    chains = [a_chain(1), a_chain(2, partner_id=99), a_chain(3)]
    writes = [store.write(accept_chains, chains[index]) for index in order]
    answers = await asyncio.gather(*writes, return_exceptions=True)
    assert isinstance(answers[order.index(1)], Exception)
    assert database.rows("SELECT chain_id FROM links ORDER BY 1") == [(1,), (3,)]


async def test_repeats_and_others_in_one_group(store: SqliteStore, database: Database) -> None:
    """An `id` that is there already, one that comes twice, a content that comes twice."""
    await accept(store, a_chain(1, dedupe_ref="there"))
    same = {"content_key": KEY, "content_window": WINDOW}
    chains = [
        a_chain(2, dedupe_ref="there"),
        a_chain(3, dedupe_ref="twice", **same),
        a_chain(4),
        a_chain(5, dedupe_ref="twice"),
        a_chain(6, **same),
    ]
    assert await accept(store, *chains) == [
        Accepted(1, repeats_ref=True),
        Accepted(3),
        Accepted(4),
        Accepted(3, repeats_ref=True),
        Accepted(3, repeats_content=True),
    ]
    assert database.rows("SELECT chain_id FROM links ORDER BY 1") == [(1,), (3,), (4,)]


def played(steps: Steps[Any], answers: list[list[list[Row]]]) -> tuple[list[Step], Any]:
    """Run an operation to its end with these answers; return its steps, and its results."""
    taken = [next(steps)]
    taken.extend(steps.send(answer) for answer in answers[:-1])
    try:
        steps.send(answers[-1])
    except StopIteration as end:
        return taken, end.value
    raise AssertionError("there are more steps")


def test_what_it_repeats_may_be_removed_between_two_statements() -> None:
    """By another process, as retention does. Nothing is accepted that is not there."""
    not_there, no_keeper, there = [[]], [[]], [[(7,)]]
    answers = [[], not_there, no_keeper, [], there, [], [], []]
    steps, results = played(accept_chains([a_chain(7, dedupe_ref="a")]), answers)
    texts = [step.statement.text for step in steps if isinstance(step, Do)]
    assert [text.split()[2] for text in texts] == ["chains", "chains", "links", "extra_pairs"]
    assert results == [Accepted(7)]


def test_lanes_tell_their_sender() -> None:
    assert sender_of(lane_of(Channel.WHATSAPP, "A/B", 12)) == (Channel.WHATSAPP, "A/B")
