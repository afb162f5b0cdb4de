"""One account of a message: in order, each event once, and without a word of presentation."""

from tests.support import builders
from tests.support.builders import SENDER, a_cascade, a_chain, accept, answer, claim
from tests.support.clock import START
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.chain import Again, Named, Refused, Taken
from whimbrel.domain.content import Channel, Text
from whimbrel.domain.schedule import Schedule
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.flow.happenings import Accepted, Ended, Owed, Received, Submitted
from whimbrel.flow.narrative import Narrative, narrate
from whimbrel.flow.next_steps import Next
from whimbrel.store.cancelling import Cancellation, cancel_chains
from whimbrel.store.history import tell_stories
from whimbrel.store.senders import SenderPause, pause_senders
from whimbrel.store.sqlite import SqliteStore
from whimbrel.store.timers import Blockade, bypass_links, expire_links

S = LinkState
NOW = START + MINUTE


async def told(store: SqliteStore, **lines: str) -> Narrative:
    story = await store.read(tell_stories, 1)
    assert story is not None
    return narrate(story, NOW, {(Channel.SMS, sender): name for sender, name in lines.items()})


async def test_events_are_in_order_and_have_names_of_their_own(store: SqliteStore) -> None:
    await accept(store, a_chain(request_id="r-1"))
    await claim(store)
    await answer(store, Again(1, START + 1, START + SECOND))
    await claim(store, now=START + SECOND)
    await answer(store, Taken(2, START + SECOND + 1, "wamid.1"))
    for state, at in ((S.SENT, 2), (S.DELIVERED, 3), (S.READ, 4)):
        receipt = builders.an_echo(state, attempt=2, at=START + at * SECOND)
        await builders.receive(store, receipt, at=START + at * SECOND)

    narrative = await told(store)

    kinds = [type(event.what) for event in narrative.events]
    assert kinds == [
        Accepted,
        Submitted,
        Submitted,
        Owed,
        *(Received,),
        *(Received, Owed),
        *(Received, Owed),
    ]
    moments = [event.at for event in narrative.events]
    assert moments == sorted(moments)
    keys = [event.key for event in narrative.events]
    assert len(set(keys)) == len(keys)
    assert keys[:3] == ["accepted", "submit-0-1", "submit-0-2"]
    assert narrative.events[0].position is None
    assert {event.position for event in narrative.events[1:]} == {0}
    assert narrative.standing is S.READ
    assert not narrative.is_over  # its reports are open


async def test_an_end_without_a_word_of_the_channel_is_an_event(store: SqliteStore) -> None:
    await accept(store, a_cascade({"ttl": HOUR}, {"channel": Channel.SMS}))
    await store.write(expire_links, START + HOUR)
    await store.write(cancel_chains, Cancellation(1, START + HOUR + 1))
    narrative = await told(store)
    ends = [(event.position, event.what) for event in narrative.events if event.key[:3] == "end"]
    assert ends == [
        (0, Ended(S.EXPIRED, ErrorCode.TIMEOUT)),
        (1, Ended(S.CANCELLED, ErrorCode.FILTERED)),
    ]
    assert not narrative.can_cancel


async def test_what_was_given_up_is_an_event_unless_the_channel_said_it(
    store: SqliteStore,
) -> None:
    await accept(store, a_cascade({"ttl": HOUR}, {"channel": Channel.SMS}))
    await store.write(bypass_links, Blockade(builders.a_lane(), START, START + 1))
    [end] = [event.what for event in (await told(store)).events if event.key == "end-0"]
    assert end == Ended(S.FAILED, ErrorCode.UNROUTED)
    await claim(store, lane=builders.SMS_LANE, now=START + 1)
    await answer(store, Refused(1, START + 2, ErrorCode.CALL_BARRED), position=1)
    assert "end-1" not in [event.key for event in (await told(store)).events]


async def test_what_was_named_and_what_was_not(store: SqliteStore) -> None:
    named = Named.SENDER | Named.LIFETIME
    await accept(store, a_cascade({"named": named}, {"named": Named.NOTHING}, {}))
    assert [step.named for step in (await told(store)).steps] == [named, Named.NOTHING, None]


async def test_the_first_opening_is_that_of_its_hours(store: SqliteStore) -> None:
    hours = Schedule(begins=10 * HOUR, ends=20 * HOUR)  # it is 05:13:20 in Moscow
    await accept(store, a_chain(schedule=hours.to_json()))
    narrative = await told(store)
    assert narrative.hours is not None
    assert narrative.hours.opened_at == START + 4 * HOUR + 46 * MINUTE + 40 * SECOND


async def test_an_sms_waits_for_its_account(store: SqliteStore) -> None:
    link = {"channel": Channel.SMS, "content": Text("ж" * 71)}
    await accept(store, a_chain(link=link))
    pause = SenderPause(Channel.SMS, "main", START, NOW + HOUR, 0, "no connection", START)
    await store.write(pause_senders, pause)
    [step] = (await told(store, **{SENDER: "main"})).steps
    assert (step.outlook.next, step.outlook.pause) == (Next.SENDER, pause)
    assert step.parts_needed == 2
    [elsewhere] = (await told(store, **{SENDER: "other"})).steps
    assert elsewhere.outlook.pause is None


async def test_where_a_chain_stands_as_a_whole(store: SqliteStore) -> None:
    await accept(store, a_cascade())
    assert (await told(store)).standing is S.QUEUED
    await claim(store)
    await answer(store, Refused(1, START, ErrorCode.CALL_BARRED))
    assert (await told(store)).standing is S.QUEUED  # the SMS
    await store.write(cancel_chains, Cancellation(1, START + DAY))
    assert (await told(store)).standing is S.CANCELLED
