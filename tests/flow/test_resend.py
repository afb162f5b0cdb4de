"""A stored message goes again as a new one, by the road of every request."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.flow.door import ADDRESS, Door, a_message, a_request
from tests.support.builders import SENDER, SUBSCRIBER, Database, a_partner
from tests.support.clock import START, FakeClock
from whimbrel.clock import DAY, HOUR, MINUTE
from whimbrel.domain.chain import Named
from whimbrel.domain.content import Channel
from whimbrel.domain.partner import DuplicateControl
from whimbrel.domain.refusal import Refusal
from whimbrel.domain.request import CascadeRequest, ScheduleRequest, SendRequest
from whimbrel.domain.schedule import ZoneReason
from whimbrel.flow import password_checks
from whimbrel.flow.resend import CannotResend, Resender, WhyNot, request_again
from whimbrel.store.cancelling import Cancellation, cancel_chains
from whimbrel.store.history import Story, tell_stories
from whimbrel.store.numbering import NumberingImport, NumberRange, import_ranges
from whimbrel.store.partners import PartnerChange, change_partners, remove_partners
from whimbrel.store.purge import OldContents, remove_contents
from whimbrel.store.sqlite import SqliteStore

BOTH = {channel: frozenset({SENDER, "OTHER"}) for channel in Channel}
HOURS = ScheduleRequest(time_begin="10:00", time_end="02:30:15", weekdays="135", deadline=None)


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        password_checks, "password_is_right", lambda kept, password: kept == f"hash of {password}"
    )


class Desk:
    """A door, and an operator behind it."""

    def __init__(self, store: SqliteStore, clock: FakeClock, database: Database) -> None:
        self.store, self.clock, self.database = store, clock, database
        self.door = Door(store, clock, senders=BOTH)
        self.resender = Resender(self.door.acceptor, self.door.partners)

    async def begin(self, **profile: Any) -> None:
        allowed = {"cascades": True, "message_types": list(Channel), "senders": [SENDER, "OTHER"]}
        await self.door.configure(**{**allowed, **profile})

    async def accept(self, **request: Any) -> int:
        answer = await self.door.acceptor.accept(a_request(**request), ADDRESS, "first")
        return answer.mt_num

    async def story(self, mt_num: int) -> Story:
        story = await self.store.read(tell_stories, mt_num)
        assert story is not None
        return story

    async def resend(self, mt_num: int, **how: Any) -> int:
        return await self.resender.resend(await self.story(mt_num), "ann", **how)


@pytest.fixture
async def desk(store: SqliteStore, clock: FakeClock, database: Database) -> Desk:
    desk = Desk(store, clock, database)
    await desk.begin()
    return desk


def sms(text: str = "Hello", **changes: Any) -> Any:
    return a_message(type="SMS", content_type=None, text=None, plain_text=text, **changes)


def a_chain_of_three() -> dict[str, Any]:
    last = CascadeRequest(state="DELIVERED", message=sms("third", ttl=90), next_link=None)
    image = a_message(content_type="IMAGE_URL", text=None, image_url="https://x.example/1.png")
    second = CascadeRequest(state="READ", message=image, next_link=last)
    first = a_message(text="first", ttl=90, ttl_unit="SECONDS", service_number="OTHER")
    return {"message": first, "cascade": second}


_SAME = ("channel", "sender", "text", "image_url", "ttl", "satisfied_by", "state")


def same_of(story: Story) -> list[list[Any]]:
    return [[link[name] for name in _SAME] for link in story.links]


async def test_a_whole_cascade_goes_again(desk: Desk) -> None:
    asked = {
        "extra_param": "place=a",
        "notify_url": "https://x.example/r",
        "registered_delivery": 2,
    }
    old = await desk.accept(**a_chain_of_three(), **asked)
    woken = desk.door.woken
    new = await desk.resend(old)
    first, second = await desk.story(old), await desk.story(new)
    assert new != old
    assert same_of(second) == same_of(first)
    for name in ("dest_addr", *asked):
        assert second.chain[name] == first.chain[name]
    assert second.chain["request_id"] == f"resend of {old} by ann"
    assert desk.door.woken == woken + 1


async def test_from_a_message_of_it_on(desk: Desk) -> None:
    old = await desk.accept(**a_chain_of_three())
    again = await desk.story(await desk.resend(old, first=1))
    assert [link["channel"] for link in again.links] == ["WHATSAPP", "SMS"]
    with pytest.raises(CannotResend) as refused:
        await desk.resend(old, first=3)
    assert refused.value.why is WhyNot.NO_SUCH_LINK


async def test_one_that_was_called_off_goes_again_as_well(desk: Desk) -> None:
    old = await desk.accept()
    await desk.store.write(cancel_chains, Cancellation(old, START))
    assert (await desk.story(await desk.resend(old))).links[0]["state"] == 0


@pytest.mark.parametrize("control", DuplicateControl)
async def test_no_duplicate_control_stops_it(desk: Desk, control: DuplicateControl) -> None:
    await desk.begin(duplicate_control=control, content_window_seconds=3_600)
    old = await desk.accept(partner_ref="order-1")
    new = await desk.resend(old)
    assert new != old
    assert (await desk.story(new)).chain["partner_ref"] is None
    with pytest.raises(Refusal):  # and what it sent is not what a Partner's next is compared with
        await desk.accept(partner_ref="order-2")


async def test_texts_go_as_they_were_sent(desk: Desk) -> None:
    desk.door = Door(desk.store, desk.clock, senders=BOTH, base="https://go.example")
    desk.resender = Resender(desk.door.acceptor, desk.door.partners)
    await desk.begin(short_urls="shared")
    await desk.door.shortening.refresh()
    old = await desk.accept(message=a_message(text="See https://shop.example/" + "x" * 60))
    new = await desk.resend(old)
    sent, again = [(await desk.story(one)).links[0] for one in (old, new)]
    assert sent["text"].startswith("See https://go.example/")
    assert again["text"] == sent["text"]
    assert desk.database.rows("SELECT count(*) FROM short_urls") == [(1,)]


# When it goes


@pytest.mark.parametrize(
    "asked",
    [
        HOURS,
        ScheduleRequest(time_begin="09:00", time_end="24:00", weekdays=None, deadline=None),
        ScheduleRequest(
            time_begin=None, time_end=None, weekdays="67", deadline="2026-12-24T18:00:00.5+0300"
        ),
    ],
)
@pytest.mark.parametrize("zone", ["", "Asia/Omsk"])
async def test_its_sending_hours_are_kept(desk: Desk, asked: ScheduleRequest, zone: str) -> None:
    await desk.begin(zone=zone)
    old = await desk.accept(schedule=asked)
    new = await desk.resend(old)
    first, second = await desk.story(old), await desk.story(new)
    assert second.chain["schedule"] == first.chain["schedule"] is not None
    assert second.links[0]["due_at"] == first.links[0]["due_at"]


async def test_unless_it_is_to_go_at_once(desk: Desk) -> None:
    old = await desk.accept(schedule=HOURS)
    again = await desk.story(await desk.resend(old, at_once=True))
    assert again.chain["schedule"] is None
    assert again.links[0]["due_at"] == desk.clock.moment


async def test_the_subscribers_zone_is_looked_up_anew(desk: Desk) -> None:
    old = await desk.accept(schedule=HOURS, use_time_diff=True)
    first = await desk.story(old)
    assert ZoneReason.PREFIX in first.chain["schedule"]
    number = int(SUBSCRIBER[1:])
    moved = NumberRange(number, number, "X", "77", "Omsk", ("Asia/Omsk",))
    await desk.store.write(import_ranges, NumberingImport((9,), "f.csv", 1, [moved], START))
    await desk.door.numbering.refresh()
    again = await desk.story(await desk.resend(old))
    assert '"Asia/Omsk"' in again.chain["schedule"]


async def test_a_deadline_that_has_passed_is_told(desk: Desk) -> None:
    soon = ScheduleRequest(
        time_begin=None, time_end=None, weekdays=None, deadline="2026-11-23T03:00:00Z"
    )
    old = await desk.accept(schedule=soon)
    desk.clock.advance(HOUR)
    with pytest.raises(Refusal, match="it is in the past"):
        await desk.resend(old)
    await desk.resend(old, at_once=True)


# How long it lives


async def test_a_lifetime_that_was_named_is_named_again(desk: Desk) -> None:
    old = await desk.accept(message=a_message(ttl=48, ttl_unit="HOURS"))
    await desk.begin(ttl_minutes={Channel.WHATSAPP: 10})
    assert (await desk.story(await desk.resend(old))).links[0]["ttl"] == 2 * DAY


async def test_a_default_is_the_partners_as_it_is_now(desk: Desk) -> None:
    await desk.begin(ttl_minutes={Channel.WHATSAPP: 10})  # which no request could name
    old = await desk.accept()
    assert (await desk.story(await desk.resend(old))).links[0]["ttl"] == 10 * MINUTE
    await desk.begin(ttl_minutes={Channel.WHATSAPP: 20})
    assert (await desk.story(await desk.resend(old))).links[0]["ttl"] == 20 * MINUTE


@pytest.mark.parametrize(("minutes", "kept"), [(1_440, 1_440), (10, 30)])
async def test_of_an_old_one_what_could_have_been_named_is(
    desk: Desk, minutes: int, kept: int
) -> None:
    await desk.begin(ttl_minutes={Channel.WHATSAPP: minutes})
    old = await desk.accept()
    desk.database.rows("UPDATE links SET named = NULL")
    await desk.begin(ttl_minutes={Channel.WHATSAPP: 30})
    assert (await desk.story(await desk.resend(old))).links[0]["ttl"] == kept * MINUTE


async def test_what_was_named_is_kept_at_acceptance(desk: Desk) -> None:
    named = a_message(ttl=24, ttl_unit="HOURS", service_number="OTHER")
    numbers = [await desk.accept(), await desk.accept(message=named)]
    kept = [(await desk.story(number)).links[0]["named"] for number in numbers]
    assert kept == [Named.NOTHING, Named.SENDER | Named.LIFETIME]


# When it cannot


async def test_a_text_that_was_removed_cannot_go(desk: Desk) -> None:
    old = await desk.accept()
    await desk.store.write(cancel_chains, Cancellation(old, START))
    desk.database.rows("UPDATE reports SET state = 2")
    assert await desk.store.write(remove_contents, OldContents([old], START)) == 1
    with pytest.raises(CannotResend) as refused:
        await desk.resend(old)
    assert refused.value.why is WhyNot.REMOVED_CONTENT


async def test_nor_one_of_a_partner_that_is_disabled_or_gone(desk: Desk) -> None:
    old = await desk.accept()
    disabled = replace(a_partner(), disabled=True)
    desk.clock.advance(1)
    await desk.store.write(change_partners, PartnerChange(disabled, desk.clock.now()))
    await desk.door.partners.refresh()
    with pytest.raises(CannotResend) as refused:
        await desk.resend(old)
    assert refused.value.why is WhyNot.DISABLED_PARTNER
    desk.clock.advance(1)
    await desk.store.write(remove_partners, PartnerChange(disabled, desk.clock.now()))
    await desk.door.partners.refresh()
    with pytest.raises(CannotResend) as refused:
        await desk.resend(old)
    assert refused.value.why is WhyNot.REMOVED_PARTNER


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        ({"senders": ["OTHER"], "default_sender": "OTHER"}, "is not a sender of this login"),
        ({"message_types": [Channel.SMS]}, "is not among the message types"),
        ({"cascades": False}, "cascades are not allowed"),
    ],
)
async def test_nor_what_its_partner_may_not_send_any_more(
    desk: Desk, profile: dict[str, Any], why: str
) -> None:
    message = CascadeRequest(state="DELIVERED", message=sms(), next_link=None)
    old = await desk.accept(message=a_message(ttl=60, ttl_unit="SECONDS"), cascade=message)
    await desk.begin(**profile)
    before = desk.database.rows("SELECT count(*) FROM chains")
    with pytest.raises(Refusal, match=why):
        await desk.resend(old)
    assert desk.database.rows("SELECT count(*) FROM chains") == before


async def test_a_password_is_never_part_of_it(desk: Desk) -> None:
    request = request_again(await desk.story(await desk.accept()), at_once=False)
    assert isinstance(request, SendRequest)
    assert request.password == ""
