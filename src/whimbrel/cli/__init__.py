"""The command line, one file a noun.

A command imports its own noun alone, so that `whimbrel partner list` does not wait for the modules
of the gateway, nor the gateway for the sandbox's. Help, and a noun that is none, need them all.
"""

import sqlite3
import sys
from collections.abc import Iterable
from importlib import import_module

import typer

from whimbrel.cli.terminal import fail
from whimbrel.settings import SettingsError
from whimbrel.store.engine import StoreUnavailable

NOUNS = (
    "demo",
    "serve",
    "sandbox",
    "status",
    "doctor",
    "simulate",
    "version",
    "partner",
    "operator",
    "message",
    "reports",
    "inbound",
    "numbering",
    "links",
    "db",
)


def main() -> None:
    """Run a command; what the operator can mend is told in one line."""
    noun = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        command_line([noun] if noun in NOUNS else NOUNS)()
    except (SettingsError, StoreUnavailable) as error:
        fail(str(error))
    except sqlite3.Error as error:
        fail(f"store.path: {error}")


def command_line(nouns: Iterable[str]) -> typer.Typer:
    """Return the commands of some nouns."""
    app = typer.Typer(
        name="whimbrel",
        help="A self-hosted gateway for business messages on WhatsApp and SMS.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_show_locals=False,
    )
    for noun in nouns:
        app.add_typer(import_module(f"whimbrel.cli.{noun}").app)
    return app
