"""A faithful local stand-in for Meta's Cloud API and for an SMSC: the real wire, a fake world.

A sender cannot tell it from Meta: it takes messages, refuses what Meta refuses, and posts signed
webhooks. What becomes of a message is told by its recipient; `scripts` holds the table. `smsc` does
the same for SMS, and `handset` shows the subscribers' phones. It knows nothing of the gateway, so
that it stays an honest stranger.

    uvloop.run(run(settings))                       # a process
    async with World(numbers) as world:             # or inside a test
        app = create_app(world)
"""

from whimbrel.sandbox.numbers import SandboxNumber, numbers_from
from whimbrel.sandbox.receiver import Receiver
from whimbrel.sandbox.server import create_app, run, serve
from whimbrel.sandbox.smsc import Smsc, SmscAccount, accounts_from
from whimbrel.sandbox.world import World

__all__ = [
    "Receiver",
    "SandboxNumber",
    "Smsc",
    "SmscAccount",
    "World",
    "accounts_from",
    "create_app",
    "numbers_from",
    "run",
    "serve",
]
