"""`whimbrel operator`: who may sign in to the console."""

import re

import pytest

from tests.cli.conftest import Cli

pytestmark = pytest.mark.usefixtures("made")

SECRETS = re.compile(r"argon2|pass-word")


def test_an_operator_is_added_changed_and_removed(cli: Cli) -> None:
    added = cli.good("operator", "add", "ann", "--role", "reader")
    assert re.search(r"^Password: \S{24}$", added.output, re.MULTILINE)
    assert re.search(r"reader +│ hidden +│ active", cli.good("operator", "list").row("ann"))
    cli.good("operator", "set", "ann", "--role", "admin", "--sees-texts", "--disable")
    row = cli.good("operator", "list").row("ann")
    assert re.search(r"administrator +│ shown +│ disabled", row)
    cli.good("operator", "password", "ann", "--password-stdin", stdin="pass-word\n")
    cli.good("operator", "remove", "ann")
    listed = cli.good("operator", "list").output
    assert "ann" not in listed
    assert not SECRETS.search(listed)


@pytest.mark.parametrize("login", ["a b", "a/b", "", "x" * 65])
def test_a_login_that_cannot_be_one_is_named(cli: Cli, login: str) -> None:
    told = cli.refused("operator", "add", login)
    assert told.startswith("whimbrel: login: 1 to 64 printable characters")


def test_what_is_wrong_is_named(cli: Cli) -> None:
    cli.good("operator", "add", "ann")
    assert "login: 'ann' is taken" in cli.refused("operator", "add", "ann")
    assert "login: there is no operator 'ben'" in cli.refused("operator", "remove", "ben")
    short = cli.refused("operator", "password", "ann", "--password-stdin", stdin="short\n")
    assert "password: A password has at least 8 characters." in short
    assert "--role" in cli.misused("operator", "add", "ben", "--role", "boss")
