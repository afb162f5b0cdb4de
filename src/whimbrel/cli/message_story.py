"""A message's narrative in lines of text, for an operator at a terminal."""

from collections.abc import Iterator

from rich.markup import escape

from whimbrel.cli.sending_hours import describe_schedule
from whimbrel.cli.terminal import moment
from whimbrel.clock import SECOND
from whimbrel.domain.chain import Named
from whimbrel.domain.status import CLICKED, ErrorCode, LinkState, Status
from whimbrel.flow.happenings import (
    Accepted,
    Ended,
    Event,
    Owed,
    Received,
    Submitted,
    Told,
    Visited,
)
from whimbrel.flow.narrative import Narrative, Part, ShortUrl, Step
from whimbrel.flow.next_steps import Next, Outlook
from whimbrel.store.reports import ReportState


def request_lines(told: Narrative, now: int) -> Iterator[str]:
    """Yield what was asked, in Rich's markup."""
    chain = told.chain
    yield f"[bold]{chain['chain_id']}[/] from {escape(chain['login'])} to {chain['dest_addr']}"
    if told.hours is not None:
        waiting = any(step.state is LinkState.QUEUED for step in told.steps)
        for line in describe_schedule(told.hours.stored, now, waiting=waiting):
            yield f"  {line}"
    for name in ("partner_ref", "notify_url", "extra_param"):
        if chain[name] is not None:
            yield f"  {name}: {escape(str(chain[name]))}"
    registered, request_id = chain["registered_delivery"], escape(chain["request_id"])
    yield f"  registered_delivery: {registered}, request {request_id}"


def step_lines(step: Step, removed_at: int | None, *, with_text: bool) -> Iterator[str]:
    """Yield what is known of one link, in Rich's markup."""
    why = f" ({error_name(step.error_code)})" if step.error_code else ""
    yield (
        f"  {step.channel} from {escape(step.sender)}{_default(step, Named.SENDER)}: "
        f"[bold]{step.state.name.lower()}[/]{why}, attempts {step.attempts}, "
        f"lifetime {step.lifetime // SECOND} s{_default(step, Named.LIFETIME)}{_goal(step)}"
    )
    yield from (f"  {escape(line)}" for line in _next_lines(step))
    if removed_at is not None:
        yield f"  text removed at {moment(removed_at)} by retention"
    elif step.image_url:
        yield f"  image: {escape(step.image_url)}"
    elif with_text:
        yield f"  text: {escape(step.text or '')}"
    yield from (f"  {escape(_part(part))}" for part in step.parts)
    yield from (f"  {escape(_short_url(one))}" for one in step.short_urls)


def _default(step: Step, term: Named) -> str:
    """Say where a term was not named, but is the Partner's default; nothing where nobody knows."""
    return " (default)" if step.named is not None and term not in step.named else ""


def _goal(step: Step) -> str:
    """Say what keeps the link behind this one from its turn."""
    return f", the next one goes unless it is {step.goal.name.lower()}" if step.goal else ""


def _next_lines(step: Step) -> Iterator[str]:
    outlook = step.outlook
    match outlook.next:
        case Next.TURN if outlook.at is None:
            yield "its turn comes after the one before it"
        case Next.TURN:
            yield f"its turn comes at {moment(outlook.at)}, or when the one before it has failed"
        case Next.OPENING | Next.ATTEMPT | Next.ROOM | Next.SENDER | Next.END:
            yield f"due at {moment(step.due_at)}, ends at {moment(step.expires_at)}"
        case Next.ANSWER | Next.RECEIPT:
            yield from _until(outlook)
        case Next.RECEIPT_OR_VERDICT if outlook.verdict is not None:
            until, then = moment(outlook.at), outlook.verdict.value
            yield f"it may have gone: a receipt may tell until {until}, else it {then}"
        case Next.READER:
            yield f"the next one goes if it is not read by {moment(outlook.at)}"
    if outlook.pause is not None:
        pause = outlook.pause
        yield (
            f"its sender is paused since {moment(pause.paused_since)}, "
            f"and is tried again at {moment(pause.paused_until)}: {pause.reason}"
        )


def _until(outlook: Outlook) -> Iterator[str]:
    if outlook.next is Next.ANSWER:
        yield f"under way: its channel may answer until {moment(outlook.at)}"
    else:
        then = ", then the next one goes" if outlook.lets_next_go else ""
        yield f"lifetime ends at {moment(outlook.at)}{then}"


def _part(part: Part) -> str:
    at = f" at {moment(part.happened_at)}" if part.happened_at else ""
    told = f"part {part.part} of {part.parts}: {part.state.name.lower()}{at}"
    return _words(told, part.provider_id, part.code, part.detail)


def _short_url(one: ShortUrl) -> str:
    if one.target is None:
        return f"short URL {one.uid}: removed"
    removed = ""
    if one.visits_removed:
        removed = f", {one.visits_removed} of {one.visits} visits removed by retention"
    return f"short URL {one.uid}: {one.target}, clicks {one.clicks}{removed}"


def event_rows(told: Narrative) -> Iterator[tuple[str, str, str]]:
    """Yield a row of the timeline for each event: the moment, what it was, and its details."""
    several = len(told.steps) > 1
    for event in told.events:
        channel = ""
        if several and event.position is not None:
            channel = f"{told.steps[event.position].channel} "
        what, details = _event(event, channel)
        yield moment(event.at), what, escape(details)


def _event(event: Event, channel: str) -> tuple[str, str]:  # noqa: PLR0911 - one return an event
    match event.what:
        case Accepted():
            return "accepted", ""
        case Submitted() as one:
            words = f"{channel}attempt {one.attempt}: {one.outcome}"
            return "submit", _words(words, one.provider_id, one.code, one.detail)
        case Received() as one:
            words = f"{channel}{one.state.name.lower()} at {moment(one.happened_at)}"
            return "receipt", _words(words, one.code, one.detail)
        case Ended() as one:
            return "end", f"{channel}{one.state.name.lower()} ({error_name(one.error_code)})"
        case Visited() as one:
            return "click" if one.counted else "visit", f"{one.uid}: {one.agent}"
        case Owed() as one:
            due = ""
            if one.state is ReportState.DUE:
                due = f", next attempt {moment(one.outlook.at)}"
            return "report", f"{channel}{_report(one)}: {one.state.name.lower()}{due}"
        case Told() as one:
            answer = f"{one.http_status or 'no answer'} in {one.latency} ms"
            words = f"{channel}{_report(one)}: attempt {one.attempt}, {answer}"
            return "receiver", _words(words, one.answer)


def _words(told: str, *more: str | None) -> str:
    return " ".join([told, *filter(None, more)])


def _report(one: Owed | Told) -> str:
    if one.status == CLICKED:
        return "first click"
    status = Status(one.status)
    error = f" errorCode {one.error_code}" if status is Status.UNDELIVERED else ""
    return f"{int(status)} {status.name.lower().replace('_', ' ')}{error}"


def error_name(code: int) -> str:
    """Return an errorCode with its name."""
    return f"{int(code)} {ErrorCode(code).name.lower().replace('_', '-')}"
