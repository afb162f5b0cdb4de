"""Partners in the console: everything that the command line can, and nothing that is secret."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from standardwebhooks import Webhook

from tests.support.builders import a_chain, accept
from tests.support.console import ConsoleClient, Shown, a_browser, an_operator, signed_in
from tests.support.gateway import (
    LOGIN,
    SENDER,
    RunningGateway,
    a_profile,
    an_account,
    running_gateway,
)
from tests.support.partner_spy import PartnerSpy
from whimbrel.clock import SystemClock
from whimbrel.domain.content import Channel
from whimbrel.domain.operator import Role
from whimbrel.domain.partner import Profile, new_profile
from whimbrel.domain.password import password_is_right
from whimbrel.flow.partner_rules import NO_SHORT_DOMAIN, BadPartner
from whimbrel.settings import ReportsSettings, Settings
from whimbrel.store.audit import AuditWish, list_deeds
from whimbrel.store.partners import (
    PartnerChange,
    StoredPartner,
    change_partners,
    find_partners,
)
from whimbrel.web.console.partner_form import profile_in, typed_of
from whimbrel.web.pages.forms import Form
from whimbrel.web.pages.words import read_words

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PLAIN = "s3cret-in-url"
SECRETS = re.compile(rf"argon2|{SECRET}|{PLAIN}")
ONE = "/console/partners/shop"
DEEDS = ["change", "disable", "enable", "password", "secret", "unsigned", "sample", "remove"]
RUSSIAN = read_words()["ru"]
NEVER_DUE = {"sender": "NOBODY", "due_at": 1 << 55, "expires_at": 1 << 55}


@pytest.fixture
def partners() -> dict[str, Profile]:
    return {
        LOGIN: a_profile(
            signing_secret=SECRET, report_url=f"https://user:{PLAIN}@shop.example/reports"
        ),
        "магазин?#": a_profile(senders=["<b>BOLD</b>"], default_sender="<b>BOLD</b>"),
    }


@pytest.fixture
async def running(tmp_path: Path, partners: dict[str, Profile]) -> AsyncIterator[RunningGateway]:
    settings = Settings(
        whatsapp={"main": an_account()},
        reports=ReportsSettings(allowed_private_subnets=["127.0.0.1/32"]),
    )
    async with running_gateway(tmp_path, settings=settings, partners=partners) as one:
        yield one


@pytest.fixture
async def admin(running: RunningGateway) -> AsyncIterator[ConsoleClient]:
    async with signed_in(running) as browser:
        yield browser


async def stored(running: RunningGateway, login: str = LOGIN) -> StoredPartner:
    found = await running.store.read(find_partners, login)
    assert found is not None
    return found


async def deeds(running: RunningGateway) -> list[tuple[Any, ...]]:
    """Return what the audit log has of Partners, the newest first: who, what, of what, details."""
    rows = await running.store.read(list_deeds, AuditWish(1 << 60, "", 100))
    return [(row[2], *row[4:]) for row in rows if row[4].startswith("partner.")]


def form_of(profile: Profile, **changes: Any) -> dict[str, Any]:
    return typed_of(profile) | changes


async def change(admin: ConsoleClient, running: RunningGateway, **changes: Any) -> Shown:
    one = await stored(running)
    form = form_of(one.partner.profile, seen=str(one.changed_at), **changes)
    return await admin.post(f"{ONE}/change", **form)


# Looking


@pytest.mark.parametrize("role", list(Role))
async def test_no_role_sees_a_secret(running: RunningGateway, role: Role) -> None:
    async with signed_in(running, role) as browser:
        for path in ("/console/partners", ONE, f"{ONE}/change"):
            shown = await browser.get(path)
            assert shown.status == (403 if "change" in path and role is not Role.ADMIN else 200)
            assert not SECRETS.search(shown.text)
        shown = await browser.get(ONE)
        assert "https://shop.example/reports" in shown.words
        assert "yes, with a secret" in shown.words
        assert ("New password" in shown.words) == (role is Role.ADMIN)


async def test_partners_are_found_by_login_and_sender(admin: ConsoleClient) -> None:
    assert "магазин?#" in (await admin.get("/console/partners")).words
    found = await admin.get("/console/partners?q=bold")
    assert "магазин?#" in found.words
    assert "shop" not in found.words
    assert "<b>BOLD" not in found.text, "names are escaped"
    assert "No Partner has this" in (await admin.get("/console/partners?q=zzz")).words


async def test_a_login_of_any_signs_has_its_page(admin: ConsoleClient) -> None:
    listed = await admin.get("/console/partners")
    paths = re.findall(r'href="(/console/partners/[^"]+)"', listed.text)
    assert len(paths) == 2
    for path in paths:
        assert (await admin.get(path)).status == 200
    assert (await admin.get("/console/partners/nobody")).status == 404


async def test_what_cannot_work_is_told(admin: ConsoleClient, running: RunningGateway) -> None:
    shown = await admin.get("/console/partners/%D0%BC%D0%B0%D0%B3%D0%B0%D0%B7%D0%B8%D0%BD%3F%23")
    assert "No account of the settings has these senders" in shown.words
    await change(admin, running, short_urls="shared", short_domain="https://go.shop.example")
    assert "short URLs have 32 characters" in (await admin.get(ONE)).words


# Making one


async def test_a_partner_is_made_and_its_secrets_are_shown_once(
    admin: ConsoleClient, running: RunningGateway
) -> None:
    form = form_of(new_profile(), senders=f"{SENDER}\r\n\r\nPLOVER ", rate="2,5", sms_ttl="30")
    made = await admin.post("/console/new-partner", login="new", sign_reports="yes", **form)

    assert made.status == 200
    assert made.headers["cache-control"] == "no-store"
    [password, secret] = re.findall(r"<output [^>]*>([^<]+)</output>", made.text)
    partner = (await stored(running, "new")).partner
    assert password_is_right(partner.password_hash, password)
    assert partner.profile == replace(
        new_profile(),
        senders=[SENDER, "PLOVER"],
        rate=2.5,
        ttl_minutes={Channel.SMS: 30},
        signing_secret=secret,
    )
    for path in ("/console/partners", "/console/partners/new", "/console/audit"):
        text = (await admin.get(path)).text
        assert password not in text
        assert secret not in text
    [(who, action, subject, details)] = await deeds(running)
    assert (who, action, subject) == ("admin", "partner.add", "new")
    assert '"signing_secret":"made"' in details


async def test_a_typed_password_is_not_shown(admin: ConsoleClient, running: RunningGateway) -> None:
    form = form_of(new_profile(), password=" typed password ")
    made = await admin.post("/console/new-partner", login="new", **form)
    assert "typed password" not in made.text
    partner = (await stored(running, "new")).partner
    assert password_is_right(partner.password_hash, " typed password ")


async def test_a_new_partner_may_send_at_once(
    admin: ConsoleClient, running: RunningGateway
) -> None:
    form = form_of(new_profile(), senders=SENDER, default_sender=SENDER, password="its-password")
    await admin.post("/console/new-partner", login="new", **form)
    await running.gateway._partners.refresh()
    status, answer = await running.send(login="new", password="its-password")
    assert status == 200, answer


@pytest.mark.parametrize("login", ["", "a b", "a/b", "x" * 65])
async def test_a_login_must_fit_into_a_path(admin: ConsoleClient, login: str) -> None:
    shown = await admin.post("/console/new-partner", login=login, **form_of(new_profile()))
    assert shown.status == 400
    assert "1 to 64 printable characters" in shown.words


async def test_a_taken_login_is_refused(admin: ConsoleClient, running: RunningGateway) -> None:
    before = await stored(running)
    form = form_of(new_profile(), rate="7")
    shown = await admin.post("/console/new-partner", login=LOGIN, **form)
    assert shown.status == 400
    assert "'shop' is taken" in shown.words
    assert 'name="rate" value="7"' in shown.text, "what was typed is still there"
    assert await stored(running) == before


# Changing one


async def test_a_form_that_is_sent_back_as_it_came_changes_nothing(
    admin: ConsoleClient, running: RunningGateway
) -> None:
    before = await stored(running)
    shown = await change(admin, running)
    assert (shown.status, shown.headers["location"]) == (303, f"{ONE}?done=saved")
    assert (await stored(running)).partner == before.partner
    assert "The changes are saved" in (await admin.get(shown.headers["location"])).words


async def test_every_member_can_be_changed(admin: ConsoleClient, running: RunningGateway) -> None:
    wanted = Profile(
        subnets=["192.0.2.0/24"],
        senders=["A", "B"],
        default_sender="B",
        message_types=[Channel.SMS],
        cascades=True,
        ttl_minutes={Channel.WHATSAPP: 60, Channel.SMS: 5},
        duplicate_control="reject",
        content_window_seconds=60,
        unanswered="fail",
        report_url="https://new.example/r",
        click_url="https://new.example/c",
        signing_secret=SECRET,
        traffic_type="6",
        zone="Asia/Omsk",
        rate=12.25,
        burst=3,
        concurrency=4,
        short_urls="per-subscriber",
        short_threshold=40,
        short_uid_length=6,
        short_idle_days=1,
        short_lifetime_days=2,
        short_domain="https://go.shop.example/l",
        content_days=8,
        history_days=9,
        visit_days=10,
    )
    shown = await change(admin, running, **typed_of(wanted))
    assert shown.status == 303, shown.words
    assert (await stored(running)).partner.profile == wanted
    shown = await admin.get(ONE)
    for words in ("12.25", "Asia/Omsk", "refused", "it fails", "https://go.shop.example/l"):
        assert words in shown.words
    [(_, action, _, details)] = await deeds(running)
    assert action == "partner.change"
    assert '"rate":12.25' in details
    assert "signing_secret" not in details, "it was not changed"


FAULTS = [
    ({"subnets": "192.0.2.0/33"}, "subnets", "does not appear to be an IPv4 or IPv6 network"),
    ({"subnets": "192.0.2.1/24"}, "subnets", "has host bits set; the network is 192.0.2.0/24"),
    ({"report_url": "shop.example"}, "report_url", "an absolute http or https URL"),
    ({"click_url": "ftp://x"}, "click_url", "an absolute http or https URL"),
    ({"report_url": "https://***@x/y"}, "report_url", "user and password are masked here"),
    ({"zone": "Moscow"}, "zone", "is not the name of a time zone"),
    ({"history_days": "6"}, "history_days", "at least 7, or 0 for ever"),
    ({"rate": "fast"}, "rate", "a number, at least 0"),
    ({"rate": "-1"}, "rate", "a number, at least 0"),
    ({"rate": "inf"}, "rate", "a number, at least 0"),
    ({"burst": "0"}, "burst", "a whole number, at least 1"),
    ({"burst": "1.5"}, "burst", "a whole number, at least 1"),
    ({"burst": "٣"}, "burst", "a whole number, at least 1"),
    ({"concurrency": ""}, "concurrency", "a whole number, at least 0"),
    ({"short_uid_length": "9"}, "short_uid_length", "a whole number from 3 to 8"),
    ({"sms_ttl": "2881"}, "sms_ttl", "a whole number from 1 to 2880"),
    ({"whatsapp_ttl": "x"}, "whatsapp_ttl", "a whole number from 1 to 10080"),
    ({"message_types": []}, "message_types", "choose at least one"),
    ({"message_types": ["PIGEON"]}, "message_types", "choose at least one"),
    ({"duplicate_control": "maybe"}, "duplicate_control", "choose one of the list"),
    ({"short_urls": "shared"}, "short_urls", NO_SHORT_DOMAIN),
    ({"short_domain": "go.example"}, "short_domain", "is not an absolute http or https URL"),
    ({"short_domain": "https://x/?y"}, "short_domain", "has more than a domain and a path"),
    ({"short_domain": "https://x/a/b/c/d"}, "short_domain", "not up to 3 segments"),
    ({"short_domain": f"https://x.{'y' * 99}"}, "short_domain", "longer than 100 characters"),
]


@pytest.mark.parametrize(("changes", "member", "told"), FAULTS)
async def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_lost(
    admin: ConsoleClient, running: RunningGateway, changes: dict[str, Any], member: str, told: str
) -> None:
    before = await stored(running)
    shown = await change(admin, running, **{"visit_days": "77", **changes})
    assert shown.status == 400
    note = re.search(rf'<div class="note" id="p-{member}-note">(.*?)</div>', shown.text, re.DOTALL)
    assert note
    assert told in note[1].replace("&#39;", "'")
    assert f'<a href="#p-{member}">' in shown.text, "the summary leads there"
    assert 'name="visit_days" value="77"' in shown.text
    assert await stored(running) == before


async def test_all_faults_are_told_at_once_in_both_languages(
    admin: ConsoleClient, running: RunningGateway
) -> None:
    english = await change(admin, running, rate="x", zone="<b>", subnets="a\nb")
    assert english.text.count('<div class="field wrong') == 3
    assert "'<b>' is not the name" in english.words
    assert "<b>' is" not in english.text
    await admin.session.post(f"{admin.url}/preferences", data={"language": "ru"})
    russian = await change(admin, running, rate="x", zone="<b>", subnets="a\nb")
    assert "«<b>» не имя часового пояса" in russian.words
    assert "«b» не похоже на сеть" in russian.words
    assert "a number" not in russian.words


@pytest.mark.parametrize("changes", [changes for changes, *_ in FAULTS])
def test_every_rule_is_translated(changes: dict[str, Any]) -> None:
    form = form_of(new_profile(), **changes)
    pairs = [(name, one) for name, value in form.items() for one in _several(value)]
    with pytest.raises(BadPartner) as refused:
        profile_in(Form(pairs), new_profile(), "")
    assert [fault.rule for fault in refused.value.faults if fault.rule not in RUSSIAN] == []


def _several(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


async def test_a_masked_url_stays_as_it_is_stored(
    admin: ConsoleClient, running: RunningGateway
) -> None:
    form = await admin.get(f"{ONE}/change")
    assert "https://***@shop.example/reports" in form.text
    await change(admin, running, rate="3")
    profile = (await stored(running)).partner.profile
    assert profile.report_url == f"https://user:{PLAIN}@shop.example/reports"


async def test_somebody_else_s_change_is_not_overwritten_unseen(
    admin: ConsoleClient, running: RunningGateway
) -> None:
    one = await stored(running)
    form = form_of(one.partner.profile, seen=str(one.changed_at), rate="5")
    csrf = await admin.csrf(f"{ONE}/change")
    quicker = replace(one.partner, profile=replace(one.partner.profile, rate=9.0))
    now = SystemClock().now()
    await running.store.write(change_partners, PartnerChange(quicker, now))

    shown = await admin.post(f"{ONE}/change", csrf=csrf, **form)
    assert shown.status == 409
    assert "Somebody else has changed this Partner meanwhile" in shown.words
    assert "Stored now: 9" in shown.words
    assert 'name="rate" value="5"' in shown.text
    assert (await stored(running)).partner.profile.rate == 9.0
    assert await deeds(running) == []

    seen = re.search(r'name="seen" value="(\d+)"', shown.text)
    assert seen
    again = await admin.post(f"{ONE}/change", csrf=csrf, **{**form, "seen": seen[1]})
    assert again.status == 303
    assert (await stored(running)).partner.profile.rate == 5.0


# Buttons


async def test_a_partner_is_disabled_and_enabled(
    admin: ConsoleClient, running: RunningGateway
) -> None:
    shown = await admin.post(f"{ONE}/disable", on=ONE)
    assert shown.headers["location"] == f"{ONE}?done=disabled"
    assert (await stored(running)).partner.disabled
    assert "disabled" in (await admin.get(ONE)).words
    await admin.post(f"{ONE}/enable", on=ONE)
    assert not (await stored(running)).partner.disabled
    assert [action for _, action, *_ in await deeds(running)] == [
        "partner.enable",
        "partner.disable",
    ]


async def test_a_new_password_is_made_and_shown_once_or_typed(
    admin: ConsoleClient, running: RunningGateway
) -> None:
    made = await admin.post(f"{ONE}/password", on=ONE, password="")
    [password] = re.findall(r"<output [^>]*>([^<]+)</output>", made.text)
    assert password_is_right((await stored(running)).partner.password_hash, password)
    assert password not in (await admin.get(ONE)).text

    typed = await admin.post(f"{ONE}/password", on=ONE, password="typed-password")
    assert "typed-password" not in typed.text
    assert password_is_right((await stored(running)).partner.password_hash, "typed-password")

    short = await admin.post(f"{ONE}/password", on=ONE, password="hunter2")
    assert short.status == 400
    assert "at least 8 characters" in short.words
    assert "hunter2" not in short.text
    assert len(await deeds(running)) == 2
    assert password not in str(await deeds(running))


async def test_a_signing_secret_is_replaced_shown_once_and_removed(
    admin: ConsoleClient, running: RunningGateway
) -> None:
    made = await admin.post(f"{ONE}/secret", on=ONE)
    assert made.headers["cache-control"] == "no-store"
    [secret] = re.findall(r"<output [^>]*>([^<]+)</output>", made.text)
    assert secret != SECRET
    Webhook(secret)
    assert (await stored(running)).partner.profile.signing_secret == secret
    assert secret not in (await admin.get(ONE)).text

    await admin.post(f"{ONE}/unsigned", on=ONE)
    assert (await stored(running)).partner.profile.signing_secret == ""
    await admin.post(f"{ONE}/secret", on=ONE)
    actions = [action for _, action, *_ in await deeds(running)]
    assert actions == ["partner.secret.make", "partner.secret.remove", "partner.secret.replace"]
    assert "whsec" not in str(await deeds(running))


async def test_a_partner_is_removed_after_being_asked(
    admin: ConsoleClient, running: RunningGateway
) -> None:
    partner_id = (await stored(running)).partner.partner_id
    await accept(running.store, a_chain(1, partner_id=partner_id, link=NEVER_DUE))
    asked = await admin.get(f"{ONE}/remove")
    assert "Messages on their way: 1." in asked.words

    refused = await admin.post(f"{ONE}/remove")
    assert refused.status == 409
    await stored(running)
    removed = await admin.post(f"{ONE}/remove", force="yes")
    assert removed.status == 303
    assert (await admin.get(ONE)).status == 404
    assert "its login is free" in (await admin.get(removed.headers["location"])).words
    assert await deeds(running) == [("admin", "partner.remove", LOGIN, '{"unsettled":1}')]


# The report URL


async def test_a_sample_is_signed_like_a_report_and_is_none(
    admin: ConsoleClient, running: RunningGateway
) -> None:
    async with PartnerSpy().serving() as spy:
        await change(admin, running, report_url=spy.url)
        shown = await admin.post(f"{ONE}/sample", on=ONE)
    assert "Acknowledged with 200." in shown.words
    assert "answer 200" in shown.words
    [post] = spy.posts
    told = Webhook(SECRET).verify(post.body, post.headers)
    assert (told["mtNum"], told["id"], told["destAddr"]) == ("0", "whimbrel-sample", "70000000000")
    assert post.headers["webhook-id"].startswith("msg_sample_")
    assert (await deeds(running))[0][1:3] == ("partner.sample", LOGIN)
    assert spy.url in (await deeds(running))[0][3]


async def test_what_a_receiver_says_to_a_sample_is_told_and_escaped(
    admin: ConsoleClient, running: RunningGateway
) -> None:
    async with PartnerSpy().serving() as spy:
        await change(admin, running, report_url=spy.url)
        spy.answers.extend([500, 302, "close"])
        assert "Answered 500: only 2xx" in (await admin.post(f"{ONE}/sample", on=ONE)).words
        redirected = await admin.post(f"{ONE}/sample", on=ONE)
        assert "Answered 302" in redirected.words, "a redirect is not followed"
        assert "no complete answer" in (await admin.post(f"{ONE}/sample", on=ONE)).words
    assert "There was no connection" in (await admin.post(f"{ONE}/sample", on=ONE)).words
    assert len(spy.posts) == 3


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2:9/r",
        "http://[::1]:9/r",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:10.0.0.1]/r",
    ],
)
async def test_a_sample_does_not_reach_inside(
    admin: ConsoleClient, running: RunningGateway, url: str
) -> None:
    await change(admin, running, report_url=url)
    shown = await admin.post(f"{ONE}/sample", on=ONE)
    assert "The address is inside" in shown.words
    assert '"outcome":"forbidden"' in (await deeds(running))[0][3]


async def test_samples_are_few_a_minute_for_each_operator(
    admin: ConsoleClient, running: RunningGateway
) -> None:
    async with PartnerSpy().serving() as spy:
        await change(admin, running, report_url=spy.url)
        statuses = [(await admin.post(f"{ONE}/sample", on=ONE)).status for _ in range(6)]
        assert statuses == [200] * 4 + [429] * 2
        await an_operator(running.store, "ben")
        async with a_browser(running.url) as other:
            await other.sign_in("ben")
            assert (await other.post(f"{ONE}/sample", on=ONE)).status == 200
    assert len(spy.posts) == 5


async def test_without_a_url_there_is_nothing_to_try(
    admin: ConsoleClient, running: RunningGateway
) -> None:
    await change(admin, running, report_url="")
    shown = await admin.post(f"{ONE}/sample", on=ONE)
    assert (shown.status, "has no report URL" in shown.words) == (400, True)


# Rights


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.READER])
async def test_who_may_not_manage_changes_nothing(running: RunningGateway, role: Role) -> None:
    before = await stored(running)
    async with signed_in(running, role) as browser:
        csrf = await browser.csrf("/console/password")
        for deed in DEEDS:
            shown = await browser.post(f"{ONE}/{deed}", csrf=csrf, password="a-new-password")
            assert shown.status == 403, deed
        assert (await browser.post("/console/new-partner", csrf=csrf, login="x")).status == 403
    assert await stored(running) == before
    assert await deeds(running) == []
