"""Accepts a request: let the Partner in, check, store, answer `mtNum`.

The answer is given once the chain is on disk: it is a promise that survives `kill -9`.
"""

from collections.abc import Callable
from typing import NamedTuple

from whimbrel.domain.chain import Chain
from whimbrel.domain.partner import Partner
from whimbrel.domain.refusal import Refusal, RefusalCode
from whimbrel.domain.request import SendRequest
from whimbrel.flow.reception import RETRY_AFTER, Reception
from whimbrel.flow.tallies import Tallies
from whimbrel.store.chains import Accepted, accept_chains
from whimbrel.store.engine import OutcomeUnknown, Store, StoreUnavailable


class Answer(NamedTuple):
    """What the Partner is told."""

    mt_num: int
    partner_ref: str | None


class Acceptor:
    """The first stage."""

    def __init__(
        self,
        store: Store,
        reception: Reception,
        tallies: Tallies,
        *,
        wake_dispatch: Callable[[], None],
    ) -> None:
        self._store = store
        self._reception = reception
        self._tallies = tallies
        self._wake_dispatch = wake_dispatch

    async def accept(self, request: SendRequest, address: str, request_id: str) -> Answer:
        """Take a request from `address`. Raises `Refusal`; then nothing was stored."""
        received = await self._reception.receive(request, address, request_id, self._keep)
        self._wake_dispatch()
        return Answer(received.accepted.chain_id, request.partner_ref)

    async def accept_again(self, request: SendRequest, partner: Partner, request_id: str) -> int:
        """Take what an operator sends once more for a Partner; return its number.

        Raises `Refusal`; then nothing was stored.
        """
        received = await self._reception.receive_again(request, partner, request_id, self._keep)
        self._wake_dispatch()
        return received.accepted.chain_id

    async def _keep(self, chain: Chain) -> Accepted:
        try:
            accepted = await self._store.write(accept_chains, chain)
        except OutcomeUnknown as error:
            raise Refusal(
                RefusalCode.SERVICE_UNAVAILABLE,
                "The store went away while the message was being stored: it may be there or not. "
                "With duplicate control, the same id can be sent again without harm.",
                retry_after=RETRY_AFTER,
            ) from error
        except StoreUnavailable as error:
            raise Refusal(
                RefusalCode.SERVICE_UNAVAILABLE,
                "The message could not be stored; nothing was accepted.",
                retry_after=RETRY_AFTER,
            ) from error
        if accepted.chain_id == chain.chain_id:
            self._tallies.accepted(chain)
        return accepted
