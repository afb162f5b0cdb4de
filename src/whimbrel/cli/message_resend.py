"""What `whimbrel message resend` needs and no other command: the way into the gateway."""

from whimbrel.clock import Clock
from whimbrel.flow.accept import Acceptor
from whimbrel.flow.gatekeeper import Gatekeeper
from whimbrel.flow.guest_numbers import guest_numbers
from whimbrel.flow.numbering_directory import NumberingDirectory
from whimbrel.flow.own_domain import gateway_base
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.flow.reception import Reception
from whimbrel.flow.resend import Resender
from whimbrel.flow.sender_accounts import senders_of
from whimbrel.flow.shortening import Shortening
from whimbrel.flow.tallies import Tallies
from whimbrel.metrics import Metrics
from whimbrel.settings import Settings
from whimbrel.store.engine import Store
from whimbrel.store.history import Story


async def accept_again(
    store: Store,
    settings: Settings,
    clock: Clock,
    story: Story,
    operator: str,
    *,
    at_once: bool,
    first: int,
) -> int:
    """Accept a message anew beside the gateways at work; return its number.

    Raises what `Resender.resend` raises.
    """
    partners, numbering = PartnerDirectory(store), NumberingDirectory(store)
    metrics = Metrics()
    shortening = Shortening(store, partners, metrics, base=gateway_base(settings))
    tallies = Tallies(store, clock, metrics)
    for directory in (partners, numbering, shortening):
        await directory.refresh()
    async with guest_numbers(store, clock, "message resend") as numbers:
        reception = Reception(
            store,
            clock,
            Gatekeeper(partners, clock),  # which nobody has to pass
            senders_of(settings),
            numbers,
            numbering=numbering,
            shortening=shortening,
            queue_limit=settings.server.accept_queue_limit,
        )
        # A gateway looks by itself, within a second.
        acceptor = Acceptor(store, reception, tallies, wake_dispatch=lambda: None)
        resender = Resender(acceptor, partners)
        chain_id = await resender.resend(story, operator, at_once=at_once, first=first)
    await tallies.drain()
    return chain_id
