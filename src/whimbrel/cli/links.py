"""`whimbrel links`: the service that the seed calls links. In the code they are short URLs."""

import csv
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from whimbrel.cli.terminal import (
    FOREVER,
    GREATEST_MT_NUM,
    Before,
    ConfigOption,
    Since,
    console,
    moment,
    moment_of,
    with_store,
)
from whimbrel.domain.spreadsheet import harmless
from whimbrel.store.click_stats import (
    ClickStats,
    Grouping,
    StatsWish,
    count_clicks,
    count_removed_visits,
)
from whimbrel.store.engine import Store

app = typer.Typer(name="links", help="Short URLs: how they are followed.", no_args_is_help=True)
_TITLES = {
    "login": "partner",
    "day": "day (UTC)",
    "uid": "UID",
    "target": "leads to",
    "chain_id": "mtNum",
    "subscriber": "subscriber",
    "short_urls": "short URLs",
    "followed": "followed",
    "visits": "visits",
    "clicks": "clicks",
    "mobile": "mobile",
    "desktop": "desktop",
    "first_click_at": "first click",
    "last_click_at": "last click",
}
_ONE_ONLY = ("short_urls", "followed")  # says nothing of a single short URL
_COLUMNS = {
    Grouping.SHORT_URL: ("login", "uid", "target", "chain_id", "subscriber"),
    Grouping.CHAIN: ("login", "chain_id", "subscriber", *_ONE_ONLY),
    Grouping.PARTNER: ("login", *_ONE_ONLY),
    Grouping.DAY: ("day", "login", *_ONE_ONLY),
}
_COUNTS = ("visits", "clicks", "mobile", "desktop", "first_click_at", "last_click_at")


@app.callback()
def _noun() -> None:
    """Keep `stats` a command of its own while it is the only one."""


@app.command("stats")
def stats(
    config: ConfigOption = None,
    by: Annotated[Grouping, typer.Option(help="What a row is about.")] = Grouping.SHORT_URL,
    short_url: Annotated[
        str | None, typer.Option("--short-url", help="Of this one: the URL, or its UID.")
    ] = None,
    mt_num: Annotated[
        int | None, typer.Option("--mtnum", min=1, max=GREATEST_MT_NUM, help="Of this message.")
    ] = None,
    partner: Annotated[str | None, typer.Option("--partner", help="Of this login.")] = None,
    since: Since = None,
    before: Before = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many rows.")] = 50,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV instead of a table.")] = False,
) -> None:
    """Count visits and clicks, the most clicked first.

    Crawlers' visits are no clicks. A shared short URL is of no message, and one whose message was
    removed is of none any more. Removed short URLs, and removed visits, are not in here.
    """
    wish = StatsWish(
        by,
        (short_url or "").rstrip("/").rpartition("/")[2],
        mt_num or 0,
        partner or "",
        moment_of("since", since, 0),
        moment_of("before", before, FOREVER),
        limit,
    )

    async def work(store: Store) -> tuple[list[ClickStats], int]:
        return await store.read(count_clicks, wish), await store.read(count_removed_visits, wish)

    rows, removed = with_store(config, work)
    columns = (*_COLUMNS[by], *_COUNTS)
    if as_csv:
        _write_csv(rows, columns)
    else:
        table = Table(*(_TITLES[name] for name in columns))
        for row in rows:
            table.add_row(*(_shown(name, getattr(row, name)) for name in columns))
        console.print(table)
    if removed:
        note = f"Visits removed by retention, and not counted: {removed}"
        print(note, file=sys.stderr if as_csv else sys.stdout)


def _shown(name: str, value: Any) -> str:
    if name.endswith("_at"):
        return moment(value)
    if name == "day":
        return moment(value)[:10]
    return "-" if value is None else escape(str(value))


def _write_csv(rows: list[ClickStats], columns: tuple[str, ...]) -> None:
    """Write RFC 4180 with the names of the columns; moments in ISO 8601, UTC; no formulas."""
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([harmless(_plain(name, getattr(row, name))) for name in columns])


def _plain(name: str, value: Any) -> Any:
    if value is not None and (name.endswith("_at") or name == "day"):
        at = datetime.fromtimestamp(value / 1_000, UTC)
        return f"{at:%Y-%m-%d}" if name == "day" else f"{at:%Y-%m-%dT%H:%M:%S}Z"
    return value
