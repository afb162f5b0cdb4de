"""Accepts a request: let the Partner in, check, store, answer `mtNum`.

The answer is given once the chain is on disk: it is a promise that survives `kill -9`.
"""

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from whimbrel.clock import Clock
from whimbrel.domain.chain import Chain
from whimbrel.domain.chain_id import ChainIds, NumbersUsedUp
from whimbrel.domain.partner import DuplicateControl, Partner
from whimbrel.domain.refusal import Refusal, RefusalCode
from whimbrel.domain.request import SendRequest
from whimbrel.flow.checks import check
from whimbrel.flow.gatekeeper import Gatekeeper
from whimbrel.flow.message_checks import Senders
from whimbrel.flow.numbering_directory import NumberingDirectory
from whimbrel.flow.shortening import Shortening
from whimbrel.store.chains import Accepted, accept_chains
from whimbrel.store.engine import OutcomeUnknown, Store, StoreUnavailable

_RETRY_AFTER = 1  # seconds; a queue that sheds now is a second's work


class Answer(NamedTuple):
    """What the Partner is told."""

    mt_num: int
    partner_ref: str | None


class Acceptor:
    """The first stage."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        gatekeeper: Gatekeeper,
        senders: Senders,
        chain_ids: ChainIds,
        *,
        numbering: NumberingDirectory,
        shortening: Shortening,
        queue_limit: int,
        wake_dispatch: Callable[[], None],
    ) -> None:
        """Beyond `queue_limit` waiting items of the store, requests are turned away at once."""
        self._store = store
        self._clock = clock
        self._gatekeeper = gatekeeper
        self._senders = senders
        self._numbering = numbering
        self._chain_ids = chain_ids
        self._shortening = shortening
        self._queue_limit = queue_limit
        self._wake_dispatch = wake_dispatch

    async def accept(self, request: SendRequest, address: str, request_id: str) -> Answer:
        """Take a request from `address`. Raises `Refusal`; then nothing was stored."""
        partner = await self._gatekeeper.admit(request.login, request.password, address)
        with self._gatekeeper.under_way(partner):
            accepted = await self._store_chain(self._checked(request, partner, request_id))
        _refuse_duplicate(accepted, partner)
        self._wake_dispatch()
        return Answer(accepted.chain_id, request.partner_ref)

    async def accept_again(self, request: SendRequest, partner: Partner, request_id: str) -> int:
        """Take what an operator sends once more for a Partner; return its number.

        Nobody's password is asked for, and no limit of the Partner's; that it repeats another is
        what is wanted. Raises `Refusal` for all else; then nothing was stored.
        """
        chain = self._checked(request, partner, request_id)
        accepted = await self._store_chain(replace(chain, content_key=None, content_window=0))
        self._wake_dispatch()
        return accepted.chain_id

    def _checked(self, request: SendRequest, partner: Partner, request_id: str) -> Chain:
        now = self._clock.now()
        return check(
            request,
            partner,
            self._senders,
            self._numbering.ranges,
            chain_id=self._number(now),
            now=now,
            request_id=request_id,
            short=self._shortening.rules_of(partner),
        )

    def _number(self, now: int) -> int:
        try:
            return self._chain_ids.next(now)
        except NumbersUsedUp as error:
            raise Refusal(
                RefusalCode.SERVICE_UNAVAILABLE,
                "The gateway has lost its place among the nodes; nothing was accepted.",
                retry_after=_RETRY_AFTER,
            ) from error

    async def _store_chain(self, chain: Chain) -> Accepted:
        if self._store.waiting >= self._queue_limit:
            raise Refusal(
                RefusalCode.SERVICE_UNAVAILABLE,
                "The gateway has more to store than it can now; nothing was accepted.",
                retry_after=_RETRY_AFTER,
            )
        try:
            return await self._store.write(accept_chains, chain)
        except OutcomeUnknown as error:
            raise Refusal(
                RefusalCode.SERVICE_UNAVAILABLE,
                "The store went away while the message was being stored: it may be there or not. "
                "With duplicate control, the same id can be sent again without harm.",
                retry_after=_RETRY_AFTER,
            ) from error
        except StoreUnavailable as error:
            raise Refusal(
                RefusalCode.SERVICE_UNAVAILABLE,
                "The message could not be stored; nothing was accepted.",
                retry_after=_RETRY_AFTER,
            ) from error


def _refuse_duplicate(accepted: Accepted, partner: Partner) -> None:
    if accepted.repeats_content:
        raise Refusal(
            RefusalCode.PROHIBITED_DUPLICATE,
            "message: the same content was sent to this destAddr less than "
            f"{partner.profile.content_window_seconds} seconds ago.",
        )
    if accepted.repeats_ref and partner.profile.duplicate_control is DuplicateControl.REJECT:
        raise Refusal(RefusalCode.PROHIBITED_DUPLICATE, "id: a request with this id was accepted.")
