"""The page of one message: what it tells, whom it hides texts from, and its buttons."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support import builders
from tests.support.clock import START, FakeClock
from tests.support.console import Shown, signed_in
from tests.support.gateway import LOGIN, SENDER, RunningGateway, a_profile, running_gateway
from whimbrel.channels.sms import errors as sms_errors
from whimbrel.channels.whatsapp import errors as whatsapp_errors
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.chain import Again, Named, Refused, Taken
from whimbrel.domain.content import Channel, Image, Text
from whimbrel.domain.operator import Role
from whimbrel.domain.schedule import Schedule, ZoneReason
from whimbrel.domain.short_url import Draft, ShortUrlRules
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.domain.unanswered import Verdict
from whimbrel.store.audit import AuditWish, list_deeds
from whimbrel.store.clicks import NewClick, record_clicks
from whimbrel.store.history import tell_stories
from whimbrel.store.partners import PartnerChange, all_partners, change_partners
from whimbrel.store.purge import OldContents, remove_contents
from whimbrel.store.reports import (
    ReportAttempt,
    ReportClaim,
    ReportState,
    claim_reports,
    record_report_attempts,
)
from whimbrel.store.senders import SenderPause, pause_senders
from whimbrel.store.submits import SubmitRecord, record_submits
from whimbrel.web.console import code_meanings, message_words, state_names
from whimbrel.web.pages.words import read_words

CODE = "Your code is 4711"
EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>\'"&'
PAGE = "/console/messages/1"
TOMORROW = START + DAY


@contextlib.asynccontextmanager
async def a_gateway(folder: Path, **profile: Any) -> AsyncIterator[RunningGateway]:
    """One that sends nothing by itself before tomorrow: its clock is at the tests' start."""
    partners = {LOGIN: a_profile(**profile)}
    async with running_gateway(folder, clock=FakeClock(), partners=partners) as running:
        yield running


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with a_gateway(tmp_path) as one:
        yield one


async def keep(running: RunningGateway, *steps: dict[str, Any], **chain: Any) -> None:
    """Store a chain that waits until tomorrow, as the checks would have made it."""
    waits = {"due_at": TOMORROW, "expires_at": TOMORROW + DAY}
    if len(steps) > 1:
        first, *others = steps
        made = builders.a_cascade({**waits, **first}, *others, **chain)
    else:
        made = builders.a_chain(link={**waits, **(steps[0] if steps else {})}, **chain)
    await builders.accept(running.store, made)


async def keep_delivered(running: RunningGateway, answer: str = "try later", **chain: Any) -> None:
    """Store one that went at the second attempt, and whose first report was not acknowledged."""
    store = running.store
    link = {"content": Text(CODE), "named": Named.SENDER, "due_at": START + HOUR}
    await builders.accept(store, builders.a_chain(link={**link, **chain.pop("link", {})}, **chain))
    [claimed] = await builders.claim(store, now=START + HOUR)
    again = Again(1, START + SECOND, START + 2 * HOUR)
    record = SubmitRecord(claimed.link_id, again, START, "131000", "Something went wrong")
    await store.write(record_submits, record)
    await builders.claim(store, now=START + 2 * HOUR)
    await builders.answer(store, Taken(2, START + 4 * SECOND, "wamid.1"))
    receipt = builders.an_echo(LinkState.DELIVERED, attempt=2, at=START + 5 * SECOND)
    await builders.receive(store, receipt, at=START + 6 * SECOND)
    await end_report(running, ReportState.DUE, answer)


async def end_report(running: RunningGateway, state: ReportState, answer: str = "") -> None:
    """Let the oldest report come to something."""
    claim = ReportClaim("1/", 1, START + 9 * DAY, START + 10 * DAY)
    [report] = await running.store.write(claim_reports, claim)
    attempt = ReportAttempt(
        report_id=report.report_id,
        chain_id=1,
        attempt=report.attempt + 1,
        failures=1,
        ended_at=START + MINUTE,
        latency=87,
        http_status=200 if state is ReportState.ACKNOWLEDGED else 503,
        answer=answer,
        state=state,
        next_at=TOMORROW,
    )
    await running.store.write(record_report_attempts, attempt)


async def deeds(running: RunningGateway) -> list[tuple[Any, ...]]:
    rows = await running.store.read(list_deeds, AuditWish(1 << 60, "", 10))
    return [row[2:7] for row in rows if row[4].startswith("message.")]


# What it tells


async def test_the_whole_story_is_told_in_order(running: RunningGateway) -> None:
    await keep_delivered(running, partner_ref="order-7", notify_url=None, extra_param="place=a")
    async with signed_in(running) as browser:
        shown = await browser.get(PAGE)
    assert shown.status == 200
    words = shown.words
    for fact in (
        "Message 1 delivered",
        "order-7",
        SENDER,
        "(named by the request)",
        "(the Partner's default)",
        "the Partner's own URL",
        "At once: the request named no sending hours and no deadline.",
        "Nothing; that it was read may still be told.",
    ):
        assert fact in words, fact
    order = [
        "Accepted, stored and answered",
        "Not sent; it goes again",
        "Something went wrong at Meta, or with the request.",
        "The channel took it",
        "wamid.1",
        "Report 0 handed over",
        "Next attempt:",
        "Receipt: delivered",
        "Report 2 delivered",
        "It waits for the report before it.",
        "The receiver answered 503",
        "try later",
    ]
    places = [words.index(one) for one in order]
    assert places == sorted(places)


async def test_there_is_a_page_for_nobody(running: RunningGateway) -> None:
    async with signed_in(running, Role.READER) as browser:
        for number in (4711, (1 << 53), 10**30):
            shown = await browser.get(f"/console/messages/{number}")
            assert shown.status == 404
            assert "There is no such message" in shown.words
        assert (await browser.get("/console/messages/-1")).status == 404


async def test_hours_and_why_they_are_read_so(running: RunningGateway) -> None:
    hours = Schedule(
        begins=9 * HOUR,
        ends=33 * HOUR - MINUTE,
        weekdays=(1, 5),
        zones=("Asia/Yakutsk", "Asia/Vladivostok"),
        zone_reason=ZoneReason.REGISTRY,
        deadline_at=START + 9 * DAY,
    )
    await keep(running, schedule=hours.to_json())
    async with signed_in(running) as browser:
        words = (await browser.get(PAGE)).words
    assert "09:00 – 08:59, Mon Fri" in words
    assert "Asia/Yakutsk + Asia/Vladivostok" in words
    assert "the subscriber's zone, by the numbering registry" in words
    assert "It goes when its sending hours open:" in words
    assert "2026-12-02 02:13:20" in words  # the deadline


async def test_a_paused_sender_is_told_with_its_reason(running: RunningGateway) -> None:
    await keep(running)
    pause = SenderPause("WHATSAPP", SENDER, START, START + HOUR, 3, f"190 {EVIL}", START)
    await running.store.write(pause_senders, pause)
    async with signed_in(running) as browser:
        shown = await browser.get(PAGE)
    assert "Its sender is paused since: 2026-11-23 02:13:20" in shown.words
    assert "190 <script>" in shown.words
    assert_harmless(shown)


async def test_a_cascade_tells_of_each_message(running: RunningGateway) -> None:
    await keep(running, {"ttl": HOUR}, {"channel": Channel.SMS})
    async with signed_in(running) as browser:
        words = (await browser.get(PAGE)).words
    assert "1. WHATSAPP waits to be sent" in words
    assert "2. SMS waits for its turn" in words
    assert "goes unless this one is delivered in its lifetime" in words
    assert "Its turn comes when the message before it has failed, or else:" in words


async def test_a_refused_message_is_explained(running: RunningGateway) -> None:
    await builders.accept(running.store, builders.a_chain(link={"due_at": START + HOUR}))
    [link] = await builders.claim(running.store, now=START + HOUR)
    refused = Refused(1, START + 1, ErrorCode.TELESERVICE_NOT_PROVISIONED)
    record = SubmitRecord(link.link_id, refused, START, "131026", "Message undeliverable")
    await running.store.write(record_submits, record)
    async with signed_in(running) as browser:
        words = (await browser.get(PAGE)).words
    assert "errorCode 6: Not on this channel" in words
    assert "131026 The number is not on WhatsApp" in words


# Who sees what


async def keep_secrets(running: RunningGateway) -> list[str]:
    """Store a message full of what not everybody may see; return that."""
    rules = ShortUrlRules(
        base="https://go.example",
        threshold=26,
        uid_length=8,
        shared=False,
        idle=None,
        lifetime=None,
    )
    target = "https://shop.example/reset?token=deadbeef00000000"
    draft = Draft((f"{CODE} ", ""), (target,), rules)
    await keep(
        running,
        {"content": draft, "ttl": HOUR},
        {"content": Image("https://media.example/private-4711.jpg")},
        extra_param="place=Abzakovo,name=Dom",
        notify_url="https://user:hunter2@shop.example/r?key=s3cret",
    )
    story = await running.store.read(tell_stories, 1)
    assert story
    uid = story.short_urls[0]["uid"]
    return [CODE, target, uid, "private-4711", "Abzakovo", "=Dom"]


async def test_texts_are_for_those_who_may_see_them(running: RunningGateway) -> None:
    secrets = await keep_secrets(running)
    async with signed_in(running, Role.SUPPORT, sees_texts=True) as browser:
        for path in (PAGE, f"{PAGE}/live"):
            text = (await browser.get(path)).words
            shown = [one for one in secrets if one in text]
            if path == PAGE:
                assert shown == secrets[:-1]
                assert "name = Dom" in text
            assert "hidden," not in text
            assert "hunter2" not in text
            assert "s3cret" not in text


@pytest.mark.parametrize("role", Role)
async def test_and_hidden_from_all_others_whatever_their_role(
    running: RunningGateway, role: Role
) -> None:
    secrets = await keep_secrets(running)
    async with signed_in(running, role, sees_texts=False) as browser:
        for path in (PAGE, f"{PAGE}/live"):
            text = (await browser.get(path)).text
            assert [one for one in secrets if one in text] == []
            assert "hunter2" not in text
        words = (await browser.get(PAGE)).words
        assert f"hidden, {len('Abzakovo')} characters" in words
        assert f"hidden, {len('https://media.example/private-4711.jpg')} characters" in words


@pytest.mark.parametrize("escapes", [True, False])
async def test_a_receiver_that_repeats_a_text_does_not_reveal_it(
    running: RunningGateway, escapes: bool
) -> None:
    text = "Ваш код 4711, никому его не говорите"
    answer = json.dumps({"got": {"text": text}}, ensure_ascii=escapes)
    await keep_delivered(running, answer=answer[:60], link={"content": Text(text)})
    async with signed_in(running, sees_texts=False) as browser:
        words = (await browser.get(PAGE)).words
    assert "4711" not in words
    assert "it repeats what the message says" in words


async def test_a_text_that_was_removed_is_said_to_be(running: RunningGateway) -> None:
    await keep_delivered(running)
    await end_report(running, ReportState.DEAD)
    await end_report(running, ReportState.DEAD)
    assert await running.store.write(remove_contents, OldContents([1], START + 30 * DAY)) == 1
    async with signed_in(running) as browser:
        words = (await browser.get(PAGE)).words
        assert "removed by retention 2026-12-23" in words
        assert "It cannot be sent again: its text was removed by retention." in words
        shown = await browser.post(f"{PAGE}/resend", on=PAGE)
    assert shown.status == 409
    assert "there is nothing left to send" in shown.words


# What is hostile


def assert_harmless(shown: Shown) -> None:
    """Nothing that somebody else wrote has become an element or an attribute."""
    assert "<script>alert" not in shown.text
    assert "<img src=x" not in shown.text
    assert "onerror=alert(1)>" not in shown.text


async def test_texts_senders_and_parameters_stay_texts(running: RunningGateway) -> None:
    await keep(
        running,
        {"content": Text(EVIL), "sender": EVIL, "ttl": HOUR},
        {"content": Image(f"https://x.example/{EVIL}")},
        partner_ref=EVIL,
        request_id=EVIL,
        extra_param=f"{EVIL}={EVIL}".replace("=x on", "_x on"),
        notify_url=f"https://x.example/{EVIL}",
    )
    async with signed_in(running) as browser:
        for path in (PAGE, f"{PAGE}/live"):
            shown = await browser.get(path)
            assert shown.status == 200
            assert "&lt;script&gt;" in shown.text
            assert_harmless(shown)


async def test_what_channels_and_receivers_say_stays_text(running: RunningGateway) -> None:
    await keep_delivered(running, answer=EVIL)
    link_id = 1 << 4
    evil = SubmitRecord(link_id, Refused(3, START, ErrorCode.FILTERED), START, EVIL, EVIL)
    await running.store.write(record_submits, evil)
    receipt = builders.an_echo(LinkState.READ, attempt=2, at=START, code=EVIL, detail=EVIL)
    await builders.receive(running.store, receipt)
    async with signed_in(running) as browser:
        shown = await browser.get(PAGE)
    assert shown.text.count("&lt;script&gt;") >= 4
    assert_harmless(shown)


async def test_the_agent_of_a_visit_stays_text(running: RunningGateway) -> None:
    await keep_secrets(running)
    story = await running.store.read(tell_stories, 1)
    assert story
    visit = NewClick(story.short_urls[0]["uid"], START, EVIL, True)  # type: ignore[arg-type]
    await running.store.write(record_clicks, [visit])
    async with signed_in(running) as browser:
        shown = await browser.get(PAGE)
    assert "Click on a short link" in shown.words
    assert_harmless(shown)


@pytest.mark.parametrize("query", ["cancelled=<script>", "cancelled=٣", "redelivered=9e9", "x=1"])
async def test_an_address_that_was_laid_out_says_nothing(
    running: RunningGateway, query: str
) -> None:
    await keep(running)
    async with signed_in(running) as browser:
        shown = await browser.get(f"{PAGE}?{query}")
    assert shown.status == 200
    assert 'class="notice' not in shown.text


# What can be done


async def test_what_is_not_sent_can_be_called_off(running: RunningGateway) -> None:
    await keep(running, {"ttl": HOUR}, {"channel": Channel.SMS})
    async with signed_in(running, Role.SUPPORT) as browser:
        done = await browser.post(f"{PAGE}/cancel", on=PAGE)
        assert (done.status, done.headers["location"]) == (303, f"{PAGE}?cancelled=1.2")
        shown = await browser.get(done.headers["location"])
        assert "Cancelled: 1, 2." in shown.words
        assert shown.words.count("Cancelled by an operator") == 2
        assert shown.words.count("5 undelivered, errorCode 10") == 2
        assert "Cancel what is not sent yet" not in shown.words
        again = await browser.post(f"{PAGE}/cancel", on=PAGE)
        assert "Nothing was cancelled" in (await browser.get(again.headers["location"])).words
    assert [(who, what, whom) for who, _, what, whom, _ in await deeds(running)] == [
        ("support", "message.cancel", "1")
    ] * 2


async def test_what_is_on_its_way_is_left_alone(running: RunningGateway) -> None:
    await keep(running, {"ttl": HOUR}, {"channel": Channel.SMS})
    await builders.claim(running.store, now=TOMORROW)
    async with signed_in(running, Role.SUPPORT) as browser:
        done = await browser.post(f"{PAGE}/cancel", on=PAGE)
        words = (await browser.get(done.headers["location"])).words
    assert "Cancelled: 2. What had been sent, or is on its way, was left alone." in words
    assert "It is under way; the channel may answer until:" in words


async def test_dead_reports_go_once_more(running: RunningGateway) -> None:
    await keep_delivered(running)
    await end_report(running, ReportState.ACKNOWLEDGED)
    await end_report(running, ReportState.DEAD)
    async with signed_in(running, Role.SUPPORT) as browser:
        assert "It was given up" in (await browser.get(PAGE)).words
        done = await browser.post(f"{PAGE}/redeliver", on=PAGE)
        assert done.headers["location"] == f"{PAGE}?redelivered=1"
        assert "Reports that go once more: 1" in (await browser.get(f"{PAGE}?redelivered=1")).words
    [(who, _, what, _, _)] = await deeds(running)
    assert (who, what) == ("support", "message.redeliver")


async def test_acknowledged_ones_if_they_are_wanted(running: RunningGateway) -> None:
    await keep_delivered(running)
    await end_report(running, ReportState.ACKNOWLEDGED)
    await end_report(running, ReportState.ACKNOWLEDGED)
    async with signed_in(running, Role.SUPPORT) as browser:
        none = await browser.post(f"{PAGE}/redeliver", on=PAGE)
        both = await browser.post(f"{PAGE}/redeliver", on=PAGE, acknowledged="yes")
    assert [one.headers["location"][-1] for one in (none, both)] == ["0", "2"]


async def test_it_can_be_sent_again_as_a_new_message(running: RunningGateway) -> None:
    await keep(running, {"content": Text(CODE)}, partner_ref="order-7", extra_param="place=a")
    async with signed_in(running, Role.SUPPORT) as browser:
        done = await browser.post(f"{PAGE}/resend", on=PAGE)
        assert done.status == 303
        new = done.headers["location"].rpartition("/")[2]
        words = (await browser.get(done.headers["location"])).words
    assert new != "1"
    assert CODE in words
    assert "resend of 1 by support" in words
    assert "Sent again from 1 " in words
    assert "order-7" not in words
    [(who, _, what, whom, details)] = await deeds(running)
    assert (who, what, whom) == ("support", "message.resend", "1")
    assert new in details


async def change_partner(running: RunningGateway, **changes: Any) -> None:
    [stored] = await running.store.read(all_partners, None)
    profile = replace(stored.partner.profile, **changes.pop("profile", {}))
    changed = replace(stored.partner, profile=profile, **changes)
    await running.store.write(change_partners, PartnerChange(changed, START + 1))
    await running.gateway._partners.refresh()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"disabled": True}, "its Partner is disabled"),
        ({"profile": {"senders": [], "default_sender": ""}}, "is not a sender of this login"),
        ({"profile": {"message_types": [Channel.SMS]}}, "is not among the message types"),
    ],
)
async def test_why_it_cannot_be_sent_again_is_told(
    running: RunningGateway, changes: dict[str, Any], why: str
) -> None:
    await keep(running)
    await change_partner(running, **changes)
    async with signed_in(running) as browser:
        shown = await browser.post(f"{PAGE}/resend", on=PAGE)
    assert shown.status == 409
    assert why in shown.words
    assert await deeds(running) == []


@pytest.mark.parametrize("button", ["cancel", "resend", "redeliver"])
async def test_a_reader_changes_nothing(running: RunningGateway, button: str) -> None:
    await keep(running)
    async with signed_in(running, Role.READER) as browser:
        page = await browser.get(PAGE)
        assert "Send again" not in page.words
        assert "<form" not in page.text.partition("<main")[2]
        csrf = await browser.csrf("/console/password")
        refused = await browser.post(f"{PAGE}/{button}", csrf=csrf)
    assert refused.status == 403
    story = await running.store.read(tell_stories, 1)
    assert story
    assert story.links[0]["state"] == LinkState.QUEUED


@pytest.mark.parametrize("button", ["cancel", "resend", "redeliver"])
async def test_nobody_else_presses_a_button(running: RunningGateway, button: str) -> None:
    """Cross-site request forgery."""
    await keep(running)
    async with signed_in(running) as browser:
        assert (await browser.post(f"{PAGE}/{button}", csrf="0" * 48)).status == 403
        back = await browser.get(f"{PAGE}/{button}")
        assert (back.status, back.headers["location"]) == (303, PAGE)
        for path in (f"/console/messages/99/{button}",):
            shown = await browser.post(path, on=PAGE)
            assert shown.status in {303, 404}
    assert [what for _, _, what, whom, _ in await deeds(running) if whom == "1"] == []


# The part that grows


async def test_it_says_when_there_is_nothing_more_to_follow(running: RunningGateway) -> None:
    await keep(running)
    async with signed_in(running) as browser:
        assert 'data-over="no"' in (await browser.get(f"{PAGE}/live")).text
        await browser.post(f"{PAGE}/cancel", on=PAGE)
        assert 'data-over="no"' in (await browser.get(f"{PAGE}/live")).text  # its report is open
        await end_report(running, ReportState.DEAD)
        live = await browser.get(f"{PAGE}/live")
    assert 'data-over="yes"' in live.text
    assert "<html" not in live.text


async def test_a_stranger_gets_no_live_part(running: RunningGateway) -> None:
    await keep(running)
    async with signed_in(running) as browser:
        browser.session.cookie_jar.clear()
        answer = await browser.get(f"{PAGE}/live", **{"hx-request": "true"})
    assert answer.status == 401


# Words


def test_every_code_that_is_judged_is_explained() -> None:
    assert set(code_meanings.WHATSAPP) >= set(whatsapp_errors.VERDICTS)
    assert set(code_meanings.SMPP) == set(sms_errors.VERDICTS)
    assert set(code_meanings.NETWORK) == set(sms_errors._NETWORK_ERRORS)


@pytest.mark.parametrize(
    ("channel", "code", "detail", "meaning"),
    [
        (Channel.WHATSAPP, "131047", None, "More than 24 hours since"),
        (Channel.SMS, "27", "UNDELIV", "The phone is switched off or out of coverage."),
        (Channel.SMS, "0x1b", "UNDELIV", "The phone is switched off or out of coverage."),
        (Channel.SMS, None, "EXPIRED", "Its lifetime ended before the phone could be reached."),
        (Channel.SMS, "99", "REJECTD", "The SMSC or the network rejected it."),
        (Channel.SMS, "x", "what?", ""),
        (Channel.WHATSAPP, "٣", None, ""),
        (Channel.WHATSAPP, None, None, ""),
    ],
)
def test_a_receipts_code_is_explained(
    channel: Channel, code: str | None, detail: str | None, meaning: str
) -> None:
    explained = code_meanings.meaning_of_receipt(channel, code, detail)
    assert explained.startswith(meaning)
    assert bool(explained) == bool(meaning)


def test_all_of_it_is_told_in_russian_too() -> None:
    known = read_words()["ru"]
    texts = [
        *code_meanings.WHATSAPP.values(),
        *code_meanings.SMPP.values(),
        *code_meanings.NETWORK.values(),
        *code_meanings._STATES.values(),
        *(one.text for one in state_names.STATES.values()),
        *(one.text for one in message_words.REPORT_STATES.values()),
        *(one.text for one in message_words.OUTCOMES.values()),
        *message_words.STATUSES.values(),
        *message_words.ZONES.values(),
        *message_words.VERDICTS.values(),
        *message_words.WEEKDAYS,
        *message_words.REGISTERED.values(),
    ]
    assert [one for one in texts if one not in known] == []


def test_every_state_and_reason_has_its_words() -> None:
    assert set(state_names.STATES) == set(LinkState)
    assert set(message_words.REPORT_STATES) == set(ReportState)
    assert set(message_words.ZONES) == set(ZoneReason)
    assert set(message_words.VERDICTS) == set(Verdict)


async def test_the_page_speaks_russian(running: RunningGateway) -> None:
    await keep_delivered(running)
    async with signed_in(running) as browser:
        shown = await browser.get(PAGE, **{"accept-language": "ru"})
    assert "Сообщение 1 доставлено" in shown.words
    assert "Получатель ответил 503" in shown.words
