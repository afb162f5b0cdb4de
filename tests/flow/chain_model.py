"""What ought to become of chains, in plain words: the reference of `test_model.py`.

Written from `protocol.md` (sections 1, 3, 6 and 7) and the rules of the design about what is not
certain, and from nothing of `whimbrel.domain`: it shares neither states nor moves nor schedules
with the code that it judges. Moments are milliseconds UTC.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

MINUTE, DAY = 60_000, 86_400_000
ONE_TIME_CODE = 15 * MINUTE
"""The longest lifetime with which a message that may have gone is worth a copy."""
MOST_COPIES = 3
IN_MOSCOW = 180 * MINUTE

Word = Literal[
    "waiting",  # behind another link
    "ready",  # may go from `due` on
    "out",  # on its way to the channel
    "unsure",  # it may have gone
    "taken",  # the channel has it
    "sent",
    "failed",
    "spared",
    "cancelled",
    "expired",
    "delivered",
    "read",
]
UNDER_WAY = ("ready", "out", "unsure", "taken", "sent")
ARRIVED = ("delivered", "read")
FURTHER = ("taken", "sent", "failed", "delivered", "read")
"""How far a channel's words about one attempt take it; a word that takes it back says nothing."""


@dataclass
class Hours:
    """Daily sending hours in Moscow, from one minute of the day to another, and a deadline."""

    begin: int = 0
    end: int = 24 * 60
    deadline: int | None = None

    def are_open(self, at: int) -> bool:
        minute = (at + IN_MOSCOW) % DAY // MINUTE
        if self.begin < self.end:
            inside = self.begin <= minute < self.end
        else:
            inside = minute >= self.begin or minute < self.end
        return inside and (self.deadline is None or at < self.deadline)

    def opening(self, at: int) -> int | None:
        """The first moment from `at` on at which they are open."""
        if self.are_open(at):
            return at
        midnight = (at + IN_MOSCOW) // DAY * DAY - IN_MOSCOW
        begins = (midnight + day * DAY + self.begin * MINUTE for day in (0, 1))
        opens = next(moment for moment in begins if moment > at)
        return opens if self.deadline is None or opens < self.deadline else None


@dataclass
class Step:
    """One link: what it is, where it is, and what its Partner has been told."""

    channel: str
    goal: Literal["delivered", "read"] | None
    ttl: int
    word: Word = "waiting"
    due: int = 0
    end: int | None = None
    """None: its lifetime has not begun to be counted."""
    attempt: int = 0
    claimed_at: int = 0
    handed_at: int | None = None
    patience: int = 0
    """While out: until when its lease lasts; while unsure: until when a receipt may tell."""
    told: list[int] = field(default_factory=list)
    heard: dict[int, str] = field(default_factory=dict)
    """The furthest word of the channel about each attempt."""
    parts: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Of a long message: the number and the furthest word of each part that was taken."""
    unanswered: set[int] = field(default_factory=set)
    """The attempts that had no answer, not even a late one."""

    @property
    def reached_its_goal(self) -> bool:
        return self.word == "read" or (self.word == "delivered" and self.goal == "delivered")

    def missed_its_goal(self, now: int) -> bool:
        if self.word == "delivered" and self.goal == "read":
            return self.end is not None and now >= self.end
        return self.word in {"failed", "expired"}

    def tell(self, *statuses: int) -> list[int]:
        """Tell what has not been told; nothing is taken back, save that a delivery is the truth."""
        news = []
        for status in statuses:
            if status in self.told or (status == 0 and self.told):
                continue
            if status == 5 and {2, 9} & set(self.told):
                continue
            self.told.append(status)
            news.append(status)
        return news


class ModelChain:
    """One accepted request."""

    def __init__(self, steps: list[Step], hours: Hours, wanted: set[int], now: int) -> None:
        self.steps, self.hours, self.wanted = steps, hours, wanted
        self.reports: list[tuple[int, int]] = []
        """The position and the status of each report that is owed, in order."""
        self.fall_throughs = 0
        self.decided: Counter[str] = Counter()
        """What was decided of links of which nothing was heard: `again` or `failed`."""
        self._get_ready(steps[0], now)

    # What the channel says. Each tells whether it was news of the link.

    def taken(self, position: int, attempt: int, now: int) -> bool:
        step = self.steps[position]
        step.unanswered.discard(attempt)
        if attempt != step.attempt:
            return False
        step.handed_at = now
        if step.word in UNDER_WAY:
            step.end = now + step.ttl
        if step.word in {"out", "unsure"}:
            self._become(position, "taken")
        return True

    def refused(self, position: int, attempt: int) -> bool:
        awaited = self._is_awaited(position, attempt)
        if awaited:
            self._become(position, "failed")
        return awaited

    def not_sent(self, position: int, attempt: int, due: int) -> bool:
        """It surely did not go: it is ready again from `due` on, or when the hours open then."""
        awaited = self._is_awaited(position, attempt)
        if awaited:
            self._again(self.steps[position], due)
        return awaited

    def sender_broken(self, position: int, attempt: int, now: int) -> bool:
        """The same; and one that has another behind it does not begin to wait anew."""
        step = self.steps[position]
        awaited = self.not_sent(position, attempt, now)
        cut_by_deadline = step.end == self.hours.deadline
        if awaited and step.goal and step.due == now and not cut_by_deadline:
            assert step.end is not None
            step.due = min(now, step.end - step.ttl)
        return awaited

    def no_answer(self, position: int, attempt: int, until: int) -> bool:
        step = self.steps[position]
        step.unanswered.add(attempt)
        if step.word != "out" or attempt != step.attempt:
            return False
        step.word, step.patience = "unsure", until
        return True

    def hear(
        self, position: int, attempt: int, word: Word, now: int, again_in: int | None = None
    ) -> bool:
        """A receipt about an attempt; a failure with `again_in` gives it back to us."""
        step = self.steps[position]
        if FURTHER.index(word) <= FURTHER.index(step.heard.get(attempt, "taken")):
            return False
        step.heard[attempt] = word
        if word == "failed":
            if attempt != step.attempt or step.word not in UNDER_WAY:
                return False
            if again_in is None:
                self._become(position, "failed")
            else:
                step.word, step.due = "ready", now + again_in
            return True
        if not self._is_further(step.word, word):
            return False
        if step.handed_at is None:
            step.handed_at, step.end = step.claimed_at, step.claimed_at + step.ttl
        self._become(position, word)
        return True

    def hear_of_part(self, position: int, part: int, word: Word, now: int, of: int) -> bool:
        """A receipt about one part of a long message of `of` parts."""
        step = self.steps[position]
        number, before = step.parts[part]
        if FURTHER.index(word) <= FURTHER.index(before):
            return False
        step.parts[part] = (number, word)
        words = [known for _, known in step.parts.values()]
        if "failed" in words:
            return word == "failed" and self.hear(position, step.attempt, "failed", now)
        if len(words) < of:
            return False  # the rest has yet to go, whatever becomes of these
        whole: Word = "delivered" if set(words) == {"delivered"} else "sent"
        return self.hear(position, step.attempt, whole, now)

    # What time does

    def time_over(self, now: int) -> None:
        for position, step in enumerate(self.steps):
            waits = step.word in UNDER_WAY and step.word != "out"
            if waits and step.end is not None and step.end <= now:
                self._become(position, "expired")
                self.go_on(now)
                return  # one that gets its turn by this has it until the next look

    def patience_over(self, now: int, grace: int, rule: str) -> None:
        for position, step in enumerate(self.steps):
            if step.word == "unsure" and step.patience <= now:
                self._decide(position, now, rule)
                self.go_on(now)
            elif step.word == "out" and step.patience <= now:
                self._interrupted(step, now + grace)

    def _decide(self, position: int, now: int, rule: str) -> None:
        """It may have gone, and nothing was heard of it."""
        step = self.steps[position]
        silent = [attempt for attempt in step.unanswered if attempt not in step.heard]
        if any(before.reached_its_goal for before in self.steps[:position]):
            step.word = "spared"
        elif len(silent) < MOST_COPIES and (
            rule == "resend" or (rule == "auto" and step.ttl <= ONE_TIME_CODE)
        ):
            step.word, step.due = "ready", now
            self.decided["again"] += 1
        else:
            self._become(position, "failed")
            self.decided["failed"] += 1

    def restarted(self, now: int, grace: int) -> None:
        for step in self.steps:
            if step.word == "out":
                self._interrupted(step, now + grace)

    @staticmethod
    def _interrupted(step: Step, until: int) -> None:
        step.word, step.patience = "unsure", until
        step.unanswered.add(step.attempt)

    def cancelled(self) -> list[int]:
        """Somebody calls off what has not been sent; the places of what was."""
        waiting = [n for n, step in enumerate(self.steps) if step.word in {"waiting", "ready"}]
        for position in waiting:
            self._become(position, "cancelled")
        return waiting

    def blocked(self, channel: str, before: int, now: int) -> None:
        """The channel's sender has taken nothing since `before`, and longer."""
        for position, step in enumerate(self.steps):
            waits = step.word == "ready" and step.due <= before
            if step.channel == channel and waits and step.goal:
                self._become(position, "failed")
                self.go_on(now)
                return

    def go_on(self, now: int) -> None:
        """Let those behind have their turn, or have none."""
        reached = False
        for before, step in zip(self.steps, self.steps[1:], strict=False):
            reached = reached or before.reached_its_goal
            if reached and step.word in {"waiting", "ready"}:
                step.word = "spared"
            elif step.word == "waiting" and before.missed_its_goal(now):
                self.fall_throughs += 1
                self._get_ready(step, now)

    # What the dispatcher may do

    def may_go(self, position: int, now: int) -> bool:
        step = self.steps[position]
        return step.word == "ready" and step.due <= now and step.end is not None and now < step.end

    def goes(self, position: int, now: int, lease: int) -> None:
        step = self.steps[position]
        step.word, step.attempt, step.claimed_at = "out", step.attempt + 1, now
        step.patience = now + lease

    def put_back(self, position: int, now: int) -> None:
        """Its hours have closed."""
        self.steps[position].claimed_at = now
        self._again(self.steps[position], now)

    @property
    def is_settled(self) -> bool:
        return all(step.word not in {*UNDER_WAY, "waiting"} for step in self.steps)

    def _get_ready(self, step: Step, now: int) -> None:
        opens = self.hours.opening(now)
        step.word = "ready"
        if opens is None:  # it may not go any more, and ends at once
            step.due = step.end = now
            return
        step.due, step.end = opens, opens + step.ttl
        if self.hours.deadline is not None:
            step.end = min(step.end, self.hours.deadline)

    def _again(self, step: Step, due: int) -> None:
        opens = self.hours.opening(due)
        assert step.end is not None
        step.word, step.due = "ready", step.end if opens is None else opens

    def _is_awaited(self, position: int, attempt: int) -> bool:
        """Take the answer to an attempt; tell whether it is still waited for."""
        step = self.steps[position]
        step.unanswered.discard(attempt)
        return step.word in {"out", "unsure"} and step.attempt == attempt

    @staticmethod
    def _is_further(now: Word, word: Word) -> bool:
        if word == "sent":
            return now in {"ready", "out", "unsure", "taken"}
        return now not in ARRIVED or (now == "delivered" and word == "read")

    def _become(self, position: int, word: Word) -> None:
        step = self.steps[position]
        step.word = word
        statuses = {
            "taken": (0,),
            "sent": (0,),
            "failed": (5,),
            "expired": (5,),
            "cancelled": (5,),
            "delivered": (0, 2),
            "read": (0, 2, 9),
        }[word]
        self.reports += [
            (position, status) for status in step.tell(*statuses) if status in self.wanted
        ]
