"""What the world outside has seen of the gateway, and the promises that can be checked on the spot.

The channels write in what they took, the receivers what they were told, the clients what they were
answered. It knows the gateway's store only as `Books`; what is checked at the end is in `audit.py`.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from whimbrel.clock import MINUTE
from whimbrel.domain.chain_id import position_of
from whimbrel.domain.content import Channel
from whimbrel.domain.status import LinkState
from whimbrel.domain.unanswered import Unanswered
from whimbrel.simulation.books import Books
from whimbrel.simulation.world import World

_DEAD = 3
_BEEN = "SELECT after FROM moves WHERE link_id = ?"
_KNOWN_TO_HAVE_GONE = """
SELECT 1 FROM submits s JOIN links l ON l.link_id = s.link_id
WHERE s.link_id = ? AND s.attempt = ? AND s.outcome = 'submitted' AND s.ended_at < l.attempted_at
"""
_REPORT = "SELECT report_id FROM reports WHERE link_id = ? AND status = ?"
_SILENT = "SELECT 1 FROM submits WHERE link_id = ? AND outcome = 'no answer'"
_RULE = """
SELECT c.partner_id, l.ttl FROM links l JOIN chains c ON c.chain_id = l.chain_id
WHERE l.link_id = ?
"""
_SHORT = 15 * MINUTE  # a lifetime up to which a Partner without a rule has messages sent again
_MOST_SILENT = 2
_MISSED = {LinkState.FAILED, LinkState.EXPIRED}
_SLACK = 1.0  # seconds; between what was on disk and what is seen of it


@dataclass
class SeenSubmit:
    """An attempt as it reached a channel."""

    attempt: int
    at: float
    """By the loop's time, in seconds."""
    wall: int
    """By the gateway's clock."""
    taken: bool
    given_back: bool = False
    """The channel has said that it failed, and that another attempt is worth while."""
    filed: dict[LinkState, float] = field(default_factory=dict)
    """The receipts that the gateway has taken, and when it had."""
    numbers: dict[int, str] = field(default_factory=dict)
    """The SMSC's number of each part that it took."""


class Accepted(NamedTuple):
    """A promise that was made to a client."""

    partner: str
    ref: str | None
    dest_addr: str
    deadline: int | None


@dataclass
class Told:
    """A report as its receiver knows it."""

    report_id: int
    status: int
    acknowledged: bool = False


class Ledger:
    """All that was seen."""

    def __init__(
        self,
        world: World,
        books: Books,
        *,
        grace: float,
        controlled: frozenset[str],
        rules: Mapping[int, Unanswered],
    ) -> None:
        """`grace` is in seconds; `controlled`: Partners of whom no `id` may be accepted twice.

        `rules`: what becomes of a Partner's messages that may have gone, by its number.
        """
        self._world = world
        self._books = books
        self._grace = grace
        self._controlled = controlled
        self._rules = rules
        self.submits: dict[int, list[SeenSubmit]] = defaultdict(list)
        self.said: dict[int, set[LinkState]] = defaultdict(set)
        """What channels have said of each link, whether it was heard or not."""
        self.accepted: dict[int, Accepted] = {}
        self._by_ref: dict[tuple[str, str], int] = {}
        self.told: dict[int, list[Told]] = defaultdict(list)
        self.sms_filed: set[int] = set()
        """Links of which the gateway has taken a receipt from the SMSC."""
        self.bound_at = 0.0
        """Since when there is a connection to the SMSC, by the loop's time."""
        self.resent = 0
        """Second attempts because the first had no answer."""
        self.doubled = 0
        """Of these, how often the first had been taken, so that the subscriber may have got two."""

    # Clients

    def answered(self, mt_num: int, promise: Accepted) -> None:
        """Note that a client was given `mtNum`."""
        known = self.accepted.get(mt_num)
        if known is not None and known != promise:
            self._world.violated("one number, one chain", f"{mt_num} was given to two requests")
        self.accepted[mt_num] = promise
        if promise.ref is None or promise.partner not in self._controlled:
            return
        first = self._by_ref.setdefault((promise.partner, promise.ref), mt_num)
        if first != mt_num:
            detail = f"{promise.partner} got {first} and {mt_num} for {promise.ref}"
            self._world.violated("one id, one chain", detail)

    def refused_as_repeated(self, promise: Accepted) -> None:
        """Check that what a client's request repeats is there."""
        if promise.partner not in self._controlled:
            return
        if not self._books.rows("SELECT 1 FROM chains WHERE dedupe_ref = ?", promise.ref):
            self._world.violated("only what was accepted is repeated", str(promise.ref))

    # Channels

    def submitted(self, link_id: int, attempt: int, channel: Channel, *, taken: bool) -> SeenSubmit:
        """Note an attempt, and check that it may be made."""
        seen = SeenSubmit(attempt, self._world.loop.time(), self._world.clock.now(), taken=taken)
        on_disk = self._books.one("SELECT attempt FROM links WHERE link_id = ?", link_id)
        if on_disk != attempt:
            detail = f"{link_id}: attempt {attempt} goes, {on_disk} is on disk"
            self._world.violated("the attempt is written first", detail)
        if position_of(link_id) and not self.submits[link_id]:
            self._check_turn(link_id)
        for earlier in self.submits[link_id]:
            self._check_again(link_id, earlier, seen, channel)
        self.submits[link_id].append(seen)
        return seen

    def _check_turn(self, link_id: int) -> None:
        """Check that the link before has missed its goal."""
        before = link_id - 1
        been = {state for (state,) in self._books.rows(_BEEN, before)}
        goal = self._books.one("SELECT satisfied_by FROM links WHERE link_id = ?", before)
        unread = goal == LinkState.READ and LinkState.DELIVERED in been
        if not (been & _MISSED or unread):
            self._world.violated("a link waits for its turn", f"{link_id}: {before} was {been}")

    def _check_again(
        self, link_id: int, earlier: SeenSubmit, seen: SeenSubmit, channel: Channel
    ) -> None:
        """Check that a link may go again after an earlier attempt."""
        outcomes = {
            outcome
            for (outcome,) in self._books.rows(
                "SELECT outcome FROM outcomes WHERE link_id = ? AND attempt = ?",
                link_id,
                earlier.attempt,
            )
        }
        what = f"{link_id}: attempt {seen.attempt} after {earlier.attempt}, noted as {outcomes}"
        if earlier.attempt >= seen.attempt:
            self._world.violated("an attempt goes once", what)
        elif earlier.given_back:
            pass  # the channel itself has asked for another attempt
        elif self._books.rows(_KNOWN_TO_HAVE_GONE, link_id, earlier.attempt):
            self._world.violated("a link goes once", f"{what}, and now as submitted")
        elif "no answer" in outcomes:
            if earlier is self.submits[link_id][-1]:
                self.resent += 1
                self.doubled += earlier.taken
                self._check_rule(link_id, what)
                self._check_ambiguous(link_id, what, earlier, seen, channel)
        elif "not sent" in outcomes:
            if earlier.taken:
                self._world.violated("what was taken is not sent again", what)
        else:
            self._world.violated("a link goes once", what)

    def _check_ambiguous(
        self, link_id: int, what: str, earlier: SeenSubmit, seen: SeenSubmit, channel: Channel
    ) -> None:
        waited = seen.at - earlier.at
        if channel is Channel.SMS and not self._has_next(link_id):
            waited = min(waited, seen.at - self.bound_at)  # nothing can be heard before that
        if waited < self._grace - _SLACK and not self._world.odds.clock:
            self._world.violated("a receipt is waited for", f"{what}: {waited:.3f} s")
        heard = [at for state, at in earlier.filed.items() if state is not LinkState.FAILED]
        early = min(heard, default=seen.at)
        if channel is Channel.WHATSAPP and early < seen.at - _SLACK:
            detail = f"{what}: it was heard of {seen.at - early:.3f} s before"
            self._world.violated("a receipt settles it", detail)

    def _check_rule(self, link_id: int, what: str) -> None:
        """Check that the Partner wants another attempt after silence, and not too many of them."""
        partner_id, ttl = self._books.rows(_RULE, link_id)[0]
        rule = self._rules[partner_id]
        if rule is Unanswered.FAIL or (rule is Unanswered.AUTO and ttl > _SHORT):
            self._world.violated("the Partner's rule is followed", f"{what}: {rule}, {ttl} ms")
        silent = sum(not seen.filed and not seen.given_back for seen in self.submits[link_id])
        outcomes = self._books.rows(_SILENT, link_id)
        if min(silent, len(outcomes)) > _MOST_SILENT:
            self._world.violated("three at the most", what)

    def _has_next(self, link_id: int) -> bool:
        goal = self._books.one("SELECT satisfied_by FROM links WHERE link_id = ?", link_id)
        return goal is not None

    # Receivers

    def reported(self, chain_id: int, link_id: int, status: int) -> Told:
        """Note a report as it arrives, and check that its turn has come."""
        report_id = self._books.one(_REPORT, link_id, status)
        before = self.told[chain_id]
        last = before[-1] if before else None
        if last is not None and last.report_id == report_id:
            return last
        if last is not None and last.report_id > report_id:
            detail = f"{chain_id}: {report_id} comes after {last.report_id}"
            self._world.violated("reports are in order", detail)
        if last is not None and not last.acknowledged and not self._is_dead(last.report_id):
            detail = f"{chain_id}: {report_id} comes, {last.report_id} is not acknowledged"
            self._world.violated("the oldest report goes alone", detail)
        told = Told(report_id, status)
        before.append(told)
        return told

    def _is_dead(self, report_id: int) -> bool:
        state = self._books.one("SELECT state FROM reports WHERE report_id = ?", report_id)
        return bool(state == _DEAD)
