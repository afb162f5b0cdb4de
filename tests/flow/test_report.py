"""Telling Partners: `protocol.md`, section 7, and `pains.md`, 6 and 10."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.support.builders import (
    Database,
    a_chain,
    a_lane,
    a_partner,
    a_receipt,
    accept,
    answer,
    claim,
    receive,
    submit,
)
from tests.support.clock import START, FakeClock
from tests.support.partner_spy import Answer, PartnerSpy
from tests.support.registry import some_ranges
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND, SystemClock
from whimbrel.domain.chain import PartsTaken, Refused, Taken
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.content import Channel, Image, Text
from whimbrel.domain.partner import TrafficType
from whimbrel.domain.receipt import ClickedUrl
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.flow.numbering_directory import NumberingDirectory
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.flow.report import Reporter
from whimbrel.flow.tallies import Tallies
from whimbrel.http_out import AddressRule, HttpOut
from whimbrel.metrics import Metrics
from whimbrel.store.click_reports import NewClickReport, add_click_reports
from whimbrel.store.engine import Steps
from whimbrel.store.numbering import NumberingImport, import_ranges
from whimbrel.store.partners import PartnerChange, change_partners, remove_partners
from whimbrel.store.purge import OldContents, remove_contents
from whimbrel.store.reports import Redelivery, ReportState, redeliver_reports
from whimbrel.store.sqlite import SqliteStore
from whimbrel.store.timers import expire_links

S = LinkState
CAP = 3
SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four bytes").decode()
PAUSES = [
    *(5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE),
    *(1 * HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR),
]


class Reporting:
    """The reporter on a store, stepped by hand, over real HTTP."""

    def __init__(
        self, store: SqliteStore, database: Database, clock: FakeClock, allowed: list[str]
    ) -> None:
        self.store, self.database, self.clock = store, database, clock
        self.chance = 0.0
        self._woken = asyncio.Event()
        self.metrics = Metrics()
        self.partners = PartnerDirectory(store)
        self.numbering = NumberingDirectory(store)
        self.http = HttpOut(
            address_rule=AddressRule(allowed),
            connect_timeout=5.0,
            timeout=10.0,
            connections=100,
            user_agent="whimbrel/test",
            max_body=1_024,
        )
        self.reporter = Reporter(
            store,
            clock,
            self.partners,
            self.http,
            self.metrics,
            tallies=Tallies(store, clock, self.metrics),
            numbering=self.numbering,
            cap=CAP,
            timeout=10 * SECOND,
            wake=self._woken.set,
            chance=self._chance,
        )

    async def configure(self, partner_id: int = 1, **profile: Any) -> None:
        """Change a Partner's profile."""
        change = PartnerChange(a_partner(partner_id, **profile), self.clock.now() + 1)
        await self.store.write(change_partners, change)
        await self.partners.refresh()

    async def deliver(self) -> int | None:
        """Step once and let all posts end; return when the reporter wants to look again."""
        next_at = await self.reporter.step()
        await self.reporter.drain()
        return next_at

    async def deliver_all(self) -> None:
        """Step while there is something to be told now."""
        due = "SELECT count(*) FROM reports WHERE state = 1 AND next_at <= ?"
        while self.database.rows(due, self.clock.now()) != [(0,)]:
            await self.deliver()

    def states(self, chain_id: int = 1) -> list[ReportState]:
        sql = "SELECT state FROM reports WHERE chain_id = ? ORDER BY report_id"
        return [ReportState(state) for (state,) in self.database.rows(sql, chain_id)]

    def acknowledged(self, chain_id: int) -> int:
        return self.states(chain_id).count(ReportState.ACKNOWLEDGED)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a report that has ended makes the condition true."""
        async with asyncio.timeout(20):  # a generous bound: it only ends a failed test
            while not condition():
                await self._woken.wait()
                self._woken.clear()

    def next_at(self) -> int:
        [(moment,)] = self.database.rows("SELECT next_at FROM reports WHERE state = 1")
        return int(moment)

    def count(self, outcome: str) -> float:
        name = "whimbrel_reports_total"
        return self.metrics.registry.get_sample_value(name, {"outcome": outcome}) or 0.0

    def _chance(self) -> float:
        return self.chance


@pytest.fixture
async def stack() -> AsyncIterator[contextlib.AsyncExitStack]:
    async with contextlib.AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def spy(stack: contextlib.AsyncExitStack) -> PartnerSpy:
    """Partner 1's server."""
    return await stack.enter_async_context(PartnerSpy().serving())


@pytest.fixture
async def other_spy(stack: contextlib.AsyncExitStack) -> PartnerSpy:
    return await stack.enter_async_context(PartnerSpy().serving())


@pytest.fixture
async def reporting(
    store: SqliteStore, database: Database, clock: FakeClock, spy: PartnerSpy
) -> AsyncIterator[Reporting]:
    """A reporter that may go to loopback, and a Partner with a URL there."""
    reporting = Reporting(store, database, clock, ["127.0.0.0/8"])
    await reporting.configure(report_url=spy.url)
    yield reporting
    spy.release.set()
    await reporting.reporter.drain()
    await reporting.http.close()


async def read_by_its_subscriber(store: SqliteStore, chain_id: int = 1, **chain: Any) -> None:
    await submit(store, chain_id, f"wamid.{chain_id}", **chain)
    await receive(store, a_receipt(S.READ, provider_id=f"wamid.{chain_id}", at=START + 9_500))


# What the Partner reads

FORM = {
    "id": "order-1",
    "mtNum": "1",
    "status": 0,
    "type": "WHATSAPP",
    "doneDate": "",
    "submitDate": "2026-11-23T05:13:20+0300",
    "sourceAddr": "WHIMBREL",
    "destAddr": "79161234567",
    "text": "Hello",
    "partCount": "001",
    "errorCode": "0",
    "mccMnc": "",
    "trafficType": 1,
}
DONE = "2026-11-23T05:13:29+0300"


async def test_a_report_has_exactly_the_members_of_the_protocol(
    reporting: Reporting, spy: PartnerSpy
) -> None:
    await submit(reporting.store, partner_ref="order-1")
    await reporting.deliver()
    [post] = spy.posts
    assert post.json == FORM
    assert list(post.json) == list(FORM)
    assert post.headers["Content-Type"] == "application/json"
    assert post.headers["User-Agent"] == "whimbrel/test"
    assert not [name for name in post.headers if name.lower().startswith("webhook-")]


async def test_the_id_is_absent_where_none_was_given(reporting: Reporting, spy: PartnerSpy) -> None:
    await submit(reporting.store)
    await reporting.deliver()
    assert spy.posts[0].json == {name: value for name, value in FORM.items() if name != "id"}


async def test_each_status_has_its_own_dates(reporting: Reporting, spy: PartnerSpy) -> None:
    await read_by_its_subscriber(reporting.store, partner_ref="order-1")
    await reporting.deliver_all()
    assert [post.json for post in spy.posts] == [
        FORM,
        {**FORM, "status": 2, "doneDate": DONE},
        {**FORM, "status": 9, "doneDate": DONE},
    ]


async def test_the_network_is_told_where_the_registry_knows_the_operator(
    reporting: Reporting, spy: PartnerSpy
) -> None:
    await submit(reporting.store, partner_ref="order-1")
    await reporting.store.write(
        import_ranges, NumberingImport((9,), "file.csv", 4, some_ranges(), START)
    )
    await reporting.numbering.refresh()
    await reporting.deliver()
    assert [post.json for post in spy.posts] == [{**FORM, "mccMnc": "25001"}]


@pytest.mark.parametrize("code", [ErrorCode.FILTERED, ErrorCode.CALL_BARRED])
async def test_undelivered_tells_its_reason(
    reporting: Reporting, spy: PartnerSpy, code: ErrorCode
) -> None:
    await accept(reporting.store, a_chain(partner_ref="order-1"))
    await claim(reporting.store)
    await answer(reporting.store, Refused(1, START, code))
    await reporting.deliver()
    assert spy.posts[0].json == {**FORM, "status": 5, "errorCode": str(int(code))}


async def test_a_lifetime_that_ran_out_is_7(reporting: Reporting, spy: PartnerSpy) -> None:
    await submit(reporting.store, partner_ref="order-1")
    await reporting.store.write(expire_links, START + DAY)
    reporting.clock.advance(DAY)
    await reporting.deliver_all()
    assert spy.posts[1].json == {**FORM, "status": 5, "errorCode": "7"}


async def test_a_link_that_was_never_tried_has_no_submit_date(
    reporting: Reporting, spy: PartnerSpy
) -> None:
    await accept(reporting.store, a_chain(partner_ref="order-1"))
    await reporting.store.write(expire_links, START + DAY)
    reporting.clock.advance(DAY)
    await reporting.deliver()
    assert spy.posts[0].json == {**FORM, "status": 5, "errorCode": "7", "submitDate": ""}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (Text('Привет, "мир" \N{WAVING HAND SIGN}\n'), 'Привет, "мир" \N{WAVING HAND SIGN}\n'),
        (Image("https://img.example/a.png"), ""),
    ],
)
async def test_the_text_is_the_one_that_was_sent(
    reporting: Reporting, spy: PartnerSpy, content: Text | Image, text: str
) -> None:
    await submit(reporting.store, partner_ref="order-1", link={"content": content})
    await reporting.deliver()
    assert spy.posts[0].json == {**FORM, "text": text}


@pytest.mark.parametrize(
    ("channel", "content", "parts"),
    [
        (Channel.WHATSAPP, Text("Hello"), "001"),
        (Channel.SMS, Text("Hello"), "001"),
        (Channel.SMS, Text("long " * 62), "003"),
    ],
)
async def test_a_report_that_is_redelivered_without_its_text_says_the_rest(
    reporting: Reporting, spy: PartnerSpy, channel: Channel, content: Text, parts: str
) -> None:
    store, link = reporting.store, {"channel": channel, "content": content}
    await accept(store, a_chain(partner_ref="order-1", extra_param="place=home", link=link))
    await claim(store, lane=a_lane(channel=channel))
    taken = PartsTaken({part: f"n{part}" for part in range(1, int(parts) + 1)}, int(parts))
    await answer(store, Taken(1, START, "n1"), parts=taken)
    await store.write(expire_links, START + DAY)
    await reporting.deliver_all()
    assert await store.write(remove_contents, OldContents([1], START)) == 1
    wish = Redelivery(reporting.clock.now(), chain_id=1, acknowledged=True)
    assert await store.write(redeliver_reports, wish) == 2
    await reporting.deliver_all()

    told = [post.json for post in spy.posts]
    assert told[2:] == [{**before, "text": ""} for before in told[:2]]
    assert {one["partCount"] for one in told} == {parts}


@pytest.mark.parametrize(
    ("zone", "date"),
    [
        ("", "2026-11-23T05:13:20+0300"),
        ("Asia/Vladivostok", "2026-11-23T12:13:20+1000"),
        ("America/New_York", "2026-11-22T21:13:20-0500"),
        ("Asia/Kolkata", "2026-11-23T07:43:20+0530"),
        ("UTC", "2026-11-23T02:13:20+0000"),
    ],
)
async def test_dates_are_in_the_partners_zone(
    reporting: Reporting, spy: PartnerSpy, zone: str, date: str
) -> None:
    await reporting.configure(report_url=spy.url, zone=zone)
    await submit(reporting.store)
    await reporting.deliver()
    assert spy.posts[0].json["submitDate"] == date


async def test_the_traffic_type_is_the_partners(reporting: Reporting, spy: PartnerSpy) -> None:
    await reporting.configure(report_url=spy.url, traffic_type=TrafficType.AUTHORISATION)
    await submit(reporting.store)
    await reporting.deliver()
    assert spy.posts[0].json["trafficType"] == 6


@pytest.mark.parametrize(("registered_delivery", "told"), [(0, []), (1, [0, 5, 2]), (2, [5])])
async def test_a_partner_is_told_what_it_asked_for(
    reporting: Reporting, spy: PartnerSpy, registered_delivery: int, told: list[int]
) -> None:
    await submit(reporting.store, registered_delivery=registered_delivery)
    await receive(reporting.store, a_receipt(S.FAILED, error_code=ErrorCode.FILTERED))
    await receive(reporting.store, a_receipt(S.DELIVERED))
    await reporting.deliver_all()
    assert spy.statuses == told


CLICK = {
    "event": "click",
    "mtNum": "1",
    "id": "order-1",
    "destAddr": "79161234567",
    "shortUrl": "https://go.example/abcd",
    "targetUrl": "https://shop.example/",
    "clickedAt": "2026-11-23T05:13:29+0300",
}


async def a_first_click(store: SqliteStore, **chain: Any) -> None:
    await accept(store, a_chain(**chain))
    clicked = ClickedUrl("https://go.example/abcd", "https://shop.example/")
    report = NewClickReport(link_id(1, 0), 1, START + 9_500, clicked)
    await store.write(_tell, report)


def _tell(reports: list[NewClickReport]) -> Steps[list[None]]:
    yield from add_click_reports(reports)
    return [None] * len(reports)


async def test_a_click_has_its_own_form_and_url(
    reporting: Reporting, spy: PartnerSpy, other_spy: PartnerSpy
) -> None:
    reporting.clock.moment = START + DAY
    click_url = f"{other_spy.base}/clicks"
    await reporting.configure(report_url=spy.url, click_url=click_url, signing_secret=SECRET)
    await a_first_click(reporting.store, partner_ref="order-1", notify_url=spy.url)
    await reporting.deliver()
    [post] = other_spy.posts
    assert (post.path, post.json, list(post.json)) == ("/clicks", CLICK, list(CLICK))
    assert post.headers["webhook-signature"].startswith("v1,")
    assert spy.posts == []


async def test_a_click_without_an_id_and_in_another_zone(
    reporting: Reporting, spy: PartnerSpy
) -> None:
    reporting.clock.moment = START + DAY
    await reporting.configure(click_url=spy.url, zone="Asia/Vladivostok")
    await a_first_click(reporting.store, registered_delivery=0)
    await reporting.deliver()
    told = {**CLICK, "clickedAt": "2026-11-23T12:13:29+1000"}
    assert spy.posts[0].json == {name: value for name, value in told.items() if name != "id"}


async def test_a_click_is_tried_again_and_dies_without_a_url(
    reporting: Reporting, spy: PartnerSpy, database: Database
) -> None:
    reporting.clock.moment = START + DAY
    spy.answers.append(503)
    await reporting.configure(click_url=spy.url)
    await a_first_click(reporting.store)
    await reporting.deliver()
    assert reporting.states() == [ReportState.DUE]
    await reporting.configure(click_url="")
    reporting.clock.advance(5 * SECOND)
    await reporting.deliver()
    assert reporting.states() == [ReportState.DEAD]
    [_, (words,)] = database.rows("SELECT answer FROM report_attempts ORDER BY attempt")
    assert "no click URL" in words
    await reporting.configure(click_url=spy.url)
    wish = Redelivery(reporting.clock.now(), chain_id=1)
    await reporting.store.write(redeliver_reports, wish)
    await reporting.deliver()
    assert reporting.states() == [ReportState.ACKNOWLEDGED]
    assert spy.posts[0].body == spy.posts[1].body


# The signature


async def test_a_body_is_signed_for_a_partner_with_a_secret(
    reporting: Reporting, spy: PartnerSpy
) -> None:
    reporting.clock.moment = SystemClock().now()  # the verifier knows no other
    await reporting.configure(report_url=spy.url, signing_secret=SECRET)
    now = reporting.clock.now()
    await submit(
        reporting.store,
        now=now,
        link={"content": Text("Привет"), "due_at": now, "expires_at": now + DAY},
    )
    await reporting.deliver()
    [post] = spy.posts
    assert Webhook(SECRET).verify(post.body.decode(), post.headers) == post.json
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(post.body.decode().replace("Привет", "Пока"), post.headers)


async def test_the_signed_id_stays_when_a_report_is_repeated(
    reporting: Reporting, spy: PartnerSpy
) -> None:
    await reporting.configure(report_url=spy.url, signing_secret=SECRET)
    spy.answers.append(500)
    await submit(reporting.store)
    await reporting.deliver()
    reporting.clock.advance(5 * SECOND)
    await reporting.deliver()
    ids = [post.headers["webhook-id"] for post in spy.posts]
    assert ids == [f"msg_{link_id(1, 0)}_0"] * 2  # of no other report, even when this one is gone
    moments = [int(post.headers["webhook-timestamp"]) for post in spy.posts]
    assert moments[1] - moments[0] == 5


# Where it goes


async def test_the_requests_own_url_comes_first(
    reporting: Reporting, spy: PartnerSpy, other_spy: PartnerSpy
) -> None:
    await submit(reporting.store, notify_url=f"{other_spy.base}/mine?a=b")
    await reporting.deliver()
    assert ([post.path for post in other_spy.posts], spy.posts) == (["/mine"], [])


async def test_without_a_url_a_report_is_dead_at_once_and_can_be_redelivered(
    reporting: Reporting, spy: PartnerSpy
) -> None:
    await reporting.configure(report_url="")
    await read_by_its_subscriber(reporting.store)
    await reporting.deliver_all()
    assert reporting.states() == [ReportState.DEAD] * 3
    assert reporting.count("dead") == 3
    await reporting.configure(report_url=spy.url, zone="UTC")
    wish = Redelivery(reporting.clock.now(), chain_id=1)
    await reporting.store.write(redeliver_reports, wish)
    await reporting.deliver_all()
    assert spy.statuses == [0, 2, 9]


async def test_a_removed_partners_reports_still_go(reporting: Reporting, spy: PartnerSpy) -> None:
    await submit(reporting.store)
    partner = a_partner(report_url=spy.url)
    await reporting.store.write(remove_partners, PartnerChange(partner, START + SECOND))
    await reporting.partners.refresh()
    assert reporting.partners.by_login(partner.login) is None
    await reporting.deliver()
    assert spy.statuses == [0]


async def test_loopback_is_refused_unless_the_operator_allows_it(
    reporting: Reporting, spy: PartnerSpy, database: Database
) -> None:
    guarded = Reporting(reporting.store, database, reporting.clock, [])
    await guarded.partners.refresh()
    await submit(guarded.store)
    await guarded.deliver()
    await guarded.http.close()
    assert spy.posts == []
    [(http_status, words)] = database.rows("SELECT http_status, answer FROM report_attempts")
    assert http_status is None
    assert "127.0.0.1 is not allowed" in words
    assert guarded.states() == [ReportState.DUE]


# Acknowledged or not


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_a_2xx_is_an_acknowledgement(
    reporting: Reporting, spy: PartnerSpy, status: int
) -> None:
    spy.answers.append(status)
    await submit(reporting.store)
    await reporting.deliver()
    assert reporting.states() == [ReportState.ACKNOWLEDGED]
    assert reporting.count("acknowledged") == 1


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410, 429, 500, 503, "close"])
async def test_anything_else_is_tried_again(
    reporting: Reporting, spy: PartnerSpy, status: Answer
) -> None:
    spy.answers.append(status)
    await submit(reporting.store)
    await reporting.deliver()
    assert (reporting.states(), reporting.count("failed")) == ([ReportState.DUE], 1)
    assert [post.path for post in spy.posts] == ["/reports"]  # a redirect is not followed
    reporting.clock.moment = reporting.next_at()
    await reporting.deliver()
    assert reporting.states() == [ReportState.ACKNOWLEDGED]
    assert [post.json["status"] for post in spy.posts] == [0, 0]


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
async def test_pauses_grow_for_more_than_a_day_and_then_it_is_dead(
    reporting: Reporting, spy: PartnerSpy, chance: float
) -> None:
    reporting.chance = chance
    spy.usual_answer = 503
    await submit(reporting.store)
    for pause in PAUSES:
        await reporting.deliver()
        assert reporting.next_at() - reporting.clock.now() == round(pause * (1 + chance / 5))
        reporting.clock.moment = reporting.next_at() - 1
        await reporting.deliver()
        reporting.clock.advance(1)
    assert reporting.clock.now() - START > DAY
    await reporting.deliver()
    assert reporting.states() == [ReportState.DEAD]
    assert len(spy.posts) == len(PAUSES) + 1
    assert (reporting.count("failed"), reporting.count("dead")) == (10, 1)


async def test_each_attempt_is_kept_for_the_history(
    reporting: Reporting, spy: PartnerSpy, database: Database
) -> None:
    spy.answers.extend([503, "close"])
    await submit(reporting.store)
    for _ in range(3):
        await reporting.deliver()
        reporting.clock.advance(MINUTE)
    rows = database.rows("SELECT attempt, http_status FROM report_attempts ORDER BY attempt")
    assert rows == [(1, 503), (2, None), (3, 200)]
    assert database.rows("SELECT answer FROM report_attempts WHERE attempt = 1") == [
        ("answer 503",)
    ]


# Order


async def test_reports_of_a_chain_come_in_order_even_if_the_first_fails(
    reporting: Reporting, spy: PartnerSpy
) -> None:
    spy.answers.extend([500, 500])
    await read_by_its_subscriber(reporting.store)
    await reporting.deliver_all()
    assert spy.statuses == [0]
    reporting.clock.advance(5 * SECOND)
    await reporting.deliver_all()
    assert spy.statuses == [0, 0]
    reporting.clock.advance(30 * SECOND)
    await reporting.deliver_all()
    assert spy.statuses == [0, 0, 0, 2, 9]


async def test_only_one_report_of_a_chain_is_under_way(
    reporting: Reporting, spy: PartnerSpy
) -> None:
    spy.answers.append("hang")
    await read_by_its_subscriber(reporting.store)
    await reporting.reporter.step()
    await spy.until_posts(1)
    await reporting.reporter.step()
    spy.release.set()
    await reporting.reporter.drain()
    assert (spy.statuses, spy.most_under_way) == ([0], 1)
    await reporting.deliver_all()
    assert spy.statuses == [0, 2, 9]


# One receiver and another


async def test_a_receiver_that_hangs_does_not_delay_another_partners(
    reporting: Reporting, spy: PartnerSpy, other_spy: PartnerSpy
) -> None:
    spy.usual_answer = "hang"
    await reporting.configure(2, report_url=other_spy.url)
    for chain_id in range(1, 2 * CAP):
        await submit(reporting.store, chain_id, f"wamid.{chain_id}")
    await reporting.reporter.step()
    await spy.until_posts(CAP)
    await read_by_its_subscriber(reporting.store, 100, partner_id=2)
    for count in (1, 2, 3):
        await reporting.reporter.step()
        await other_spy.until_posts(count)
        await reporting.until(lambda done=count: reporting.acknowledged(100) == done)
    assert (other_spy.statuses, spy.under_way) == ([0, 2, 9], CAP)


async def test_a_receiver_has_so_many_reports_under_way(
    reporting: Reporting, spy: PartnerSpy
) -> None:
    spy.usual_answer = "hang"
    for chain_id in range(1, 2 * CAP):
        await submit(reporting.store, chain_id, f"wamid.{chain_id}")
    assert await reporting.reporter.step() is None  # whichever ends first wakes it
    await reporting.reporter.step()
    await spy.until_posts(CAP)
    spy.release.set()
    await reporting.reporter.drain()
    await reporting.deliver_all()
    assert (len(spy.posts), spy.most_under_way) == (2 * CAP - 1, CAP)


# The breaker


async def broken_receiver(reporting: Reporting, spy: PartnerSpy) -> None:
    """Let five reports fail, and have as many more waiting."""
    spy.usual_answer = 500
    for chain_id in range(1, 6):
        await submit(reporting.store, chain_id, f"wamid.{chain_id}")
        await reporting.deliver()
    for chain_id in range(6, 11):
        await submit(reporting.store, chain_id, f"wamid.{chain_id}")
    assert len(spy.posts) == 5


async def test_after_five_failures_nothing_is_sent_for_a_while(
    reporting: Reporting, spy: PartnerSpy
) -> None:
    await broken_receiver(reporting, spy)
    assert await reporting.deliver() == START + 5 * SECOND
    reporting.clock.advance(5 * SECOND - 1)
    await reporting.deliver()
    assert len(spy.posts) == 5


async def test_and_then_one_report_is_a_probe(reporting: Reporting, spy: PartnerSpy) -> None:
    await broken_receiver(reporting, spy)
    for pause, posts in [(5, 6), (10, 7), (20, 8), (40, 9), (60, 10), (60, 11)]:
        reporting.clock.advance(pause * SECOND - 1)
        await reporting.deliver()
        assert len(spy.posts) == posts - 1
        reporting.clock.advance(1)
        await reporting.deliver()
        await reporting.deliver()
        assert len(spy.posts) == posts


async def test_an_acknowledged_probe_lets_the_others_go(
    reporting: Reporting, spy: PartnerSpy
) -> None:
    await broken_receiver(reporting, spy)
    spy.usual_answer = 200
    reporting.clock.advance(5 * SECOND)
    await reporting.deliver()
    assert len(spy.posts) == 6
    await reporting.deliver_all()
    assert len({post.json["mtNum"] for post in spy.posts}) == 10
    assert [reporting.states(number) for number in range(1, 11)] == [
        [ReportState.ACKNOWLEDGED]
    ] * 10


async def test_the_others_keep_their_attempts_for_better_times(
    reporting: Reporting, spy: PartnerSpy, database: Database
) -> None:
    spy.usual_answer = 500
    for chain_id in range(1, 31):
        await submit(reporting.store, chain_id, f"wamid.{chain_id}")
    await reporting.deliver()
    await reporting.deliver()
    assert 5 <= len(spy.posts) <= 5 + CAP
    assert database.rows("SELECT sum(attempts) FROM reports") == [(len(spy.posts),)]


async def test_a_broken_receiver_is_of_one_partner(reporting: Reporting, spy: PartnerSpy) -> None:
    await reporting.configure(2, report_url=spy.url)
    await broken_receiver(reporting, spy)
    spy.usual_answer = 200
    await submit(reporting.store, 100, "wamid.100", partner_id=2)
    await reporting.deliver()
    assert spy.posts[-1].json["mtNum"] == "100"


# Restarts


async def test_a_report_whose_outcome_was_lost_is_sent_again(
    reporting: Reporting, spy: PartnerSpy, database: Database
) -> None:
    await submit(reporting.store)
    await reporting.deliver()
    database.rows("UPDATE reports SET state = 1, attempts = 0, next_at = ?", START + 70 * SECOND)
    reporting.clock.advance(70 * SECOND)
    await reporting.deliver()
    assert spy.statuses == [0, 0]
    assert reporting.states() == [ReportState.ACKNOWLEDGED]
