"""`whimbrel status`: the queues and the senders at a glance, also beside a running gateway."""

from typing import NamedTuple

import typer
from rich.markup import escape
from rich.table import Table

from whimbrel.cli.terminal import ConfigOption, console, moment, read_settings, with_store
from whimbrel.clock import SystemClock
from whimbrel.domain.status import LinkState
from whimbrel.flow.standing import (
    Condition,
    SenderState,
    missing_roles,
    nodes_at_work,
    sender_states,
)
from whimbrel.settings import Settings
from whimbrel.store.engine import Store
from whimbrel.store.holdings import Holding, all_holdings
from whimbrel.store.nodes import StoredNode, all_nodes
from whimbrel.store.partners import all_partners
from whimbrel.store.queues import Queues, count_queues
from whimbrel.store.senders import SenderPause, paused_senders

app = typer.Typer()
_OWN_URLS = {"": "the Partner's own URL", "clicks": "the Partner's click URL"}


@app.command()
def status(config: ConfigOption = None) -> None:
    """Show what waits, since when, and which senders are paused and why."""
    settings = read_settings(config)

    async def work(store: Store) -> tuple[Queues, list[SenderPause], dict[str, str], _Cluster]:
        partners = {
            str(one.partner.partner_id): one.partner.login
            for one in await store.read(all_partners, None)
        }
        return (
            await store.read(count_queues, None),
            await store.read(paused_senders, None),
            partners,
            _Cluster(await store.read(all_nodes, None), await store.read(all_holdings, None)),
        )

    queues, pauses, partners, cluster = with_store(config, work)
    if settings.store.url:
        _show_nodes(cluster)
    _show_senders(settings, pauses)
    _show_links(queues, partners)
    _show_reports(queues, partners)


class _Cluster(NamedTuple):
    """Who works on the store, and which senders each has."""

    nodes: list[StoredNode]
    holdings: list[Holding]


def _show_nodes(cluster: _Cluster) -> None:
    """Show the nodes that are there, and which role is nobody's."""
    now = SystemClock().now()
    table = Table("node", "name", "roles", "version", "started (UTC)", "last seen", "sends through")
    present = nodes_at_work(cluster.nodes, cluster.holdings, now)
    for node, is_late, accounts in present:
        seen = _age(now, node.seen_at)
        table.add_row(
            str(node.node_id),
            escape(node.name),
            node.roles,
            node.version,
            moment(node.started_at),
            f"[red]{seen}[/]" if is_late else seen,
            escape(", ".join(accounts)) or "-",
        )
    console.print(table if present else "[red]No node is at work.[/]")
    missing = missing_roles(present)
    if present and missing:
        console.print(f"[red]No node has the role {', '.join(missing)}.[/]")


def _show_senders(settings: Settings, pauses: list[SenderPause]) -> None:
    table = Table("sender", "channel", "account", "state", "since", "until (UTC)", "tried", "why")
    for one in sender_states(settings, pauses, ()):
        table.add_row(escape(", ".join(one.senders)), one.channel, one.account, *_condition(one))
    console.print(table)


def _condition(sender: SenderState) -> list[str]:
    pause, condition = sender.pause, sender.condition
    if pause is None:
        return [f"[green]{condition}[/]", "-", "-", "-", ""]
    since, why = _age(SystemClock().now(), pause.paused_since), escape(pause.reason)
    if condition is Condition.DISCONNECTED:
        return [f"[red]{condition}[/]", since, "-", "-", why]
    return [f"[red]{condition}[/]", since, moment(pause.paused_until), str(pause.holds), why]


def _show_links(queues: Queues, partners: dict[str, str]) -> None:
    now = SystemClock().now()
    table = Table(
        "messages of", "sender", "channel", "state", "count", "due since", "next lifetime ends"
    )
    for lane, state, count, due_at, expires_at in queues.links:
        channel, partner_id, sender = lane.split("/", 2)
        login = partners.get(partner_id, partner_id)
        row = [escape(login), escape(sender), channel, LinkState(state).name.lower(), str(count)]
        if state == LinkState.HELD:
            table.add_row(*row, "after the one before", "-")
            continue
        due = _age(now, due_at) if due_at <= now else f"in {_span(due_at - now)}"
        table.add_row(*row, due, moment(expires_at))
    console.print(table if queues.links else "No messages on their way.")
    if queues.parked:
        since = _age(now, queues.parked_since or now)
        console.print(
            f"{queues.parked} receipts wait for a message that is not known, oldest {since}."
        )


def _show_reports(queues: Queues, partners: dict[str, str]) -> None:
    now = SystemClock().now()
    table = Table("reports of", "receiver", "count", "oldest", "next attempt (UTC)")
    for lane, count, created_at, next_at in queues.reports:
        partner_id, _, origin = lane.partition("/")
        login = partners.get(partner_id, partner_id)
        receiver = _OWN_URLS.get(origin, origin)
        table.add_row(
            escape(login), escape(receiver), str(count), _age(now, created_at), moment(next_at)
        )
    console.print(table if queues.reports else "No reports wait.")
    if queues.dead_reports:
        console.print(
            f"[red]{queues.dead_reports} reports are dead[/]: whimbrel reports list --state dead"
        )


def _age(now: int, at: int) -> str:
    return f"{_span(max(now - at, 0))} ago"


def _span(milliseconds: int) -> str:
    seconds = milliseconds // 1_000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
