"""`whimbrel message`: everything that is known of one message; cancelling it, sending it again."""

from typing import Annotated

import typer
from rich.table import Table

from whimbrel.cli.message_story import event_rows, request_lines, step_lines
from whimbrel.cli.terminal import (
    GREATEST_MT_NUM,
    ConfigOption,
    console,
    fail,
    moment,
    read_settings,
    with_store,
)
from whimbrel.clock import DAY, SystemClock
from whimbrel.domain.chain_id import accepted_about
from whimbrel.flow.narrative import narrate
from whimbrel.flow.sender_accounts import sms_accounts
from whimbrel.store.audit import Audited, AuditEntry, audited, note_deeds
from whimbrel.store.cancelling import CalledOff, Cancellation, cancel_chains
from whimbrel.store.engine import Store
from whimbrel.store.history import Story, tell_stories
from whimbrel.store.partners import all_partners

app = typer.Typer(
    name="message", help="Messages: what became of them, and why.", no_args_is_help=True
)

_CLOCK = SystemClock()
OPERATOR, ADDRESS = "whimbrel", "command line"
"""Who did it, for the audit log: whoever may run commands here is known to the machine alone."""

MtNum = Annotated[
    int,
    typer.Argument(metavar="MTNUM", min=1, max=GREATEST_MT_NUM, help="The message's number."),
]
_cancel_audited = audited(cancel_chains)


@app.command("show")
def show(
    mt_num: MtNum,
    config: ConfigOption = None,
    with_text: Annotated[bool, typer.Option(help="Show the text, which may hold a code.")] = False,
) -> None:
    """Show the whole history of a message: request, submits, receipts, reports."""

    async def work(store: Store) -> tuple[Story | None, int]:
        stored = await store.read(all_partners, None)
        days = [one.partner.profile.history_days for one in stored]
        return await store.read(tell_stories, mt_num), min(filter(None, days), default=0)

    story, shortest = with_store(config, work)
    if story is None:
        fail(f"there is no message {mt_num}{_perhaps_removed(mt_num, shortest)}")
    now = _CLOCK.now()
    told = narrate(story, now, sms_accounts(read_settings(config)))
    for line in request_lines(told, now):
        console.print(line, soft_wrap=True)
    for step in told.steps:
        for line in step_lines(step, told.content_removed_at, with_text=with_text):
            console.print(line, soft_wrap=True)
    timeline = Table("when (UTC)", "what", "details", box=None, pad_edge=False)
    for row in event_rows(told):
        timeline.add_row(*row)
    console.print(timeline)


def _perhaps_removed(mt_num: int, shortest_history: int) -> str:
    """Say that a number is old enough for its message to be gone, if it is."""
    accepted_at = accepted_about(mt_num)
    if not shortest_history or accepted_at > _CLOCK.now() - shortest_history * DAY:
        return ""
    return f"; one of {moment(accepted_at)[:10]} may have been removed by retention"


@app.command("cancel")
def cancel(mt_num: MtNum, config: ConfigOption = None) -> None:
    """Call off what has not been sent of a message; what is on its way is not called back."""
    now = _CLOCK.now()
    entry = AuditEntry(now, OPERATOR, ADDRESS, "message.cancel", str(mt_num))
    wish = Audited(Cancellation(mt_num, now), entry)
    told = with_store(config, lambda store: store.write(_cancel_audited, wish))
    if told is None:
        fail(f"there is no message {mt_num}")
    for position, one in enumerate(told, start=1):
        console.print(f"{position}: {_what_was_cancelled(one)}")
    if not any(one.is_new for one in told):
        fail(f"nothing of message {mt_num} waits to be sent: nothing was cancelled")


def _what_was_cancelled(one: CalledOff) -> str:
    if one.is_new:
        tried = "; an earlier attempt may have gone" if one.attempts else ""
        return f"cancelled, and its Partner is told status 5, errorCode 10{tried}"
    return f"left alone: {one.state.name.lower()}"


@app.command("resend")
def resend(
    mt_num: MtNum,
    config: ConfigOption = None,
    at_once: Annotated[
        bool, typer.Option(help="Without its sending hours and its deadline.")
    ] = False,
    first: Annotated[
        int, typer.Option("--from", min=1, max=10, help="Which message of a cascade to begin with.")
    ] = 1,
) -> None:
    """Send a message again, as a new one with a number of its own.

    Its id is left away and its content window is not asked, so that no duplicate control stops it.
    """
    # The way into the gateway is long to import, and no other command here goes it.
    from whimbrel.cli.message_resend import accept_again  # noqa: PLC0415
    from whimbrel.domain.refusal import Refusal  # noqa: PLC0415
    from whimbrel.flow.resend import CannotResend  # noqa: PLC0415

    settings = read_settings(config)

    async def work(store: Store) -> int | str | None:
        story = await store.read(tell_stories, mt_num)
        if story is None:
            return None
        try:
            new = await accept_again(
                store, settings, _CLOCK, story, OPERATOR, at_once=at_once, first=first - 1
            )
        except (Refusal, CannotResend) as error:
            return str(error)
        details = {"new": new, "at_once": at_once, "from": first}
        deed = AuditEntry(_CLOCK.now(), OPERATOR, ADDRESS, "message.resend", str(mt_num), details)
        await store.write(note_deeds, deed)
        return new

    told = with_store(config, work)
    if told is None:
        fail(f"there is no message {mt_num}")
    if isinstance(told, str):
        fail(f"message {mt_num} cannot be sent again: {told}")
    console.print(f"Accepted as {told}.")
