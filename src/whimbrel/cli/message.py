"""`whimbrel message show`: everything that is known of one message."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from whimbrel.cli.sending_hours import describe_schedule
from whimbrel.cli.terminal import (
    GREATEST_MT_NUM,
    ConfigOption,
    console,
    fail,
    moment,
    with_store,
)
from whimbrel.clock import DAY, SystemClock
from whimbrel.domain.cascade import NEVER
from whimbrel.domain.chain_id import accepted_about
from whimbrel.domain.status import CLICKED, ErrorCode, LinkState, Status
from whimbrel.domain.unanswered import judge
from whimbrel.store.engine import Store
from whimbrel.store.history import MOST_CLICKS, Story, tell_stories
from whimbrel.store.partners import all_partners
from whimbrel.store.reports import ReportState

app = typer.Typer(
    name="message", help="Messages: what became of them, and why.", no_args_is_help=True
)


@app.callback()
def _noun() -> None:
    """Keep `show` a command of its own while it is the only one."""


@app.command("show")
def show(
    mt_num: Annotated[
        int,
        typer.Argument(metavar="MTNUM", min=1, max=GREATEST_MT_NUM, help="The message's number."),
    ],
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
    _show_request(story)
    for link in story.links:
        _show_link(link, story.chain["content_removed_at"], with_text=with_text)
        _show_doubt(link, story)
        _show_parts(link, story)
        _show_short_urls(link, story)
    timeline = Table("when (UTC)", "what", "details", box=None, pad_edge=False)
    for at, what, details in sorted(_events(story), key=lambda event: event[0]):
        timeline.add_row(moment(at), what, escape(details))
    console.print(timeline)


def _show_request(story: Story) -> None:
    chain = story.chain
    login = escape(chain["login"])
    console.print(f"[bold]{chain['chain_id']}[/] from {login} to {chain['dest_addr']}")
    if chain["schedule"] is not None:
        waiting = any(link["state"] == LinkState.QUEUED for link in story.links)
        for line in describe_schedule(chain["schedule"], SystemClock().now(), waiting=waiting):
            console.print(f"  {line}")
    for name in ("partner_ref", "notify_url", "extra_param"):
        if chain[name] is not None:
            console.print(f"  {name}: {escape(str(chain[name]))}")
    console.print(
        f"  registered_delivery: {chain['registered_delivery']}, request {chain['request_id']}"
    )


def _perhaps_removed(mt_num: int, shortest_history: int) -> str:
    """Say that a number is old enough for its message to be gone, if it is."""
    accepted_at = accepted_about(mt_num)
    if not shortest_history or accepted_at > SystemClock().now() - shortest_history * DAY:
        return ""
    return f"; one of {moment(accepted_at)[:10]} may have been removed by retention"


def _show_link(link: dict[str, Any], removed_at: int | None, *, with_text: bool) -> None:
    state = LinkState(link["state"])
    why = f" ({_error(link['error_code'])})" if link["error_code"] else ""
    console.print(
        f"  {link['channel']} from {escape(link['sender'])}: [bold]{state.name.lower()}[/]{why}, "
        f"attempts {link['attempt']}, lifetime {link['ttl'] // 1_000} s{_goal(link)}"
    )
    if state is LinkState.HELD:
        console.print(f"  {_turn(link['due_at'])}")
    elif state is LinkState.QUEUED:
        console.print(f"  due at {moment(link['due_at'])}, ends at {moment(link['expires_at'])}")
    elif state < LinkState.FAILED:
        console.print(f"  lifetime ends at {moment(link['expires_at'])}")
    if removed_at is not None:
        console.print(f"  text removed at {moment(removed_at)} by retention")
    elif link["image_url"]:
        console.print(f"  image: {escape(link['image_url'])}")
    elif with_text:
        console.print(f"  text: {escape(link['text'])}")


def _show_doubt(link: dict[str, Any], story: Story) -> None:
    """Say of a link that may have gone how long a receipt may tell, and what follows if none does.

    What was decided in such a case stands with the submit that it was about.
    """
    if link["state"] != LinkState.UNSURE:
        return
    silent, needless = story.silent(link["link_id"]), story.has_arrived_before(link["link_id"])
    verdict = judge(story.unanswered, link["ttl"], silent, needless=needless)
    until = moment(link["due_at"])
    console.print(f"  it may have gone: a receipt may tell until {until}, else it {verdict.value}")


def _goal(link: dict[str, Any]) -> str:
    """Say what keeps the link behind this one from its turn."""
    if link["satisfied_by"] is None:
        return ""
    return f", the next one goes unless it is {LinkState(link['satisfied_by']).name.lower()}"


def _turn(due_at: int) -> str:
    if due_at == NEVER:
        return "its turn comes after the one before it"
    return f"its turn comes at {moment(due_at)}, or when the one before it has failed"


def _show_parts(link: dict[str, Any], story: Story) -> None:
    for part in story.parts:
        if part["link_id"] == link["link_id"]:
            state = LinkState(part["state"]).name.lower()
            at = f" at {moment(part['happened_at'])}" if part["happened_at"] else ""
            told = f"  part {part['part']} of {part['parts']}: {state}{at}"
            console.print(escape(_words(told, part, "provider_id", "code", "detail")))


def _show_short_urls(link: dict[str, Any], story: Story) -> None:
    kept = {one["uid"]: one for one in story.short_urls}
    for uid in (link["short_uids"] or "").split():
        one = kept.get(uid)
        console.print(
            f"  short URL {uid}: {escape(one['target'])}, clicks {one['clicks']}"
            f"{_removed_visits(one, story)}"
            if one
            else f"  short URL {uid}: removed",
            soft_wrap=True,
        )


def _removed_visits(short_url: dict[str, Any], story: Story) -> str:
    """Tell how many visits of a message's own short URL are not in its history any more."""
    told = sum(1 for one in story.clicks if one["uid"] == short_url["uid"])
    removed = short_url["visits"] - told
    is_own = short_url["chain_id"] == story.chain["chain_id"]
    if not is_own or not removed or len(story.clicks) == MOST_CLICKS:
        return ""
    return f", {removed} of {short_url['visits']} visits removed by retention"


def _events(story: Story) -> Iterator[tuple[int, str, str]]:
    yield story.chain["accepted_at"], "accepted", ""
    named = len(story.links) > 1
    channels = {one["link_id"]: f"{one['channel']} " if named else "" for one in story.links}
    for submit in story.submits:
        channel = channels[submit["link_id"]]
        told = f"{channel}attempt {submit['attempt']}: {submit['outcome']}"
        yield submit["ended_at"], "submit", _words(told, submit, "provider_id", "code", "detail")
    for receipt in story.receipts:
        state = LinkState(receipt["state"]).name.lower()
        told = f"{channels[receipt['link_id']]}{state} at {moment(receipt['happened_at'])}"
        yield receipt["received_at"], "receipt", _words(told, receipt, "code", "detail")
    for click in story.clicks:
        what = "click" if click["counted"] else "visit"
        yield click["at"], what, f"{click['uid']}: {click['agent']}"
    names = {
        report["report_id"]: channels[report["link_id"]] + _report_name(report)
        for report in story.reports
    }
    for report in story.reports:
        kept = ReportState(report["state"])
        due = f", next attempt {moment(report['next_at'])}" if kept is ReportState.DUE else ""
        told = f"{names[report['report_id']]}: {kept.name.lower()}{due}"
        yield report["created_at"], "report", told
    for attempt in story.report_attempts:
        answer = f"{attempt['http_status'] or 'no answer'} in {attempt['latency']} ms"
        told = f"{names[attempt['report_id']]}: attempt {attempt['attempt']}, {answer}"
        yield attempt["ended_at"], "receiver", _words(told, attempt, "answer")


def _words(told: str, row: dict[str, Any], *names: str) -> str:
    return " ".join([told, *(str(row[name]) for name in names if row[name])])


def _report_name(report: dict[str, Any]) -> str:
    if report["status"] == CLICKED:
        return "first click"
    status = Status(report["status"])
    error = f" errorCode {report['error_code']}" if status is Status.UNDELIVERED else ""
    return f"{int(status)} {status.name.lower().replace('_', ' ')}{error}"


def _error(code: int) -> str:
    return f"{code} {ErrorCode(code).name.lower().replace('_', '-')}"
