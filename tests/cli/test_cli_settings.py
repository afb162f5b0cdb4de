"""What every command does first: find the settings, and say what is wrong with them."""

from typing import Any

import pytest

import whimbrel
from tests.cli.conftest import ACCOUNT, Cli


def test_the_version_is_told(cli: Cli) -> None:
    assert cli.good("version").output == f"{whimbrel.__version__}\n"


def test_no_command_shows_the_commands(cli: Cli) -> None:
    shown = cli().output

    for command in ("demo", "serve", "sandbox", "partner", "message", "reports", "status"):
        assert command in shown


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"server": {"prot": 8080}}, ["prot", "$.server"]),
        ({"sevrer": {"port": 8080}}, ["sevrer"]),
        ({"server": {"port": "http"}}, ["int", "$.server.port"]),
        ({"server": {"port": 65_536}}, ["65535", "$.server.port"]),
        ({"server": {"trusted_proxies": ["10.0.0.0/33"]}}, ["server.trusted_proxies", "/33"]),
        (
            {"reports": {"allowed_private_subnets": ["10.0.0.1/8"]}},
            ["reports.allowed_private_subnets", "host bits"],
        ),
        ({"short_urls": {"base_url": "go.example"}}, ["$.short_urls.base_url", "https?"]),
        ({"log": {"level": "loud"}}, ["$.log.level", "error"]),
        ({"dispatch": {"submit_timeout_seconds": 0}}, ["$.dispatch.submit_timeout_seconds", "0"]),
        ({"whatsapp.main": {**ACCOUNT, "tokn": "x"}}, ["whatsapp.main", "tokn"]),
        ({"whatsapp.main": {"sender": "WHIMBREL"}}, ["whatsapp.main", "phone_number_id"]),
        ({"whatsapp.main": {**ACCOUNT, "phone_number_id": "+7"}}, ["whatsapp.main", "^[0-9]+$"]),
        (
            {"whatsapp.main": {**ACCOUNT, "base_url": "ftp://x"}},
            ["whatsapp.main", "base_url", "https?"],
        ),
        (
            {"whatsapp.main": {**ACCOUNT, "token": "env:NO_SUCH_VARIABLE"}},
            ["whatsapp.main.token", "NO_SUCH_VARIABLE"],
        ),
        (
            {"whatsapp.one": ACCOUNT, "whatsapp.two": ACCOUNT},
            ["whatsapp.two.sender", "whatsapp.one", "WHIMBREL"],
        ),
        ({'whatsapp."a/b"': ACCOUNT}, ["whatsapp.a/b", "letters"]),
    ],
)
def test_a_wrong_setting_is_named(
    cli: Cli, sections: dict[str, dict[str, Any]], told: list[str]
) -> None:
    cli.configure(sections)

    error = cli.refused("status")

    for word in told:
        assert word in error
    assert "very-secret" not in error


def test_a_file_that_is_not_toml_is_named_with_the_line(cli: Cli) -> None:
    (cli.folder / "whimbrel.toml").write_text("[server\n")

    error = cli.refused("status")

    assert "whimbrel.toml: not TOML" in error
    assert "line 1" in error


def test_a_file_that_is_not_there_is_named(cli: Cli) -> None:
    assert "nowhere.toml: No such file" in cli.refused("status", "--config", "nowhere.toml")


def test_the_environment_may_name_the_file(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHIMBREL_CONFIG", "elsewhere.toml")

    assert "elsewhere.toml" in cli.refused("status")


def test_the_environment_wins_over_the_file(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHIMBREL_STORE_PATH", "other.db")

    cli.good("status")

    assert (cli.folder / "other.db").exists()
    assert not (cli.folder / "whimbrel.db").exists()


def test_a_wrong_value_in_the_environment_is_named(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHIMBREL_SERVER_PORT", "eighty")

    assert "$.server.port" in cli.refused("status")


def test_a_secret_may_come_from_the_environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.configure({"whatsapp.main": {**ACCOUNT, "token": "env:META_TOKEN"}})
    monkeypatch.setenv("META_TOKEN", "very-secret-token")

    assert "very-secret" not in cli.good("status").output


def test_a_store_in_a_folder_that_is_not_there_is_named(cli: Cli) -> None:
    cli.configure({"store": {"path": "nowhere/whimbrel.db"}})

    assert "store.path: there is no folder" in cli.refused("status")


def test_a_store_that_is_no_database_is_told_in_one_line(cli: Cli) -> None:
    (cli.folder / "whimbrel.db").write_text("This is a shopping list, and rather a long one.\n" * 9)

    assert "not a database" in cli.refused("status")


def test_serving_without_an_account_is_refused(cli: Cli) -> None:
    cli.configure({"server": {"port": 0}})

    assert "[whatsapp.NAME]" in cli.refused("serve")
