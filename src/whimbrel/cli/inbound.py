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
    """List the last messages from subscribers by WhatsApp and SMS, the newest first.

    They are kept; a long SMS comes as its parts. Texts are shown on demand only.
    """
    rows = with_store(config, lambda store: store.read(last_mo_messages, limit))
    table = Table("received (UTC)", "channel", "account", "to", "from", "part", "text")
    for row in rows:
        received_at, channel, account, sender, subscriber, part, parts, reference, kind, text = row
        place = "" if parts == 1 else f"{part} of {parts} (reference {reference})"
        told = (channel, account, sender, subscriber, place, _shown(kind, text, with_text))
        table.add_row(moment(received_at), *map(escape, told))
    console.print(table if rows else "Nobody has written.")


def _shown(kind: str | None, text: str | None, with_text: bool) -> str:
    """Say what was written: `image`, `image: its caption`; of a mere text the text alone."""
    if text is None:
        return "not a text" if kind in (None, "text") else str(kind)
    words = text if with_text else f"{len(text)} symbols"
    return words if kind in (None, "text") else f"{kind}: {words}"
