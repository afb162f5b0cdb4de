"""The road of every request: in through the gatekeeper, past the checks, to whoever keeps it.

Accepting and previewing are one road with two ends, so that a preview can never object to more, or
to less, or in another order, than the real thing (`protocol.md`, section 8).
"""

from collections.abc import Awaitable, Callable
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
from whimbrel.store.chains import Accepted
from whimbrel.store.engine import Store

RETRY_AFTER = 1  # seconds; a queue that sheds now is a second's work
_EndsAt = Callable[[Chain], Awaitable[Accepted]]


class Received(NamedTuple):
    """A request that nothing speaks against, and what became of it."""

    partner: Partner
    chain: Chain
    accepted: Accepted


class Reception:
    """Takes requests in."""

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
    ) -> None:
        """Beyond `queue_limit` waiting items of the store, requests are turned away at once."""
        self._store = store
        self._clock = clock
        self._gatekeeper = gatekeeper
        self._senders = senders
        self._chain_ids = chain_ids
        self._numbering = numbering
        self._shortening = shortening
        self._queue_limit = queue_limit

    async def receive(
        self, request: SendRequest, address: str, request_id: str, ends_at: _EndsAt
    ) -> Received:
        """Lead a request from `address` to its end. Raises `Refusal`.

        `ends_at` keeps the chain, or foresees what would become of it.
        """
        partner = await self._gatekeeper.admit(request.login, request.password, address)
        with self._gatekeeper.under_way(partner):
            chain = self.checked(request, partner, self._senders, request_id)
            self._refuse_if_busy()
            accepted = await ends_at(chain)
        _refuse_duplicate(accepted, partner)
        return Received(partner, chain, accepted)

    async def receive_again(
        self, request: SendRequest, partner: Partner, request_id: str, ends_at: _EndsAt
    ) -> Received:
        """Lead to its end what an operator sends once more for a Partner. Raises `Refusal`.

        Nobody's password is asked for, and no limit of the Partner's; that it repeats another is
        what is wanted.
        """
        checked = self.checked(request, partner, self._senders, request_id)
        chain = replace(checked, content_key=None, content_window=0)
        self._refuse_if_busy()
        return Received(partner, chain, await ends_at(chain))

    def _refuse_if_busy(self) -> None:
        if self._store.waiting >= self._queue_limit:
            raise Refusal(
                RefusalCode.SERVICE_UNAVAILABLE,
                "The gateway has more to store than it can now; nothing was accepted.",
                retry_after=RETRY_AFTER,
            )

    def checked(
        self, request: SendRequest, partner: Partner, senders: Senders, request_id: str
    ) -> Chain:
        """Return the chain that `partner` asks for. Raises `Refusal`."""
        now = self._clock.now()
        return check(
            request,
            partner,
            senders,
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
                retry_after=RETRY_AFTER,
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
