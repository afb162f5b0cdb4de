"""Senders: what each account does, how fast, on which node, and why it rests if it does."""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, NamedTuple, get_type_hints

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from whimbrel.clock import Clock
from whimbrel.domain.content import Channel
from whimbrel.domain.operator import Right
from whimbrel.flow.sender_lines import Lines, SenderLine
from whimbrel.flow.standing import Condition, SenderState, sender_states
from whimbrel.settings import Settings
from whimbrel.store.audit import Audited, audited
from whimbrel.store.engine import Store
from whimbrel.store.holdings import all_holdings
from whimbrel.store.nodes import all_nodes
from whimbrel.store.senders import Retry, paused_senders, retry_senders
from whimbrel.web.console.guard import Guard, Page, page
from whimbrel.web.pages.forms import read_form
from whimbrel.web.pages.rendering import Pages
from whimbrel.web.pages.words import phrase

SENDERS = "/console/senders"
CONDITIONS = MappingProxyType(
    {
        Condition.WORKING: (phrase("working"), "good"),
        Condition.PAUSED: (phrase("paused"), "bad"),
        Condition.DISCONNECTED: (phrase("no connection"), "bad"),
    }
)
_MARK = "Secret"
"""In the description of every setting that is one."""
_DONE = MappingProxyType(
    {
        "trying": phrase("It is tried with the next message; if that is taken, the rest follows."),
        "working": phrase("It does not rest."),
    }
)
_retry = audited(retry_senders, done=bool)


class Account(NamedTuple):
    """A sender account as the page shows it."""

    state: SenderState
    granted: float
    """Messages, or parts, a second by the settings; 0: no limit."""
    pace: float | None
    """The same at present, on this node; None: another one sends through it."""
    settings: dict[str, Any]
    """Without secrets."""


class SenderPages:
    """One page, and its button."""

    def __init__(
        self, settings: Settings, lines: Lines, store: Store, *, clock: Clock, guard: Guard,
        pages: Pages,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._lines = lines
        self._store = store
        self._clock = clock
        self._guard = guard
        self._pages = pages

    def pages(self) -> list[Page]:
        """Return the pages."""
        return [
            page(SENDERS, Right.SEE, GET=self.show),
            page(f"{SENDERS}/retry", Right.MANAGE, POST=self.retry),
        ]

    async def show(self, request: Request) -> Response:
        """Show every account of the settings."""
        pauses = await self._store.read(paused_senders, None)
        holdings = await self._store.read(all_holdings, None)
        nodes = await self._store.read(all_nodes, None)
        states = sender_states(self._settings, pauses, holdings)
        return self._pages.answer(
            request,
            "console/senders.html",
            accounts=list(self._accounts(states)),
            conditions=CONDITIONS,
            nodes={one.node_id: one.name for one in nodes},
            done=_DONE.get(request.query_params.get("done", ""), ""),
        )

    async def retry(self, request: Request) -> Response:
        """Let a paused sender be tried now."""
        form = await read_form(request)
        channel, sender = form.get("channel", ""), form.get("sender", "")
        entry = self._guard.deed(request, "sender.retry", sender, channel=channel)
        retry = Retry(self._clock.now(), channel, sender)
        rested = await self._store.write(_retry, Audited(retry, entry))
        done = "trying" if rested else "working"
        return RedirectResponse(f"{SENDERS}?done={done}", status_code=303)

    def _accounts(self, states: list[SenderState]) -> Iterator[Account]:
        whatsapp, smpp = self._settings.whatsapp, self._settings.smpp
        for state in states:
            is_whatsapp = state.channel is Channel.WHATSAPP
            account = whatsapp[state.account] if is_whatsapp else smpp[state.account]
            line = self._lines.get((state.channel, state.senders[0]))
            yield Account(state, account.throughput, _pace(line), _without_secrets(account))


def _pace(line: SenderLine | None) -> float | None:
    return line.pacing.rate if line is not None and line.held else None


def _without_secrets(account: Struct) -> dict[str, Any]:
    """Return an account's settings by name, but those whose description says that they are secret.

    A setting without a description counts as one.
    """
    hints = get_type_hints(type(account), include_extras=True)
    described = {
        name: next((one.description for one in _metas(hint) if one.description), _MARK)
        for name, hint in hints.items()
    }
    return {
        name: getattr(account, name)
        for name in account.__struct_fields__
        if _MARK not in (described[name] or _MARK)
    }


def _metas(hint: Any) -> list[Meta]:
    return [one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Meta)]
