"""`whimbrel reports`: reports, of states and of clicks, that wait, failed or are dead."""

from enum import StrEnum
from typing import Annotated

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
    fail,
    moment,
    moment_of,
    with_store,
)
from whimbrel.clock import SystemClock
from whimbrel.domain.status import CLICKED
from whimbrel.flow.redelivery import Wish
from whimbrel.flow.redelivery import redeliver as redeliver_many
from whimbrel.store.engine import Store
from whimbrel.store.history import ReportFilter, list_reports
from whimbrel.store.partners import all_partners
from whimbrel.store.reports import Redelivery, ReportState, redeliver_reports

app = typer.Typer(name="reports", help="Delivery reports to Partners.", no_args_is_help=True)
_ANY_STATE = -1


class StateOption(StrEnum):
    """What a report may be listed by."""

    HELD = "held"
    DUE = "due"
    ACKNOWLEDGED = "acknowledged"
    DEAD = "dead"


MtNum = Annotated[
    int | None, typer.Option("--mtnum", min=1, max=GREATEST_MT_NUM, help="Of this message.")
]
PartnerOption = Annotated[str | None, typer.Option("--partner", help="Of this login.")]


@app.command("list")
def list_command(
    config: ConfigOption = None,
    mt_num: MtNum = None,
    partner: PartnerOption = None,
    state: Annotated[StateOption | None, typer.Option(help="In this state.")] = None,
    since: Since = None,
    before: Before = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
) -> None:
    """List reports, the newest first."""
    wish = ReportFilter(
        mt_num or 0,
        partner or "",
        moment_of("since", since, 0),
        moment_of("before", before, FOREVER),
        ReportState[state.name] if state else _ANY_STATE,
        limit,
    )
    rows = with_store(config, lambda store: store.read(list_reports, wish))
    table = Table(
        "mtNum", "partner", "status", "state", "attempts", "next", "created", "last answer"
    )
    for _, chain_id, login, status, kept, attempts, next_at, created_at, http, answer in rows:
        due = moment(next_at) if kept == ReportState.DUE else "-"
        last = f"{http or ''} {answer or ''}".strip()
        name = ReportState(kept).name.lower()
        table.add_row(
            str(chain_id), escape(login), _status(status), name, str(attempts), due,
            moment(created_at), escape(last[:80]),
        )  # fmt: skip
    console.print(table)


@app.command("redeliver")
def redeliver(
    config: ConfigOption = None,
    mt_num: MtNum = None,
    partner: PartnerOption = None,
    since: Since = None,
    before: Before = None,
    acknowledged: Annotated[
        bool, typer.Option(help="Also what the receiver has acknowledged, not only the dead.")
    ] = False,
) -> None:
    """Send dead reports once more: one message's, or a Partner's of a time range."""
    if (mt_num is None) == (partner is None):
        fail("name either --mtnum or --partner")
    if partner is not None and since is None:
        fail("--partner needs --since")
    clock = SystemClock()
    start, end = moment_of("since", since, 0), moment_of("before", before, FOREVER)

    async def work(store: Store) -> int:
        if mt_num is not None:
            of_chain = Redelivery(clock.now(), mt_num, acknowledged)
            return await store.write(redeliver_reports, of_chain)
        partner_id = await _partner_id(store, partner or "")
        return await redeliver_many(store, clock, Wish(partner_id, start, end, acknowledged))

    count = with_store(config, work)
    console.print(f"{count} reports are due again.")


def _status(status: int) -> str:
    return "click" if status == CLICKED else str(status)


async def _partner_id(store: Store, login: str) -> int:
    stored = await store.read(all_partners, None)
    found = [one.partner for one in stored if one.partner.login == login]
    return found[0].partner_id if found else fail(f"login: there is no Partner {login!r}")
