"""`whimbrel inbound list`: what subscribers wrote."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from whimbrel.cli.terminal import ConfigOption, console, moment, with_store
from whimbrel.store.mo_messages import last_mo_messages

app = typer.Typer(name="inbound", help="Messages from subscribers (MO).", no_args_is_help=True)


@app.callback()
def _noun() -> None:
    """Keep `list` a command of its own while it is the only one."""


@app.command("list")
def list_inbound(
    config: ConfigOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")] = 50,
    with_text: Annotated[bool, typer.Option(help="Show the texts, which are private.")] = False,
) -> None:
    """List the last messages from subscribers, the newest first.

    They are kept; a long one comes as its parts. Texts are shown on demand only.
    """
    rows = with_store(config, lambda store: store.read(last_mo_messages, limit))
    table = Table("received (UTC)", "channel", "account", "to", "from", "part", "text")
    for received_at, channel, account, sender, subscriber, part, parts, reference, text in rows:
        place = "" if parts == 1 else f"{part} of {parts} (reference {reference})"
        shown = "not a text" if text is None else (text if with_text else f"{len(text)} symbols")
        told = (channel, account, sender, subscriber, place, shown)
        table.add_row(moment(received_at), *map(escape, told))
    console.print(table if rows else "Nobody has written.")
