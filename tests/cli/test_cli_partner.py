"""`whimbrel partner`: what is set is kept, what is secret is shown once, what is wrong is named."""

import re

import pytest

from tests.cli.conftest import ACCOUNT, Cli, Keep
from tests.support import builders
from tests.support.builders import Database
from whimbrel.domain.password import password_is_right

pytestmark = pytest.mark.usefixtures("made")

SECRETS = re.compile(r"argon2|whsec_|very-secret|pass-word")


def test_a_new_partner_is_listed_and_shown(cli: Cli) -> None:
    cli.good(
        *("partner", "add", "shop", "--password-stdin"),
        *("--sender", "PLOVER", "--default-sender", "WHIMBREL", "--type", "WHATSAPP"),
        *("--unanswered", "fail"),
        *("--whatsapp-ttl", 2880, "--duplicate-control", "return", "--content-window", 60),
        *("--report-url", "https://shop.example/reports", "--traffic-type", 6),
        *("--zone", "Asia/Yekaterinburg", "--rate", 20, "--burst", 50, "--concurrency", 8),
        *("--subnet", "192.0.2.0/24", "--subnet", "2001:db8::/32", "--sign-reports"),
        stdin="pass-word\n",
    )

    row = cli.good("partner", "list").row("shop")
    for word in ("PLOVER, WHIMBREL", "return", "20/s", "https://shop.example/reports", "active"):
        assert word in row
    shown = cli.good("partner", "show", "shop").output
    for line in (
        "login: shop  (active)",
        "subnets: ['192.0.2.0/24', '2001:db8::/32']",
        "senders: ['PLOVER', 'WHIMBREL']",
        "default_sender: WHIMBREL",
        "ttl_minutes: {'WHATSAPP': 2880}",
        "duplicate_control: return",
        "unanswered: fail",
        "content_window_seconds: 60",
        "report_url: https://shop.example/reports",
        "signing_secret: set",
        "traffic_type: 6",
        "zone: Asia/Yekaterinburg",
        "rate: 20.0",
        "burst: 50",
        "concurrency: 8",
    ):
        assert line in shown.splitlines()


def test_what_becomes_of_unanswered_messages_can_be_changed(cli: Cli) -> None:
    cli.good("partner", "add", "shop")
    assert "unanswered: auto\n" in cli.good("partner", "show", "shop").output
    cli.good("partner", "set", "shop", "--unanswered", "resend")
    cli.good("partner", "set", "shop", "--rate", 5)
    assert "unanswered: resend\n" in cli.good("partner", "show", "shop").output
    assert "--unanswered" in cli.misused("partner", "set", "shop", "--unanswered", "maybe")


def test_what_is_shown_is_what_was_set_whatever_its_brackets(cli: Cli) -> None:
    url, sender = "http://[fd00::1]:8080/reports", "[red]SHOP[/red]"
    cli.good("partner", "add", "[b]shop", "--report-url", url, "--sender", sender)

    row = cli.good("partner", "list").row("active")
    shown = cli.good("partner", "show", "[b]shop").output

    assert all(text in row for text in ("[b]shop", url, sender))
    assert all(text in shown for text in ("login: [b]shop", url, sender))


def test_a_made_password_is_shown_once(cli: Cli) -> None:
    added = cli.good("partner", "add", "shop").output

    password = re.search(r"^Password: (\S+)$", added, re.MULTILINE)
    assert password
    assert password_is_right(stored_hash(cli), password[1])
    for command in ("list", "show shop"):
        assert password[1] not in cli.good("partner", *command.split()).output


def test_a_given_password_is_never_shown(cli: Cli) -> None:
    added = cli.good("partner", "add", "shop", "--password-stdin", stdin="pass-word\n")

    assert password_is_right(stored_hash(cli), "pass-word")
    outputs = [added, cli.good("partner", "list"), cli.good("partner", "show", "shop")]
    assert not any(SECRETS.search(one.output) for one in outputs)


def test_a_signing_secret_is_shown_when_it_is_made_and_never_again(cli: Cli) -> None:
    secret = r"^Signing secret: (whsec_\S+)$"
    first = re.search(
        secret, cli.good("partner", "add", "shop", "--sign-reports").output, re.MULTILINE
    )
    assert first
    assert "signing_secret: set" in cli.good("partner", "show", "shop").output

    second = re.search(
        secret, cli.good("partner", "set", "shop", "--new-signing-secret").output, re.MULTILINE
    )
    assert second
    assert second[1] != first[1]
    cli.good("partner", "set", "shop", "--no-signing")

    shown = cli.good("partner", "show", "shop").output
    assert "signing_secret: none" in shown
    assert not SECRETS.search(shown + cli.good("partner", "list").output)


def test_a_new_password_replaces_the_old_one(cli: Cli) -> None:
    cli.good("partner", "add", "shop", "--password-stdin", stdin="pass-word\n")

    changed = cli.good("partner", "password", "shop", "--password-stdin", stdin="pass-word-2\n")

    assert not SECRETS.search(changed.output)
    assert password_is_right(stored_hash(cli), "pass-word-2")
    assert not password_is_right(stored_hash(cli), "pass-word")


def test_a_made_new_password_is_shown_once(cli: Cli) -> None:
    cli.good("partner", "add", "shop")

    password = re.search(
        r"^Password: (\S+)$", cli.good("partner", "password", "shop").output, re.MULTILINE
    )

    assert password
    assert password_is_right(stored_hash(cli), password[1])


def test_set_changes_what_is_named_and_nothing_else(cli: Cli) -> None:
    cli.good("partner", "add", "shop", "--rate", 20, "--report-url", "https://shop.example/r")

    cli.good("partner", "set", "shop", "--rate", 5)

    shown = cli.good("partner", "show", "shop").output
    assert "rate: 5.0" in shown
    assert "report_url: https://shop.example/r" in shown


def test_an_empty_value_takes_a_setting_back(cli: Cli) -> None:
    cli.good(
        *("partner", "add", "shop", "--subnet", "192.0.2.0/24", "--zone", "Asia/Omsk"),
        *("--report-url", "https://shop.example/r"),
    )

    cli.good("partner", "set", "shop", "--subnet", "", "--zone", "", "--report-url", "")

    lines = cli.good("partner", "show", "shop").output.splitlines()
    assert {"subnets: -", "zone: -", "report_url: -"} <= set(lines)


def test_short_urls_are_set_per_partner(cli: Cli) -> None:
    cli.good("partner", "add", "shop")
    lines = cli.good("partner", "show", "shop").output.splitlines()
    assert {"short_urls: off", "short_threshold: 26", "short_uid_length: 8"} <= set(lines)

    cli.good(
        *("partner", "set", "shop", "--short-urls", "per-subscriber"),
        *("--short-domain", "https://go.shop.example/l/", "--short-threshold", 40),
        *("--short-uid-length", 6, "--short-idle-days", 30, "--short-lifetime-days", 365),
    )

    lines = cli.good("partner", "show", "shop").output.splitlines()
    assert {
        "short_urls: per-subscriber",
        "short_threshold: 40",
        "short_uid_length: 6",
        "short_idle_days: 30",
        "short_lifetime_days: 365",
        "short_domain: https://go.shop.example/l",
    } <= set(lines)

    cli.good("partner", "set", "shop", "--short-urls", "off", "--short-domain", "")
    lines = cli.good("partner", "show", "shop").output.splitlines()
    assert {"short_urls: off", "short_domain: -", "short_threshold: 40"} <= set(lines)


@pytest.mark.parametrize("command", ["add", "set"])
def test_short_urls_need_a_domain(cli: Cli, command: str) -> None:
    if command == "set":
        cli.good("partner", "add", "shop")
    words = ("partner", command, "shop", "--short-urls", "shared")

    error = cli.refused(*words)
    for word in ("short-urls: ", "--short-domain", "short_urls.base_url", "server.public_url"):
        assert word in error

    cli.configure({"whatsapp.main": ACCOUNT, "server": {"public_url": "https://gw.example"}})
    cli.good(*words)


def test_an_operator_is_told_if_texts_will_grow(cli: Cli) -> None:
    domain = ("--short-urls", "shared", "--short-domain")
    short = cli.good("partner", "add", "a", *domain, "https://go.example")
    long = cli.good("partner", "add", "b", *domain, "https://go.shop.example")
    mended = cli.good("partner", "set", "b", "--short-threshold", 32)

    assert "short URLs have 27 characters" in short.output  # 26 is the threshold
    assert "short URLs have 32 characters" in long.output
    assert "Note" not in mended.output


def test_a_disabled_partner_can_be_enabled_again(cli: Cli) -> None:
    cli.good("partner", "add", "shop")

    cli.good("partner", "disable", "shop")
    assert "disabled" in cli.good("partner", "list").row("shop")
    cli.good("partner", "set", "shop", "--rate", 1)
    assert "disabled" in cli.good("partner", "list").row("shop"), "set alone must not enable"
    cli.good("partner", "set", "shop", "--enable")
    assert "active" in cli.good("partner", "list").row("shop")


def test_a_removed_partner_frees_its_login(cli: Cli) -> None:
    cli.good("partner", "add", "shop", "--rate", 20)
    cli.good("partner", "remove", "shop")

    assert "shop" not in cli.good("partner", "list").output
    assert "there is no Partner 'shop'" in cli.refused("partner", "show", "shop")
    cli.good("partner", "add", "shop")
    assert "rate: 0.0" in cli.good("partner", "show", "shop").output


def test_a_partner_with_messages_under_way_is_removed_only_by_force(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")
    keep(lambda store: builders.accept(store, builders.a_chain()))

    assert "1 messages on their way" in cli.refused("partner", "remove", "shop")
    assert "shop" in cli.good("partner", "list").output
    cli.good("partner", "remove", "shop", "--force")
    assert "shop" not in cli.good("partner", "list").output


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--subnet", "192.0.2.0/33", ["subnet", "192.0.2.0/33"]),
        ("--subnet", "192.0.2.1/24", ["subnet", "host bits"]),
        ("--report-url", "shop.example/r", ["report-url", "absolute"]),
        ("--report-url", "ftp://shop.example/r", ["report-url", "http or https"]),
        ("--zone", "Moscow", ["zone", "'Moscow'"]),
        ("--short-domain", "go.example", ["short-domain", "'go.example'", "absolute"]),
        ("--short-domain", "https://go.example/?x=", ["short-domain", "a domain and a path"]),
        ("--short-domain", "https://go.example/a/b/c/d", ["short-domain", "3 segments"]),
    ],
)
@pytest.mark.parametrize("command", ["add", "set"])
def test_a_wrong_value_is_named_and_changes_nothing(
    cli: Cli, command: str, option: str, value: str, told: list[str]
) -> None:
    if command == "set":
        cli.good("partner", "add", "shop")
    before = cli.good("partner", "list").output

    error = cli.refused("partner", command, "shop", option, value)

    for word in told:
        assert word in error
    assert cli.good("partner", "list").output == before


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--rate", "-1"),
        ("--rate", "fast"),
        ("--burst", "0"),
        ("--concurrency", "-1"),
        ("--whatsapp-ttl", "10081"),
        ("--sms-ttl", "2881"),
        ("--content-window", "-1"),
        ("--duplicate-control", "maybe"),
        ("--type", "PIGEON"),
        ("--traffic-type", "3"),
        ("--short-urls", "on"),
        ("--short-threshold", "-1"),
        ("--short-uid-length", "2"),
        ("--short-uid-length", "9"),
        ("--short-idle-days", "-1"),
        ("--short-lifetime-days", "soon"),
    ],
)
def test_a_value_out_of_range_is_a_misuse_that_names_the_option(
    cli: Cli, option: str, value: str
) -> None:
    assert option in cli.misused("partner", "add", "shop", option, value)


@pytest.mark.parametrize("login", ["", "a b", "a/b", "a\tb", "x" * 65])
def test_a_login_must_fit_into_a_path(cli: Cli, login: str) -> None:
    assert "login: 1 to 64" in cli.refused("partner", "add", login)


@pytest.mark.parametrize("login", ["check", "console", "openapi.json"])
def test_a_login_is_no_path_of_the_gateway(cli: Cli, login: str) -> None:
    told = cli.refused("partner", "add", login)
    assert f"login: /{login} is a path of the gateway" in " ".join(told.split())


def test_a_taken_login_is_refused_and_keeps_its_password(cli: Cli) -> None:
    cli.good("partner", "add", "shop", "--password-stdin", stdin="pass-word\n")

    assert "'shop' is taken" in cli.refused("partner", "add", "shop")
    assert password_is_right(stored_hash(cli), "pass-word")


@pytest.mark.parametrize("command", ["add", "password"])
@pytest.mark.parametrize("stdin", ["", "\n", "short\n"])
def test_a_short_password_is_refused(cli: Cli, command: str, stdin: str) -> None:
    if command == "password":
        cli.good("partner", "add", "shop")

    error = cli.refused("partner", command, "shop", "--password-stdin", stdin=stdin)

    assert "password: A password has at least 8 characters" in error


@pytest.mark.parametrize("command", ["show", "set", "disable", "remove", "password"])
def test_a_partner_that_is_not_there_is_named(cli: Cli, command: str) -> None:
    assert "there is no Partner 'nobody'" in cli.refused("partner", command, "nobody")


def stored_hash(cli: Cli) -> str:
    """Return the password hash of the only Partner, as it is in the store."""
    [row] = rows(cli, "SELECT password_hash FROM partners")
    return row[0]


def rows(cli: Cli, sql: str) -> list[tuple[str, ...]]:
    database = Database.__new__(Database)
    database.path = cli.folder / "whimbrel.db"
    return database.rows(sql)


def ages(cli: Cli) -> list[str]:
    """Return what is shown of a Partner's ages: content, history, visits."""
    shown = cli.good("partner", "show", "shop").output.splitlines()
    kept = dict(line.split(": ", 1) for line in shown if "_days" in line)
    return [kept[f"{name}_days"] for name in ("content", "history", "visit")]


def test_what_a_new_partner_sends_is_kept_for_a_time(cli: Cli) -> None:
    cli.good("partner", "add", "shop")
    assert ages(cli) == ["30", "365", "365"]


def test_how_long_it_is_kept_can_be_set(cli: Cli) -> None:
    options = ("--content-days", 1, "--history-days", 7, "--visit-days", 2)
    cli.good("partner", "add", "shop", *options)
    assert ages(cli) == ["1", "7", "2"]
    cli.good("partner", "set", "shop", "--history-days", 0)
    assert ages(cli) == ["1", "0", "2"]


@pytest.mark.parametrize("days", [1, 6])
def test_a_history_is_kept_for_a_week_at_least(cli: Cli, days: int) -> None:
    told = cli.refused("partner", "add", "shop", "--history-days", days)
    assert told == "whimbrel: history-days: at least 7, or 0 for ever\n"
    assert "--visit-days" in cli.misused("partner", "add", "shop", "--visit-days", -1)
