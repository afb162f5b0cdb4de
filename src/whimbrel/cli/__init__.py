"""The command line, one file a noun."""

import sqlite3

import typer
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from whimbrel import __version__
from whimbrel.cli import (
    db,
    demo,
    doctor,
    inbound,
    links,
    message,
    numbering,
    partner,
    reports,
    sandbox,
    serve,
    status,
)
from whimbrel.cli.terminal import fail
from whimbrel.settings import SettingsError
from whimbrel.store.engine import StoreUnavailable

app = typer.Typer(
    name="whimbrel",
    help="A self-hosted gateway for business messages on WhatsApp and SMS.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("sandbox")(sandbox.sandbox)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.add_typer(partner.app, name="partner")
app.add_typer(message.app, name="message")
app.add_typer(reports.app, name="reports")
app.add_typer(inbound.app, name="inbound")
app.add_typer(numbering.app, name="numbering")
app.add_typer(links.app, name="links")
app.add_typer(db.app)


@app.command("version")
def version() -> None:
    """Print the version."""
    print(__version__)


def main() -> None:
    """Run a command; what the operator can mend is told in one line."""
    try:
        app()
    except (SettingsError, StoreUnavailable) as error:
        fail(str(error))
    except CommandError as error:
        fail(f"store.path: {error}: was the file written by a newer Whimbrel?")
    except (sqlite3.Error, DBAPIError) as error:
        fail(f"store.path: {getattr(error, 'orig', error)}")
