"""Links that may have gone, and of which nothing is heard: decision 16, `pains.md`, 4."""

from typing import Any, NamedTuple

import pytest

from tests.flow.rig import GRACE, LEASE, Journey, a_fault
from tests.support.builders import (
    A_CODE,
    PARTNER_ID,
    SUBSCRIBER,
    Database,
    a_cascade,
    a_chain,
    a_partner,
    a_receipt,
    accept,
    an_echo,
)
from whimbrel.channels.connector import LateAnswer, Submission, SubmitFault
from whimbrel.clock import DAY, SECOND
from whimbrel.domain.chain import PartsTaken
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.content import Channel, Text
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.domain.unanswered import MOST_SILENT, SHORT_LIFETIME, Unanswered
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.store.partners import PartnerChange, change_partners, remove_partners
from whimbrel.store.sqlite import SqliteStore

S, F, U = LinkState, SubmitFault, Unanswered
SMS = {"channel": Channel.SMS}
LONG_SMS = {**SMS, "content": Text("x" * 400)}  # three parts
ONE_TAKEN = PartsTaken({1: "sms.1"}, 3, ("sms.1",))
SILENCE = a_fault(F.NO_ANSWER)
NO_NUMBER = a_receipt(S.DELIVERED, provider_id="17", subscriber=SUBSCRIBER)


async def go(journey: Journey, **link: Any) -> None:
    """Let one message go that is never answered, whatever is tried."""
    journey.connector.usual_fault = journey.sms.usual_fault = SILENCE
    await accept(journey.store, a_chain(link=link))
    await journey.dispatch()


async def wait(journey: Journey, milliseconds: int = GRACE) -> None:
    """Let time pass, then the timers and the dispatcher do what is due."""
    journey.clock.advance(milliseconds)
    await journey.timers.step()
    await journey.dispatch()


def die(_: Submission) -> None:
    raise RuntimeError("nothing of it is recorded")


def submits(journey: Journey) -> int:
    return len(journey.connector.submissions) + len(journey.sms.submissions)


def counted(journey: Journey, name: str) -> dict[tuple[str, ...], float]:
    """A counter's values by its labels."""
    metric = getattr(journey.metrics, name)
    return {labels: child._value.get() for labels, child in metric._metrics.items()}


class Case(NamedTuple):
    """What Partners want, a link's lifetime, and what is decided for which reason."""

    rules: dict[int, Unanswered]
    ttl: int
    again: bool
    why: str


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize(
    "case",
    [
        Case({}, SHORT_LIFETIME, True, "short"),
        Case({}, SHORT_LIFETIME + 1, False, "long"),
        Case({}, DAY, False, "long"),
        Case({PARTNER_ID: U.RESEND}, DAY, True, "wanted"),
        Case({PARTNER_ID: U.FAIL}, A_CODE["ttl"], False, "unwanted"),
        Case({PARTNER_ID + 1: U.RESEND}, DAY, False, "long"),
    ],
)
async def test_it_goes_again_or_fails_as_its_partner_and_its_lifetime_say(
    journey: Journey, database: Database, channel: Channel, case: Case
) -> None:
    journey.rules = case.rules
    await go(journey, channel=channel, ttl=case.ttl)
    await wait(journey, GRACE - 1)
    assert (database.state(), submits(journey), database.told()) == (S.UNSURE, 1, [])
    journey.woken.clear()
    await wait(journey, 1)
    once = {(channel, case.why): 1.0}
    if case.again:
        assert (database.state(), submits(journey), database.told()) == (S.UNSURE, 2, [])
        assert (counted(journey, "resubmits"), counted(journey, "given_up")) == (once, {})
        assert journey.woken["dispatch"]
    else:
        assert (database.state(), submits(journey), database.told()) == (S.FAILED, 1, [5])
        assert database.link()["error_code"] == ErrorCode.UNKNOWN
        assert (counted(journey, "resubmits"), counted(journey, "given_up")) == ({}, once)
        assert journey.woken["reports"]


@pytest.mark.parametrize("link", [A_CODE, {**A_CODE, **SMS}], ids=["WhatsApp", "SMS"])
@pytest.mark.parametrize("rule", [U.AUTO, U.RESEND])
async def test_a_channel_that_takes_all_and_says_nothing_has_three_copies_at_the_most(
    journey: Journey, database: Database, link: dict[str, Any], rule: Unanswered
) -> None:
    journey.rules = {PARTNER_ID: rule}
    await go(journey, **link)
    for _ in range(2 * MOST_SILENT):
        await wait(journey)
    assert submits(journey) == MOST_SILENT == 3
    assert (database.state(), database.told()) == (S.FAILED, [5])
    assert sum(counted(journey, "resubmits").values()) == 2
    [(_, reason)] = counted(journey, "given_up")
    assert reason == "spent"


async def test_what_surely_did_not_go_is_no_copy(journey: Journey, database: Database) -> None:
    """Refusals for now, however many, use up nothing."""
    busy = a_fault(F.RETRY, pause=SECOND)
    journey.connector.script.extend([SILENCE, *[busy] * 5, SILENCE, *[busy] * 5])
    await accept(journey.store, a_chain(link={"ttl": DAY}))
    journey.rules = {PARTNER_ID: U.RESEND}
    await journey.dispatch()
    for _ in range(2):
        await wait(journey)
        for _ in range(5):
            await wait(journey, SECOND)
    assert (submits(journey), database.state()) == (13, S.SUBMITTED)


async def test_a_submit_that_a_receipt_gave_back_is_no_copy(
    journey: Journey, database: Database
) -> None:
    """It was heard of: it did not arrive."""
    await go(journey, **A_CODE)
    for attempt in range(1, 6):
        back = an_echo(S.FAILED, attempt=attempt, retry_pause=SECOND)
        await journey.ingest.file([back])
        await wait(journey, SECOND)
    assert (submits(journey), database.state()) == (6, S.UNSURE)
    await wait(journey)
    assert submits(journey) == 7


# Receipts about the end of the grace


@pytest.mark.parametrize("rule", U)
@pytest.mark.parametrize(("channel", "receipt"), [
    (Channel.WHATSAPP, an_echo(S.DELIVERED)), (Channel.SMS, NO_NUMBER)
])  # fmt: skip
async def test_a_receipt_just_before_the_end_settles_it(
    journey: Journey, database: Database, rule: Unanswered, channel: Channel, receipt: Any
) -> None:
    journey.rules = {PARTNER_ID: rule}
    await go(journey, channel=channel)
    journey.clock.advance(GRACE - 1)
    await journey.ingest.file([receipt])
    await wait(journey, 1)
    await wait(journey, DAY)
    assert (database.state(), submits(journey)) == (S.DELIVERED, 1)
    assert database.told() == [0, 2]
    assert (counted(journey, "resubmits"), counted(journey, "given_up")) == ({}, {})


@pytest.mark.parametrize(("state", "told"), [(S.SENT, [5]), (S.DELIVERED, [5, 2])])
async def test_after_it_a_delivery_is_told_and_takes_the_failure_back(
    journey: Journey, database: Database, state: LinkState, told: list[int]
) -> None:
    """That it left the channel is no news of a message that failed: it may yet not arrive."""
    await go(journey)
    await wait(journey)
    await journey.ingest.file([an_echo(state)])
    assert (database.told(), submits(journey)) == (told, 1)
    assert journey.count("late_deliveries_total") == len(told) - 1


async def test_after_it_a_receipt_that_overtakes_the_dispatcher_still_stops_a_copy(
    journey: Journey, database: Database
) -> None:
    await go(journey, **A_CODE)
    journey.clock.advance(GRACE)
    await journey.timers.step()
    await journey.ingest.file([an_echo(S.SENT)])
    await journey.dispatch()
    assert (database.state(), submits(journey)) == (S.SENT, 1)


async def test_a_late_answer_after_the_failure_brings_the_number_for_the_receipt(
    journey: Journey, database: Database
) -> None:
    await go(journey, **SMS)
    await wait(journey)
    late = LateAnswer(link_id(1, 0), 1, journey.clock.now(), PartsTaken({1: "17"}, 1, ("17",)))
    await journey.dispatcher.answered_late(late)
    assert (database.state(), database.told()) == (S.FAILED, [5])
    await journey.ingest.file([NO_NUMBER])
    assert (database.state(), database.told()) == (S.DELIVERED, [5, 2])


# After a crash


@pytest.mark.parametrize("rule", U)
async def test_what_a_crash_cut_off_follows_the_same_rule(
    journey: Journey, database: Database, rule: Unanswered
) -> None:
    journey.connector.watch = die
    await accept(journey.store, a_chain(link={"ttl": DAY}))
    await journey.dispatch()
    journey.connector.watch = lambda _: None
    again = Journey(
        journey.store, database, journey.clock, connectors=(journey.connector, journey.sms)
    )
    again.rules = {PARTNER_ID: rule}
    await again.recover()
    assert again.count("interrupted_submits_total") == 1
    await wait(again)
    if rule is U.RESEND:
        assert (database.state(), submits(again)) == (S.SUBMITTED, 2)
    else:
        assert (database.state(), submits(again), database.told()) == (S.FAILED, 1, [5])


async def test_a_lost_lease_is_counted_and_follows_the_rule(
    journey: Journey, database: Database
) -> None:
    journey.connector.watch = die
    await accept(journey.store, a_chain())
    await journey.dispatch()
    await wait(journey, LEASE)
    assert (database.state(), journey.count("interrupted_submits_total")) == (S.UNSURE, 1)
    await wait(journey)
    assert database.state() is S.FAILED


# SMS


async def test_parts_that_were_taken_do_not_go_again_with_the_others(
    journey: Journey, database: Database
) -> None:
    journey.rules = {PARTNER_ID: U.RESEND}
    journey.sms.script.append(a_fault(F.NO_ANSWER, taken=ONE_TAKEN))
    await accept(journey.store, a_chain(link=LONG_SMS))
    await journey.dispatch()
    await wait(journey)
    first, second = journey.sms.submissions
    assert (dict(first.taken), dict(second.taken)) == ({}, {1: "sms.1"})
    assert database.state() is S.SUBMITTED


async def test_a_long_sms_of_which_a_part_is_unanswered_fails_whole(
    journey: Journey, database: Database
) -> None:
    journey.sms.script.append(a_fault(F.NO_ANSWER, taken=ONE_TAKEN))
    await accept(journey.store, a_chain(link=LONG_SMS))
    await journey.dispatch()
    await wait(journey)
    await journey.ingest.file([a_receipt(S.DELIVERED, provider_id="sms.1")])
    assert (database.state(), database.told(), submits(journey)) == (S.FAILED, [5], 1)
    # The answers come after all, and with them what the receipts mean.
    names = {1: "sms.1", 2: "sms.2", 3: "sms.3"}
    taken = PartsTaken(names, 3, tuple(names.values()))
    late = LateAnswer(link_id(1, 0), 1, journey.clock.now(), taken)
    await journey.dispatcher.answered_late(late)
    parts = [a_receipt(S.DELIVERED, provider_id=names[part]) for part in (2, 3)]
    await journey.ingest.file(parts)
    assert (database.state(), database.told()) == (S.DELIVERED, [5, 2])


@pytest.mark.parametrize(("rule", "told"), [(U.AUTO, [5]), (U.RESEND, [])])
async def test_of_two_to_one_subscriber_no_receipt_tells_which(
    journey: Journey, database: Database, rule: Unanswered, told: list[int]
) -> None:
    journey.rules = {PARTNER_ID: rule}
    journey.sms.usual_fault = SILENCE
    await accept(journey.store, a_chain(1, link=SMS), a_chain(2, link=SMS))
    await journey.dispatch()
    await journey.ingest.file([NO_NUMBER])
    await wait(journey)
    assert [database.told(number) for number in (1, 2)] == [told, told]
    assert submits(journey) == (2 if rule is U.AUTO else 4)


# Cascades


@pytest.mark.parametrize("first", [{}, SMS], ids=["WhatsApp", "SMS"])
async def test_the_next_one_goes_at_once_when_one_has_failed_so(
    journey: Journey, database: Database, first: dict[str, Any]
) -> None:
    journey.connector.script.append(SILENCE)
    journey.sms.script.append(SILENCE)
    behind = {} if first else SMS
    await accept(journey.store, a_cascade({"ttl": DAY, **first}, behind))
    await journey.dispatch()
    await wait(journey, GRACE - 1)
    assert database.states() == [S.UNSURE, S.HELD]
    await wait(journey, 1)
    assert database.states()[0] is S.FAILED
    assert submits(journey) == 2
    assert journey.count("cascade_fall_throughs_total", reason="failed") == 1
    assert database.told_by_link()[0] == (0, 5)


async def test_a_delivery_of_it_after_that_is_told_and_stops_what_it_can(
    journey: Journey, database: Database
) -> None:
    journey.connector.script.append(SILENCE)
    await accept(journey.store, a_cascade({"ttl": DAY}, SMS))
    await journey.dispatch()
    journey.clock.advance(GRACE)
    await journey.timers.step()
    assert database.states() == [S.FAILED, S.QUEUED]
    await journey.ingest.file([an_echo(S.DELIVERED)])
    await journey.dispatch()
    assert database.states() == [S.DELIVERED, S.SPARED]
    assert database.told_by_link() == [(0, 5), (0, 2)]
    assert journey.sms.submissions == []


@pytest.mark.parametrize("rule", U)
async def test_one_behind_what_has_arrived_is_neither_sent_nor_called_undelivered(
    journey: Journey, database: Database, rule: Unanswered
) -> None:
    journey.rules = {PARTNER_ID: rule}
    journey.sms.usual_fault = SILENCE
    journey.connector.script.append(a_fault(F.REFUSED))
    await accept(journey.store, a_cascade({"ttl": DAY}, SMS))
    await journey.dispatch()
    await journey.dispatch()
    await journey.ingest.file([an_echo(S.DELIVERED)])
    await wait(journey)
    assert database.states() == [S.DELIVERED, S.SPARED]
    assert database.told_by_link() == [(0, 5), (0, 2)]
    assert (counted(journey, "resubmits"), counted(journey, "given_up")) == ({}, {})


# The Partner's rule reaches the timers


async def test_a_changed_rule_is_followed_and_outlives_its_partner(
    journey: Journey, store: SqliteStore
) -> None:
    partners = PartnerDirectory(store)
    await partners.refresh()
    assert partners.unanswered == {}
    for rule in (U.RESEND, U.FAIL):
        change = PartnerChange(a_partner(unanswered=rule), journey.clock.now())
        await store.write(change_partners, change)
        await partners.refresh()
        assert partners.unanswered == {PARTNER_ID: rule}
    await store.write(remove_partners, PartnerChange(a_partner(), journey.clock.now()))
    await partners.refresh()
    assert partners.unanswered == {PARTNER_ID: U.FAIL}
    await store.write(change_partners, PartnerChange(a_partner(), journey.clock.now()))
    await partners.refresh()
    assert partners.unanswered == {}
