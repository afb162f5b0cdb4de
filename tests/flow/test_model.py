"""Chains under everything that can happen to them, against a reference in plain words.

The stages are the real ones on real SQLite; the channels answer when and as Hypothesis says, their
receipts come late, doubled, early, out of order and for other attempts, the clock leaps, and the
process dies between any two steps. After each of them the store must say what `chain_model.py`
says. `pains.md`, 1 to 5.
"""

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.flow.chain_model import MOST_COPIES, UNDER_WAY, Hours, ModelChain, Step, Word
from tests.flow.door import Door, a_message, a_request, stored
from tests.flow.rig import GRACE, LEASE, PATIENCE, TIMEOUT, Journey, ScriptedConnector, a_fault
from tests.support.builders import SENDER, Database, a_receipt, add_partners_to
from tests.support.clock import START, FakeClock
from whimbrel.channels.connector import Submission, SubmitFault
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.chain import PartsTaken
from whimbrel.domain.content import Channel, Content, Text
from whimbrel.domain.receipt import Receipt
from whimbrel.domain.refusal import Refusal
from whimbrel.domain.request import CascadeRequest, MessageRequest, ScheduleRequest
from whimbrel.domain.status import LinkState
from whimbrel.domain.unanswered import Unanswered
from whimbrel.flow import password_checks
from whimbrel.flow.sender_lines import SenderLine
from whimbrel.store.cancelling import Cancellation, cancel_chains
from whimbrel.store.chains import last_chain_id
from whimbrel.store.senders import paused_senders
from whimbrel.store.sqlite import SqliteStore

S, F = LinkState, SubmitFault
T = TypeVar("T")
EXAMPLES, STEPS = 320, 50
SENDERS = {channel: frozenset({SENDER}) for channel in Channel}
MEMORY = Path("/dev/shm")  # a crash of the process needs no disk; fsync would cost most of the time

WORDS: dict[LinkState, Word] = {
    S.HELD: "waiting",
    S.QUEUED: "ready",
    S.SUBMITTING: "out",
    S.UNSURE: "unsure",
    S.SUBMITTED: "taken",
    S.SENT: "sent",
    S.FAILED: "failed",
    S.SPARED: "spared",
    S.CANCELLED: "cancelled",
    S.EXPIRED: "expired",
    S.DELIVERED: "delivered",
    S.READ: "read",
}
RECEIPTS = {"sent": S.SENT, "failed": S.FAILED, "delivered": S.DELIVERED, "read": S.READ}
MAY_FALL = {S.SUBMITTING, S.UNSURE, S.SUBMITTED, S.SENT}  # and to QUEUED only


class Made(NamedTuple):
    """A submit that was begun, and the numbers that its parts have at the channel."""

    submission: Submission
    numbers: dict[int, str]

    @property
    def place(self) -> tuple[int, int]:
        """The chain and the position."""
        return divmod(self.submission.link_id, 16)

    @property
    def channel(self) -> str:
        return self.numbers[1].partition(".")[0]


class OpenConnector(ScriptedConnector):
    """Answers nothing by itself: each submit waits in `open` until it is answered from there."""

    def __init__(self, name: str, prefix: str) -> None:
        super().__init__(name, prefix)
        self.open: list[tuple[Made, int, asyncio.Future[PartsTaken]]] = []
        self.made: list[Made] = []
        self.now = START

    def parts_of(self, content: Content) -> int:
        assert isinstance(content, Text)
        return 2 if content.text == "long" else 1

    async def submit(self, submission: Submission) -> PartsTaken:
        self.submissions.append(submission)
        serial = len(self.submissions)
        parts = range(1, self.parts_of(submission.content) + 1)
        fresh = {part: f"{self.prefix}.{serial}.{part}" for part in parts}
        made = Made(submission, {**fresh, **submission.taken})
        self.made.append(made)
        answer: asyncio.Future[PartsTaken] = asyncio.get_running_loop().create_future()
        self.open.append((made, self.now, answer))
        return await answer


def parts_of(made: Made, upto: int = 9) -> PartsTaken:
    numbers = {part: number for part, number in made.numbers.items() if part <= upto}
    return PartsTaken(numbers, len(made.numbers), tuple(numbers.values()))


# What Partners ask for

texts = st.sampled_from(["short", "long"])
sms = st.builds(
    lambda text, ttl: a_message(type="SMS", content_type=None, text=None, plain_text=text, ttl=ttl),
    texts,
    st.sampled_from([1, 2, 10, 60]),
)


def whatsapp(ttl: int, unit: str) -> MessageRequest:
    return a_message(ttl=ttl, ttl_unit=unit, text="short")


whatsapp_before_another = st.builds(whatsapp, st.sampled_from([30, 90, 3_600]), st.just("SECONDS"))
last_whatsapp = st.just(whatsapp(24, "HOURS"))


rules = st.sampled_from([*Unanswered, Unanswered.RESEND])
outcomes = st.sampled_from([*["taken"] * 7, *["refused", "again", "broken", "part"] * 2, "silence"])
early_words: st.SearchStrategy[Word] = st.sampled_from(["sent", "failed", "delivered"])


class Asked(NamedTuple):
    """A request, as the checks read it and as the reference does."""

    messages: list[MessageRequest]
    goals: list[str]
    hours: tuple[int, int] | None
    deadline_in: int | None
    registered_delivery: int


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    count = draw(st.integers(1, 4))
    before = st.one_of(whatsapp_before_another, sms)
    messages = [draw(before) for _ in range(count - 1)] + [draw(st.one_of(last_whatsapp, sms))]
    goals = draw(
        st.lists(st.sampled_from(["DELIVERED", "READ"]), min_size=count - 1, max_size=count - 1)
    )
    # It is 05:13:20 in Moscow at the start.
    hours = draw(st.sampled_from([*[None] * 4, (300, 320), (300, 1380), (315, 1380), (1320, 314)]))
    deadline = draw(st.sampled_from([*[None] * 4, 45 * SECOND, 10 * MINUTE, DAY]))
    return Asked(messages, goals, hours, deadline, draw(st.sampled_from([1, 1, 2, 0])))


def clock_time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def iso(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds")


class Chains(RuleBasedStateMachine):
    """One gateway, a few chains, and all that happens to them."""

    steps_made = 0

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.database = Database(self.folder / "whimbrel.db")
        self.rows = sqlite3.connect(self.database.path, isolation_level=None).execute
        self.clock = FakeClock()
        self.connectors = (OpenConnector(SENDER, "wamid"), OpenConnector("smsc", "sms"))
        self.models: dict[int, ModelChain] = {}
        self.parked: dict[tuple[str, str], tuple[int, Word, int | None]] = {}
        self.ranks: dict[int, LinkState] = {}
        self.rule = Unanswered.AUTO
        self.numbers_known: dict[str, Made] = {}
        self.run(self._open(first=True))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    # The gateway

    async def _open(self, *, first: bool = False) -> None:
        self.store = SqliteStore(self.database.path)
        if first:
            await add_partners_to(self.store)
        self.journey = Journey(self.store, self.database, self.clock, connectors=self.connectors)
        for line in self.journey.lines.values():
            line.pause = None
        for pause in await self.store.read(paused_senders, None):
            self.line_of(pause.channel).pause = pause
        last = await self.store.read(last_chain_id, None)
        metrics = self.journey.metrics  # to make others takes longer than a step
        self.door = Door(self.store, self.clock, senders=SENDERS, last=last, metrics=metrics)
        await self._configure()

    async def _configure(self) -> None:
        await self.door.configure_quietly(
            cascades=True, message_types=list(Channel), unanswered=self.rule
        )
        self.journey.rules = self.door.partners.unanswered

    def line_of(self, channel: str) -> SenderLine:
        return self.journey.lines[Channel(channel), SENDER]

    def blocked_since(self, channel: str) -> int | None:
        return self.line_of(channel).blocked_since

    @property
    def now(self) -> int:
        return self.clock.moment

    def model_of(self, made: Made) -> tuple[ModelChain, int]:
        chain_id, position = made.place
        return self.models[chain_id], position

    async def _settled(self) -> None:
        """Wait until every submit under way is recorded or waits for its answer."""
        async with asyncio.timeout(20):  # a generous bound: it only ends a test that has failed
            while self._is_busy():  # noqa: ASYNC110 - nobody else could tell
                await asyncio.sleep(0)

    def _is_busy(self) -> bool:
        waiting = sum(len(connector.open) for connector in self.connectors)
        return len(self.journey.dispatcher._submits) > waiting

    # Accept

    @initialize(first=requests(), second=requests(), rule=rules)
    def begin(self, first: Asked, second: Asked, rule: Unanswered) -> None:
        self.want(rule)
        self.accept(first, served=True)
        self.accept(second, served=False)

    @precondition(lambda self: len(self.models) < 4)
    @rule(asked=requests(), served=st.booleans())
    def accept(self, asked: Asked, served: bool) -> None:
        deadline = None if asked.deadline_in is None else self.now + asked.deadline_in
        hours = Hours(*(asked.hours or (0, 24 * 60)), deadline)
        cascade = None
        for goal, message in zip(reversed(asked.goals), reversed(asked.messages), strict=False):
            cascade = CascadeRequest(state=goal, message=message, next_link=cascade)
        schedule = ScheduleRequest(
            time_begin=clock_time(asked.hours[0]) if asked.hours else None,
            time_end=clock_time(asked.hours[1]) if asked.hours else None,
            weekdays=None,
            deadline=None if deadline is None else iso(deadline),
        )
        request = a_request(
            message=asked.messages[0],
            cascade=cascade,
            schedule=schedule,
            registered_delivery=asked.registered_delivery,
        )
        if hours.opening(self.now) is None:
            with pytest.raises(Refusal):
                self.run(self.door.accept(request))
            return
        answer = self.run(self.door.accept(request))
        wanted = [set[int](), {0, 2, 5, 9}, {5}][asked.registered_delivery]
        steps = [
            self._step(message, asked.goals[position] if position < len(asked.goals) else None)
            for position, message in enumerate(asked.messages)
        ]
        self.models[answer.mt_num] = ModelChain(steps, hours, wanted, self.now)
        if served:
            self.dispatch()

    @staticmethod
    def _step(message: MessageRequest, goal: str | None) -> Step:
        unit = {"SECONDS": SECOND, "HOURS": HOUR, None: MINUTE}[message.ttl_unit]
        assert message.ttl
        # Nobody can tell that an SMS was read.
        aim: Any = "delivered" if goal and message.type == "SMS" else goal and goal.lower()
        return Step(message.type, aim, message.ttl * unit)

    @rule(rule=rules)
    def want(self, rule: Unanswered) -> None:
        """The operator changes what becomes of what may have gone."""
        self.rule = rule
        self.run(self._configure())

    @precondition(lambda self: not all(model.is_settled for model in self.models.values()))
    @rule(data=st.data(), serves=st.booleans())
    def cancel(self, data: st.DataObject, serves: bool) -> None:
        """The operator calls a chain off, while something of it may be under way."""
        if serves:
            self.dispatch()
        open_ones = [n for n, model in self.models.items() if not model.is_settled]
        if not open_ones:
            return
        chain_id = data.draw(st.sampled_from(open_ones))
        assert self.run(self._cancel(chain_id)) == self.models[chain_id].cancelled()

    async def _cancel(self, chain_id: int) -> list[int]:
        told = await self.store.write(cancel_chains, Cancellation(chain_id, self.now))
        return [one.link_id & 15 for one in told or () if one.is_new]

    # Dispatch

    @rule()
    def dispatch(self) -> None:
        before = [len(connector.made) for connector in self.connectors]
        resting = {channel: self.blocked_since(channel) is not None for channel in Channel}
        for _ in range(3):  # one that is put back may be due again at once
            self.run(self.journey.dispatcher.step())
            self.run(self._settled())
        for connector, count in zip(self.connectors, before, strict=True):
            for made in connector.made[count:]:
                self._goes(made)
        self._put_back(resting)
        for channel, rests in resting.items():
            if not rests:
                assert not list(self._eligible(channel)), "a link that might have gone did not"

    def _goes(self, made: Made) -> None:
        model, position = self.model_of(made)
        step = model.steps[position]
        assert model.may_go(position, self.now)
        assert model.hours.are_open(self.now)
        assert not any(before.reached_its_goal for before in model.steps[:position])
        assert made.submission.attempt == step.attempt + 1
        assert dict(made.submission.taken) == {n: number for n, (number, _) in step.parts.items()}
        model.goes(position, self.now, LEASE)

    def _put_back(self, resting: dict[Channel, bool]) -> None:
        """Those whose hours have closed; of a sender that rests only its probe may be one."""
        for channel in Channel:
            for chain_id, position in list(self._eligible(channel)):
                if not self.models[chain_id].hours.are_open(self.now):
                    link = self.database.link(chain_id, position)
                    if not resting[channel] or link["attempted_at"] == self.now:
                        self.models[chain_id].put_back(position, self.now)

    def _eligible(self, channel: str) -> Iterator[tuple[int, int]]:
        for chain_id, model in self.models.items():
            for position, step in enumerate(model.steps):
                if step.channel == channel and model.may_go(position, self.now):
                    yield chain_id, position

    def _is_open(self) -> bool:
        return any(connector.open for connector in self.connectors)

    @rule(data=st.data())
    def serve(self, data: st.DataObject) -> None:
        """Dispatch, answer all that is under way then, and tell what became of some of it."""
        self.dispatch()
        for connector in self.connectors:
            while connector.open:
                self._answer(connector, 0, data.draw(outcomes))
        if self._made:
            self._file(data.draw(st.lists(self._words(), max_size=2)))

    @precondition(lambda self: not all(model.is_settled for model in self.models.values()))
    @rule(times=st.sampled_from([1, 2, MOST_COPIES + 1, MOST_COPIES + 1]))
    def hear_nothing(self, times: int) -> None:
        """Whatever goes is never answered, and one grace after the other ends."""
        for _ in range(times):
            self.dispatch()
            for connector in self.connectors:
                while connector.open:
                    self._answer(connector, 0, "silence")
            self._go_to(self.now + GRACE)
            self.timers()

    @precondition(_is_open)
    @rule(data=st.data(), outcome=outcomes)
    def answer(self, data: st.DataObject, outcome: str) -> None:
        connector = data.draw(st.sampled_from([one for one in self.connectors if one.open]))
        index = data.draw(st.integers(0, len(connector.open) - 1))
        self._answer(connector, index, outcome)

    def _answer(self, connector: OpenConnector, index: int, outcome: str) -> None:
        made, _, future = connector.open.pop(index)
        model, position = self.model_of(made)
        attempt, now = made.submission.attempt, self.now
        kept: PartsTaken | None = None
        match outcome:
            case "taken":
                kept = parts_of(made)
                future.set_result(kept)
                news = model.taken(position, attempt, now)
            case "refused":
                future.set_exception(a_fault(F.REFUSED))
                news = model.refused(position, attempt)
            case "again":
                future.set_exception(a_fault(F.RETRY, pause=5 * SECOND))
                news = model.not_sent(position, attempt, now + 5 * SECOND)
            case "part" if len(made.numbers) > 1:
                kept = parts_of(made, upto=1)
                future.set_exception(a_fault(F.RETRY, pause=5 * SECOND, taken=kept))
                news = model.not_sent(position, attempt, now + 5 * SECOND)
            case "broken":
                future.set_exception(a_fault(F.SENDER_BROKEN))
                news = model.sender_broken(position, attempt, now)
            case _:
                future.set_exception(a_fault(F.NO_ANSWER))
                news = model.no_answer(position, attempt, now + GRACE)
        self.run(self._settled())
        if news:
            model.go_on(now)
        if kept is not None:
            self._known(made, kept)
        self.a_links_rank_never_falls_but_by_the_legal_moves()

    def _known(self, made: Made, kept: PartsTaken) -> None:
        """Numbers are known from now on: receipts may have waited for them."""
        model, position = self.model_of(made)
        step = model.steps[position]
        if kept.parts > 1:
            for part, number in kept.provider_ids.items():
                step.parts.setdefault(part, (number, "taken"))
        waiting = sorted(
            (at, S[word.upper()], number, word, again_in)
            for (number, _), (at, word, again_in) in self.parked.items()
            if number in kept.known_as
        )
        self.numbers_known.update(dict.fromkeys(kept.known_as, made))
        for *_, number, word, _ in waiting:
            del self.parked[number, word]
        news_at = None
        for at, _, number, word, again_in in waiting:
            if self._hear(made, number, word, at, again_in):
                news_at = at
        if news_at is not None:
            model.go_on(news_at)

    # Receipts

    @property
    def _made(self) -> list[Made]:
        """Every submit that was ever begun, the last one first."""
        return [one for connector in self.connectors for one in connector.made][::-1]

    @property
    def _overtaken(self) -> list[Made]:
        return [made for made in self._made if self._next_word(made) in UNDER_WAY]

    def _next_word(self, made: Made) -> Word | None:
        model, position = self.model_of(made)
        return model.steps[position + 1].word if position + 1 < len(model.steps) else None

    @precondition(lambda self: self._made)
    @rule(data=st.data(), about_one=st.booleans(), together=st.booleans())
    def receive(self, data: st.DataObject, about_one: bool, together: bool) -> None:
        """File one to four receipts, in any order."""
        told = data.draw(st.lists(self._words(), min_size=1, max_size=4))
        if about_one:
            told = [(told[0][0], *words) for _, *words in told]
        for group in [told] if together else [[one] for one in told]:
            self._file(group)

    @precondition(lambda self: self._overtaken)
    @rule(data=st.data(), word=st.sampled_from(["delivered", "read", "failed"]))
    def receive_late(self, data: st.DataObject, word: Word) -> None:
        """A word about a link after which another one has had its turn, and may be on its way."""
        self.dispatch()
        made = data.draw(st.sampled_from(self._overtaken))
        self._file([(made, 1, word, True, False)])

    @property
    def _with_the_channel(self) -> list[Made]:
        words = [(made, *self.model_of(made)) for made in self.connectors[0].made]
        return [made for made, model, n in words if model.steps[n].word in {"taken", "sent"}]

    @precondition(lambda self: self._with_the_channel)
    @rule(
        data=st.data(),
        tried_again=st.booleans(),
        then=st.lists(st.sampled_from(["sent", "failed", "read"]), max_size=2),
    )
    def give_back(self, data: st.DataObject, tried_again: bool, then: list[Word]) -> None:
        """What the channel took comes back to be tried again, and more is heard of it."""
        made = data.draw(st.sampled_from(self._with_the_channel))
        self._file([(made, 1, "failed", True, True)])
        if tried_again:
            self._go_to(self.now + MINUTE)
            self.dispatch()
        for word in then:
            self._file([(made, 1, word, True, False)])

    @precondition(_is_open)
    @rule(data=st.data(), told=st.lists(st.tuples(st.integers(1, 2), early_words), max_size=3))
    def hear_early(self, data: st.DataObject, told: list[tuple[int, Word]]) -> None:
        """Receipts overtake the answer of their submit, and bear the channel's number alone."""
        connector = data.draw(st.sampled_from([one for one in self.connectors if one.open]))
        made, _, _ = connector.open[0]
        self._file([(made, part, word, False, False) for part, word in told])
        self._answer(connector, 0, "taken")

    @property
    def _unread(self) -> list[tuple[Made, Step]]:
        """What the channel has, and what ought to be read."""
        steps = [
            (made, model.steps[n]) for made in self._made for model, n in [self.model_of(made)]
        ]
        return [(made, one) for made, one in steps if one.goal == "read" and one.word in UNDER_WAY]

    @precondition(lambda self: self._unread)
    @rule(data=st.data(), off=st.sampled_from([-1, 0, 1]))
    def leave_unread(self, data: st.DataObject, off: int) -> None:
        """It is delivered, and nobody reads it until its lifetime is over."""
        made, step = data.draw(st.sampled_from(self._unread))
        self._file([(made, 1, "delivered", True, False)])
        assert step.end is not None
        self._go_to(max(self.now, step.end + off))
        self.release()

    @precondition(lambda self: self._made)
    @rule(data=st.data(), times=st.integers(2, 10), apart=st.booleans())
    def receive_doubled(self, data: st.DataObject, times: int, apart: bool) -> None:
        told = data.draw(self._words())
        if apart:
            for _ in range(times):
                self._file([told])
        else:
            self._file([told] * times)

    def _words(self) -> st.SearchStrategy[tuple[Made, int, Word, bool, bool]]:
        """A submit, which part of it, the channel's word, by echo or by number, worth a retry."""
        words: list[Word] = ["sent", "failed", "delivered", "delivered", "read"]
        return st.tuples(
            st.sampled_from(self._made),
            st.integers(1, 2),
            st.sampled_from(words),
            st.booleans(),
            st.booleans(),
        )

    def _file(self, told: list[tuple[Made, int, Word, bool, bool]]) -> None:
        receipts: list[Receipt] = []
        touched: dict[int, bool] = {}
        for made, part, spoken, by_echo, again in told:
            is_sms = made.channel == "sms"
            word: Word = "delivered" if is_sms and spoken == "read" else spoken
            number = made.numbers.get(part, made.numbers[1])
            echo = by_echo and not is_sms
            again_in = MINUTE if again and word == "failed" and not is_sms else None
            receipts.append(
                a_receipt(
                    RECEIPTS[word],
                    provider_id=number,
                    at=self.now,
                    retry_pause=again_in,
                    **(
                        {"link_id": made.submission.link_id, "attempt": made.submission.attempt}
                        if echo
                        else {}
                    ),
                )
            )
            owner = made if echo else self.numbers_known.get(number)
            if owner is None:
                self.parked[number, word] = (self.now, word, again_in)
            else:
                news = self._hear(owner, number, word, self.now, again_in)
                chain_id, _ = owner.place
                touched[chain_id] = touched.get(chain_id, False) or news
        self.run(self.journey.ingest.file(receipts))
        for chain_id, news in touched.items():
            if news:
                self.models[chain_id].go_on(self.now)
        self.a_links_rank_never_falls_but_by_the_legal_moves()

    def _hear(self, made: Made, number: str, word: Word, at: int, again_in: int | None) -> bool:
        model, position = self.model_of(made)
        step = model.steps[position]
        for part, (known, _) in step.parts.items():
            if known == number:
                return model.hear_of_part(position, part, word, at, len(made.numbers))
        return model.hear(position, made.submission.attempt, word, at, again_in)

    # Time

    @rule()
    def timers(self) -> None:
        self.run(self.journey.timers.step())
        for model in self.models.values():
            model.time_over(self.now)
            model.patience_over(self.now, GRACE, self.rule)
        self.a_links_rank_never_falls_but_by_the_legal_moves()

    @rule()
    def release(self) -> None:
        self.run(self.journey.cascade.release())
        for model in self.models.values():
            model.go_on(self.now)

    @rule()
    def bypass(self) -> None:
        before = self.now - PATIENCE
        for channel in Channel:
            since = self.blocked_since(channel)
            if since is not None and since <= before:
                for model in self.models.values():
                    model.blocked(channel, before, self.now)
        self.run(self.journey.cascade.bypass())

    @rule()
    def sweep(self) -> None:
        self.run(self.journey.timers.sweep())

    @rule(step=st.sampled_from([1, *[SECOND, 5 * SECOND, 20 * SECOND, MINUTE] * 3, HOUR, DAY]))
    def oversleep(self, step: int) -> None:
        """Time passes, and the gateway does nothing."""
        self._go_to(self.now + step)

    @rule(data=st.data(), off=st.sampled_from([-1, 0, 0, 1]), serves=st.booleans())
    def wait_for_something(self, data: st.DataObject, off: int, serves: bool) -> None:
        """Be busy, then go to a moment at which something is due, or a millisecond beside it."""
        if serves:
            self.serve(data)
        else:
            self.dispatch()
        moments = sorted({one + off for one in self._moments() if one + off > self.now})
        if moments:
            self._go_to(data.draw(st.sampled_from(moments[:3])))
        self.timers()
        self.release()
        self.bypass()

    def _moments(self) -> list[int]:
        steps = [step for model in self.models.values() for step in model.steps]
        moments = {step.end for step in steps} | {step.patience for step in steps}
        moments |= {step.due for step in steps} | {step.due + PATIENCE for step in steps}
        for line in self.journey.lines.values():
            if line.blocked_since is not None:
                moments.add(line.blocked_since + PATIENCE)
            if line.pause is not None:
                moments.add(line.pause.paused_until)
        return [moment for moment in moments if moment]

    def _go_to(self, moment: int) -> None:
        self.clock.moment = moment
        for connector in self.connectors:
            connector.now = moment
            for index in reversed(range(len(connector.open))):
                if connector.open[index][1] + TIMEOUT <= moment:
                    self._answer(connector, index, "silence")

    @rule(channel=st.sampled_from(Channel), comes_up=st.sampled_from([True, True, False]))
    def turn(self, channel: Channel, comes_up: bool) -> None:
        """The channel's connection comes up, or goes down."""
        connector = self.connectors[list(Channel).index(channel)]
        if comes_up:
            connector.blocked_since = None
        elif connector.blocked_since is None:
            connector.blocked_since = self.now

    # The process dies

    @rule()
    def crash(self) -> None:
        self.run(self._crash())
        for model in self.models.values():
            model.restarted(self.now, GRACE)
            model.fall_throughs = 0
            model.decided.clear()

    async def _crash(self) -> None:
        """Lose all that is in memory, with every answer that had not been recorded."""
        submits = list(self.journey.dispatcher._submits)
        for task in submits:
            task.cancel()
        await asyncio.gather(*submits, return_exceptions=True)
        for connector in self.connectors:
            connector.open.clear()
        self.door.gatekeeper.close()
        await self.store.close()
        await self._open()
        await self.journey.recover()

    # What must hold after each step

    @invariant()
    def the_store_says_what_the_reference_says(self) -> None:
        type(self).steps_made += 1
        sql = "SELECT link_id, state, attempt, due_at, expires_at FROM links ORDER BY link_id"
        rows = self.rows(sql)
        known = {link_id: row for link_id, *row in rows}
        for chain_id, model in self.models.items():
            for position, step in enumerate(model.steps):
                state, attempt, due_at, expires_at = known.pop(chain_id << 4 | position)
                assert (WORDS[LinkState(state)], attempt) == (step.word, step.attempt)
                if step.word == "ready":
                    assert due_at == step.due
                if step.word in {"ready", "unsure", "taken", "sent"}:
                    assert expires_at == step.end
        assert not known, "a request that was refused is stored"

    @invariant()
    def a_links_rank_never_falls_but_by_the_legal_moves(self) -> None:
        """Also inside a step, wherever another move may follow."""
        for link_id, number in self.rows("SELECT link_id, state FROM links"):
            state, before = LinkState(number), self.ranks.get(link_id)
            if before is not None and state < before:
                assert state is S.QUEUED
                assert before in MAY_FALL
            self.ranks[link_id] = state

    @invariant()
    def every_report_that_is_owed_is_there_once_and_in_order(self) -> None:
        sql = "SELECT chain_id, link_id & 15, status FROM reports ORDER BY chain_id, report_id"
        rows = groupby(self.rows(sql), key=lambda row: row[0])
        reports = {chain_id: [row[1:] for row in of_chain] for chain_id, of_chain in rows}
        for chain_id, model in self.models.items():
            assert reports.get(chain_id, []) == model.reports
            for position, step in enumerate(model.steps):
                assert len(set(step.told)) == len(step.told), position

    @invariant()
    def every_fall_through_is_counted(self) -> None:
        # The registry would collect every metric anew for each.
        counted = sum(
            self.journey.metrics.fall_throughs.labels(reason)._value.get()
            for reason in ("failed", "expired", "unread", "blocked")
        )
        assert counted == sum(model.fall_throughs for model in self.models.values())

    @invariant()
    def what_may_have_gone_twice_is_counted_and_bounded(self) -> None:
        metrics = self.journey.metrics
        for metric, what in ((metrics.resubmits, "again"), (metrics.given_up, "failed")):
            counted = sum(child._value.get() for child in metric._metrics.values())
            assert counted == sum(model.decided[what] for model in self.models.values())
        silent = self.rows(
            "SELECT count(*) FROM submits s WHERE outcome = 'no answer' AND NOT EXISTS (SELECT 1"
            " FROM receipts r WHERE r.link_id = s.link_id AND r.attempt = s.attempt)"
            " GROUP BY link_id"
        )
        assert max((count for (count,) in silent), default=0) <= MOST_COPIES

    # The end of time

    def teardown(self) -> None:
        try:
            self._let_time_run_out()
        finally:
            self.run(self._close())
            self.loop.close()
            shutil.rmtree(self.folder)

    def _let_time_run_out(self) -> None:
        for _ in range(40):
            if all(model.is_settled for model in self.models.values()):
                return
            self._go_to(self.now + 2 * DAY)
            self.timers()
            self.release()
            self.dispatch()
            self.the_store_says_what_the_reference_says()
        raise AssertionError("a chain is stuck")

    async def _close(self) -> None:
        submits = list(self.journey.dispatcher._submits)
        for task in submits:
            task.cancel()
        await asyncio.gather(*submits, return_exceptions=True)
        self.door.gatekeeper.close()
        await self.store.close()


@pytest.mark.timeout(300)
def test_the_stages_do_what_the_reference_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        password_checks, "password_is_right", lambda kept, password: kept == stored(password)
    )
    Chains.steps_made = 0
    run_state_machine_as_test(
        Chains,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{Chains.steps_made} steps")
    assert Chains.steps_made >= 10_000
