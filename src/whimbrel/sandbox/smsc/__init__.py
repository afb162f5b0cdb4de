"""The sandbox's other half: a local stand-in for an SMSC, spoken to in SMPP 3.4.

The protocol itself is smpp34's, an implementation that shares nothing with the gateway's. What
becomes of a message is told by its recipient; `scripts` holds the table. Connections pass a relay,
which knows the passwords and can tear or stall what smpp34 could only end politely.

    smsc = Smsc(accounts_from(settings), host="127.0.0.1", port=2775)
    async with smsc:
        ...  # smsc.url says where it listens
"""

from whimbrel.sandbox.smsc.accounts import SmscAccount, accounts_from
from whimbrel.sandbox.smsc.centre import Smsc

__all__ = ["Smsc", "SmscAccount", "accounts_from"]
