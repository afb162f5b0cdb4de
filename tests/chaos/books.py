"""What the store, the sandbox and the receiver say, gathered by chain."""

import re
from collections import defaultdict
from typing import Any, NamedTuple

import aiohttp

from tests.chaos.place import Place
from tests.chaos.receiver import Arrival
from whimbrel.store.submits import INTERRUPTED, NO_ANSWER

_MAGIC_PREFIX = "7000000"
_REF = re.compile(r"order-\d+")
_MOST_SHOWN = 1_000_000


class Submit(NamedTuple):
    """A row of the history of attempts."""

    link_id: int
    attempt: int
    outcome: str
    detail: str

    @property
    def is_ambiguous(self) -> bool:
        """Whether it was uncertain for a while that it went."""
        return self.outcome == NO_ANSWER or INTERRUPTED in self.detail

    @property
    def went_again(self) -> bool:
        return "goes again" in self.detail

    @property
    def was_given_up(self) -> bool:
        return "fails: " in self.detail


class Link(NamedTuple):
    """A link as it ended."""

    link_id: int
    chain_id: int
    channel: str
    state: int
    error_code: int


class Told(NamedTuple):
    """A report as the store has it."""

    report_id: int
    chain_id: int
    link_id: int
    status: int
    state: int


class Chain:
    """One accepted request and all that came of it."""

    def __init__(self, chain_id: int, ref: str, login: str) -> None:
        self.chain_id = chain_id
        self.ref = ref
        self.login = login
        self.links: dict[int, Link] = {}
        self.submits: list[Submit] = []
        self.reports: list[Told] = []
        self.arrived: dict[tuple[int, int], int] = defaultdict(int)
        """How often each part of each link came to its channel; part 0: it is not long."""
        self.received: list[Arrival] = []

    @property
    def is_ambiguous(self) -> bool:
        return any(submit.is_ambiguous for submit in self.submits)

    def allowed(self, link_id: int) -> int:
        """Return how often a link may have come: again where that was decided, and counted."""
        return 1 + sum(one.went_again for one in self.submits if one.link_id == link_id)


class Books(NamedTuple):
    """Everything."""

    chains: dict[int, Chain]
    by_ref: dict[str, list[Chain]]
    sessions: dict[str, dict[str, tuple[int, int]]]
    """The first and the last submit of each SMPP session, in milliseconds, by account."""
    strangers: int
    """Messages in the sandbox that no chain of the store accounts for."""


async def gather(place: Place) -> Books:
    """Read everything. Nothing must be on its way any more."""
    chains: dict[int, Chain] = {}
    by_ref: dict[str, list[Chain]] = defaultdict(list)
    for chain_id, ref, login in await place.rows(
        "SELECT c.chain_id, c.partner_ref, p.login FROM chains c "
        "JOIN partners p ON p.partner_id = c.partner_id"
    ):
        chains[chain_id] = Chain(chain_id, ref, login)
        by_ref[ref].append(chains[chain_id])
    for row in await place.rows("SELECT link_id, chain_id, channel, state, error_code FROM links"):
        chains[row[1]].links[row[0]] = Link(*row)
    for row in await place.rows(
        "SELECT link_id, attempt, outcome, coalesce(detail, '') FROM submits ORDER BY 1, 2"
    ):
        chains[row[0] >> 4].submits.append(Submit(*row))
    for row in await place.rows(
        "SELECT report_id, chain_id, link_id, status, state FROM reports ORDER BY 1"
    ):
        chains[row[1]].reports.append(Told(*row))
    for mt_num, arrivals in place.receiver.arrivals.items():
        if int(mt_num) in chains:
            chains[int(mt_num)].received = arrivals
    strangers = 0
    sessions: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for message in await messages(place):
        if message["channel"] == "SMS":
            at, account = message["accepted_at"], sessions[message["smpp"]]
            first, last = account.get(message["session"], (at, at))
            account[message["session"]] = (min(first, at), max(last, at))
        strangers += not _note(message, chains, by_ref)
    return Books(chains, by_ref, sessions, strangers)


async def messages(place: Place) -> list[dict[str, Any]]:
    """Return all that came to the sandbox."""
    url = f"{place.sandbox_url}/sandbox/messages?limit={_MOST_SHOWN}"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return (await answer.json())["messages"]


def _note(
    message: dict[str, Any], chains: dict[int, Chain], by_ref: dict[str, list[Chain]]
) -> bool:
    """Count a message of the sandbox with its link; tell whether there is one."""
    if message["channel"] == "WHATSAPP":
        link_id = int(message["biz_opaque_callback_data"].partition(".")[0])
        chain, part = chains.get(link_id >> 4), 0
        if chain is not None:
            chain.arrived[link_id, part] += 1
        return chain is not None
    found = by_ref.get(_ref_of(message), [])
    part = message["part"]["part"] if message["part"] else 0
    for chain in found[:1]:
        [link_id] = [one.link_id for one in chain.links.values() if one.channel == "SMS"]
        chain.arrived[link_id, part] += 1
    return bool(found)


def _ref_of(sms: dict[str, Any]) -> str:
    """Return whose an SMS is: its subscriber has a number of his own, unless that is magic."""
    if not sms["to"].startswith(_MAGIC_PREFIX):
        return f"order-{int(sms['to']) - 79_200_000_000}"
    found = _REF.search(sms["text"])
    return found[0] if found else ""
