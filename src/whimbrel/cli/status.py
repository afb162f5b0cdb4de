"""`whimbrel status`: the queues and the senders at a glance, also beside a running gateway."""

import typer
from rich.markup import escape
from rich.table import Table

from whimbrel.cli.terminal import ConfigOption, console, moment, read_settings, with_store
from whimbrel.clock import SystemClock
from whimbrel.domain.status import LinkState
from whimbrel.settings import Settings
from whimbrel.store.engine import Store
from whimbrel.store.history import Queues, count_queues
from whimbrel.store.partners import all_partners
from whimbrel.store.senders import SenderPause, paused_senders

app = typer.Typer()
_OWN_URLS = {"": "the Partner's own URL", "clicks": "the Partner's click URL"}


@app.command()
def status(config: ConfigOption = None) -> None:
    """Show what waits, since when, and which senders are paused and why."""
    settings = read_settings(config)

    async def work(store: Store) -> tuple[Queues, list[SenderPause], dict[str, str]]:
        partners = {
            str(one.partner.partner_id): one.partner.login
            for one in await store.read(all_partners, None)
        }
        return (
            await store.read(count_queues, None),
            await store.read(paused_senders, None),
            partners,
        )

    queues, pauses, partners = with_store(config, work)
    _show_senders(settings, pauses)
    _show_links(queues, partners)
    _show_reports(queues, partners)


def _show_senders(settings: Settings, pauses: list[SenderPause]) -> None:
    resting = {(pause.channel, pause.sender): pause for pause in pauses}
    table = Table("sender", "channel", "account", "state", "since", "until (UTC)", "tried", "why")
    for name, account in settings.whatsapp.items():
        pause = resting.get(("WHATSAPP", account.sender))
        table.add_row(escape(account.sender), "WHATSAPP", name, *_condition(pause))
    for name, smsc in settings.smpp.items():
        pause = resting.get(("SMS", name))
        table.add_row(escape(", ".join(smsc.senders)), "SMS", name, *_condition(pause))
    console.print(table)


def _condition(pause: SenderPause | None) -> list[str]:
    if pause is None:
        return ["[green]working[/]", "-", "-", "-", ""]
    since, why = _age(SystemClock().now(), pause.paused_since), escape(pause.reason)
    if not pause.holds:  # there is no connection; it is looked for all the time
        return ["[red]no connection[/]", since, "-", "-", why]
    return ["[red]paused[/]", since, moment(pause.paused_until), str(pause.holds), why]


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
