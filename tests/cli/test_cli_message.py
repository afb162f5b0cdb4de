"""`whimbrel message show`: the whole history, and the text only for who asks for it."""

import pytest

from tests.cli.conftest import ACCOUNT, Cli, Keep
from tests.store.test_clicks import a_click, record
from tests.store.test_short_urls import LONG, uids_of, with_draft
from tests.support import builders
from tests.support.builders import Database
from tests.support.clock import START
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND, SystemClock
from whimbrel.domain.chain import Again, Named, NoAnswer, Refused, Taken
from whimbrel.domain.chain_id import accepted_since
from whimbrel.domain.content import Channel, Image, Text
from whimbrel.domain.schedule import Schedule
from whimbrel.domain.short_url import Draft, ShortUrlRules
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.store.purge import OldContents, OldVisits, remove_contents, remove_visits
from whimbrel.store.reports import (
    ReportAttempt,
    ReportClaim,
    ReportState,
    claim_reports,
    record_report_attempts,
)
from whimbrel.store.senders import SenderPause, pause_senders
from whimbrel.store.sqlite import SqliteStore
from whimbrel.store.submits import SubmitRecord, record_submits
from whimbrel.store.timers import Tick, settle_limbo

pytestmark = pytest.mark.usefixtures("made")

FAR = START + 3_650 * DAY
SMSC = {
    "host": "127.0.0.1",
    "port": 9,
    "system_id": "x",
    "password": "x",
    "senders": ["WHIMBREL"],
}
CODE = "Your code is 4711"
NEXT_ATTEMPT = "next attempt 2026-11-23 02:14:25.000Z"


async def a_delivered_message(store: SqliteStore) -> None:
    """Two attempts, three receipts, and a report that its receiver answered with 503."""
    await builders.accept(
        store,
        builders.a_chain(
            partner_ref="order [7]",
            notify_url="https://shop.example/r",
            extra_param="place=a",
            link={"content": Text(CODE)},
        ),
    )
    [link] = await builders.claim(store)
    again = Again(1, START + SECOND, START + 3 * SECOND)
    failed = SubmitRecord(link.link_id, again, START, "131000", "Something went wrong")
    await store.write(record_submits, failed)
    await builders.claim(store, now=START + 3 * SECOND)
    await builders.answer(store, Taken(2, START + 4 * SECOND, "wamid.1"))
    for seconds, state in ((5, LinkState.SENT), (6, LinkState.DELIVERED)):
        receipt = builders.an_echo(state, attempt=2, at=START + seconds * SECOND)
        await builders.receive(store, receipt, at=START + seconds * SECOND + 250)
    claim = ReportClaim("1/https://shop.example", 10, START + MINUTE, START + 2 * MINUTE)
    [report] = await store.write(claim_reports, claim)
    attempt = ReportAttempt(
        report_id=report.report_id,
        chain_id=report.chain_id,
        attempt=1,
        failures=1,
        ended_at=START + MINUTE,
        latency=87,
        http_status=503,
        answer="try [later]",
        state=ReportState.DUE,
        next_at=START + MINUTE + 5 * SECOND,
    )
    await store.write(record_report_attempts, attempt)


def test_the_whole_story_is_told_in_order(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")
    keep(a_delivered_message)

    lines = [line.rstrip() for line in cli.good("message", "show", "1").output.splitlines()]

    assert lines == [
        "1 from shop to 79161234567",
        "  partner_ref: order [7]",
        "  notify_url: https://shop.example/r",
        "  extra_param: place=a",
        "  registered_delivery: 1, request request-1",
        "  WHATSAPP from WHIMBREL: delivered, attempts 2, lifetime 86400 s",
        "when (UTC)                what      details",
        "2026-11-23 02:13:20.000Z  accepted",
        "2026-11-23 02:13:21.000Z  submit    attempt 1: not sent 131000 Something went wrong",
        "2026-11-23 02:13:24.000Z  submit    attempt 2: submitted wamid.1",
        f"2026-11-23 02:13:24.000Z  report    0 handed over: due, {NEXT_ATTEMPT}",
        "2026-11-23 02:13:25.250Z  receipt   sent at 2026-11-23 02:13:25.000Z",
        "2026-11-23 02:13:26.250Z  receipt   delivered at 2026-11-23 02:13:26.000Z",
        "2026-11-23 02:13:26.250Z  report    2 delivered: held",
        "2026-11-23 02:14:20.000Z  receiver  0 handed over: attempt 1, 503 in 87 ms try [later]",
    ]


def test_the_text_is_hidden_unless_it_is_asked_for(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")
    keep(a_delivered_message)

    assert "4711" not in cli.good("message", "show", "1").output
    assert f"  text: {CODE}\n" in cli.good("message", "show", "1", "--with-text").output


def test_an_image_s_address_is_shown(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")
    image = Image("https://media.example.net/[42].jpg")
    keep(lambda store: builders.accept(store, builders.a_chain(link={"content": image})))

    shown = cli.good("message", "show", "1").output

    assert "  image: https://media.example.net/[42].jpg\n" in shown


def test_its_short_urls_are_listed_with_their_targets(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")
    target, other = "https://shop.example/find?id[]=1", "https://shop.example/" + "x" * 300
    rules = ShortUrlRules(
        base="https://go.example", threshold=26, uid_length=8, shared=True, idle=None, lifetime=None
    )
    draft = Draft(("See ", " or ", ""), (target, other), rules)
    keep(lambda store: builders.accept(store, builders.a_chain(link={"content": draft})))
    database = Database.__new__(Database)
    database.path = cli.folder / "whimbrel.db"
    [(uids,)] = database.rows("SELECT short_uids FROM links")
    first, second = uids.split()
    database.rows("DELETE FROM short_urls WHERE uid = ?", second)

    shown = cli.good("message", "show", "1", "--with-text").output

    assert f"  text: See https://go.example/{first} or https://go.example/{second}\n" in shown
    assert f"  short URL {first}: {target}, clicks 0\n" in shown
    assert f"  short URL {second}: removed\n" in shown


def test_a_message_that_waits_tells_until_when(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")
    hours = Schedule(begins=9 * 60 * MINUTE, deadline_at=START + DAY)
    link = {"due_at": START + MINUTE, "expires_at": START + DAY}
    chain = builders.a_chain(schedule=hours.to_json(), link=link)
    keep(lambda store: builders.accept(store, chain))

    shown = cli.good("message", "show", "1").output

    assert "due at 2026-11-23 02:14:20.000Z, ends at 2026-11-24 02:13:20.000Z" in shown
    assert "  sending hours: 09:00 to 24:00 on Mon Tue Wed Thu Fri Sat Sun in UTC+3" in shown
    assert "  deadline: 2026-11-24 02:13:20.000Z" in shown


def test_a_link_behind_another_tells_that_it_waits(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")
    keep(lambda store: builders.accept(store, builders.a_cascade({}, {}, {})))

    shown = cli.good("message", "show", "1").output

    assert shown.count("held, attempts 0") == 2
    assert "its turn comes at" in shown
    assert "its turn comes after the one before it" in shown
    assert shown.count("the next one goes unless it is delivered") == 2


def test_a_refused_message_tells_why(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")

    async def refuse(store: SqliteStore) -> None:
        await builders.accept(store, builders.a_chain())
        await builders.claim(store)
        await builders.answer(store, Refused(1, START, ErrorCode.TELESERVICE_NOT_PROVISIONED))

    keep(refuse)

    shown = cli.good("message", "show", "1").output

    assert "failed (6 teleservice-not-provisioned), attempts 1" in shown
    assert "5 undelivered errorCode 6: due" in shown


async def a_message_without_answer(store: SqliteStore, ttl: int, *, graces: int = 0) -> None:
    """One whose submits are never answered, after so many graces have ended."""
    await builders.accept(store, builders.a_chain(link={"ttl": ttl}))
    for number in range(graces + 1):
        now = START + number * MINUTE
        await store.write(settle_limbo, Tick(now, now + MINUTE))
        for link in await builders.claim(store, now=now):
            silence = NoAnswer(link.attempt, now, now + MINUTE)
            record = SubmitRecord(link.link_id, silence, now, detail="no answer in 30 s")
            await store.write(record_submits, record)


GOES = "goes again: its lifetime is short"
FAILS = "fails: its lifetime is not short, and it may have gone"


@pytest.mark.parametrize(
    ("ttl", "rule", "outlook"),
    [
        (10 * MINUTE, "auto", GOES),
        (DAY, "auto", FAILS),
        (DAY, "resend", "goes again: so its Partner wants it"),
        (10 * MINUTE, "fail", "fails: its Partner wants no copy, and it may have gone"),
    ],
)
def test_a_message_that_may_have_gone_tells_what_is_to_come(
    cli: Cli, keep: Keep, ttl: int, rule: str, outlook: str
) -> None:
    cli.good("partner", "add", "shop", "--unanswered", rule)
    keep(lambda store: a_message_without_answer(store, ttl))

    shown = cli.good("message", "show", "1").output

    until = "2026-11-23 02:14:20.000Z"
    assert f"  it may have gone: a receipt may tell until {until}, else it {outlook}\n" in shown
    assert "attempt 1: no answer no answer in 30 s\n" in shown


def test_and_afterwards_what_was_decided_each_time(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")
    keep(lambda store: a_message_without_answer(store, 10 * MINUTE, graces=2))
    shown = cli.good("message", "show", "1").output
    for attempt in (1, 2):
        assert f"attempt {attempt}: no answer no answer in 30 s; {GOES}" in shown
    assert "else it fails: 3 submits of which nothing was heard are enough" in shown

    keep(lambda store: store.write(settle_limbo, Tick(START + DAY, START + DAY)))
    shown = cli.good("message", "show", "1").output
    assert "failed (1 unknown), attempts 3" in shown
    assert "it may have gone: a receipt" not in shown
    assert "attempt 3: no answer no answer in 30 s; fails: 3 submits" in shown
    assert "5 undelivered errorCode 1: due" in shown


def test_a_message_that_is_not_there_is_named(cli: Cli) -> None:
    assert "there is no message 4711" in cli.refused("message", "show", "4711")


@pytest.mark.parametrize("number", ["0", "-1", str(1 << 53), "1" * 30, "wamid.1"])
def test_what_is_no_message_number_is_a_misuse(cli: Cli, number: str) -> None:
    assert "MTNUM" in cli.misused("message", "show", "--", number)


def test_what_is_a_default_is_said_to_be(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")
    link = {"named": Named.LIFETIME}
    keep(lambda store: builders.accept(store, builders.a_chain(link=link)))

    shown = cli.good("message", "show", "1").output

    assert "  WHATSAPP from WHIMBREL (default): queued, attempts 0, lifetime 86400 s\n" in shown


def test_a_sender_that_rests_is_told_with_its_reason(cli: Cli, keep: Keep) -> None:
    cli.configure({"whatsapp.main": ACCOUNT, "smpp.main": SMSC})
    cli.good("partner", "add", "shop")
    link = {"channel": Channel.SMS, "due_at": START, "expires_at": FAR}
    keep(lambda store: builders.accept(store, builders.a_chain(link=link)))
    pause = SenderPause("SMS", "main", START, START + MINUTE, 0, "no [connection]", START)
    keep(lambda store: store.write(pause_senders, pause))

    shown = cli.good("message", "show", "1").output

    since, until = "2026-11-23 02:13:20.000Z", "2026-11-23 02:14:20.000Z"
    told = f"paused since {since}, and is tried again at {until}: no [connection]"
    assert f"  its sender is {told}\n" in shown


def test_what_is_not_sent_is_called_off(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")
    keep(lambda store: builders.accept(store, builders.a_cascade({}, {}, {})))
    keep(builders.claim)

    assert cli.good("message", "cancel", "1").output.splitlines() == [
        "1: left alone: submitting",
        "2: cancelled, and its Partner is told status 5, errorCode 10",
        "3: cancelled, and its Partner is told status 5, errorCode 10",
    ]
    shown = cli.good("message", "show", "1").output
    assert shown.count("cancelled (10 filtered)") == 4  # of the links, and in the timeline
    again = cli("message", "cancel", "1")
    assert again.code == 1
    assert "nothing of message 1 waits to be sent: nothing was cancelled" in again.errors
    database = Database(cli.folder / "whimbrel.db")
    assert (
        database.rows("SELECT operator, action, subject FROM audit WHERE action LIKE 'message.%'")
        == [("whimbrel", "message.cancel", "1")] * 2
    )


def test_one_that_was_tried_before_may_have_gone(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")

    async def give_back(store: SqliteStore) -> None:
        await builders.accept(store, builders.a_chain())
        await builders.claim(store)
        await builders.answer(store, Again(1, START, FAR))

    keep(give_back)
    told = cli.good("message", "cancel", "1").output
    assert "errorCode 10; an earlier attempt may have gone\n" in told


def test_a_message_is_sent_again_as_a_new_one(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop", "--sender", "WHIMBREL")
    keep(lambda store: builders.accept(store, builders.a_chain(link={"content": Text(CODE)})))

    told = cli.good("message", "resend", "1").output
    number = told.removeprefix("Accepted as ").removesuffix(".\n")

    shown = cli.good("message", "show", number, "--with-text").output
    assert f"text: {CODE}" in shown
    assert "request resend of 1 by whimbrel" in shown
    database = Database(cli.folder / "whimbrel.db")
    assert database.rows("SELECT token FROM nodes") == [(None,)]  # its place is free again
    [(action, details)] = database.rows(
        "SELECT action, details FROM audit WHERE action LIKE 'message.%'"
    )
    assert action == "message.resend"
    assert number in details


def test_why_it_cannot_be_is_told(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop", "--sender", "WHIMBREL")
    keep(lambda store: builders.accept(store, builders.a_chain()))

    assert "there is no message 9" in cli.refused("message", "resend", "9")
    assert "no message at this place" in cli.refused("message", "resend", "1", "--from", "2")
    cli.good("partner", "disable", "shop")
    told = cli.refused("message", "resend", "1")
    assert told == "whimbrel: message 1 cannot be sent again: its Partner is disabled\n"
    assert "there is no message 9" in cli.refused("message", "cancel", "9")


async def without_content(store: SqliteStore) -> None:
    """Let all its reports end, and its text grow old."""
    lane = "1/https://shop.example"
    while reports := await store.write(claim_reports, ReportClaim(lane, 9, START + DAY, START)):
        for one in reports:
            attempt = ReportAttempt(
                one.report_id, 1, 2, 0, START, 5, 200, "", ReportState.ACKNOWLEDGED, START
            )
            await store.write(record_report_attempts, attempt)
    assert await store.write(remove_contents, OldContents([1], START + 30 * DAY)) == 1


@pytest.mark.parametrize("options", [[], ["--with-text"]])
def test_a_text_that_was_removed_is_said_to_be(cli: Cli, keep: Keep, options: list[str]) -> None:
    cli.good("partner", "add", "shop")
    keep(a_delivered_message)
    keep(without_content)

    shown = cli.good("message", "show", "1", *options).output

    assert "  text removed at 2026-12-23 02:13:20.000Z by retention\n" in shown
    assert "extra_param" not in shown
    assert "  partner_ref: order [7]\n" in shown
    assert "2 delivered: acknowledged" in shown


def test_visits_that_were_removed_are_said_to_be(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")
    keep(lambda store: builders.accept(store, with_draft(1)))
    [uid] = uids_of(Database(cli.folder / "whimbrel.db"))
    keep(lambda store: record(store, *(a_click(uid, START + hour * HOUR) for hour in range(3))))
    keep(lambda store: store.write(remove_visits, OldVisits(1, START + 2 * HOUR, 9)))

    output = cli.good("message", "show", "1").output

    assert f"{uid}: {LONG}, clicks 3, 2 of 3 visits removed by retention\n" in output
    assert output.count("  click ") == 1


def test_a_message_that_may_have_been_removed_is_said_to_be(cli: Cli) -> None:
    cli.good("partner", "add", "shop", "--history-days", 0)
    told = cli.refused("message", "show", "1")
    assert told == "whimbrel: there is no message 1\n"

    cli.good("partner", "set", "shop", "--history-days", 30)
    told = cli.refused("message", "show", "1")
    assert told == (
        "whimbrel: there is no message 1; one of 2026-01-01 may have been removed by retention\n"
    )
    young = accepted_since(SystemClock().now() - 29 * DAY)
    told = cli.refused("message", "show", young)
    assert told == f"whimbrel: there is no message {young}\n"
