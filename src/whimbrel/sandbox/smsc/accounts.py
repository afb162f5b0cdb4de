"""The accounts that the sandbox SMSC pretends to have sold.

Owns what an SMSC would know about its client. Knows nothing about messages.
"""

from dataclasses import dataclass, field
from datetime import timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from whimbrel.settings import Settings

MOSCOW = timezone(timedelta(hours=3))


@dataclass(frozen=True, slots=True)
class SmscAccount:
    """One client of the SMSC; `zone` is that of the dates in its receipts."""

    name: str
    system_id: str
    password: str = field(repr=False)
    senders: tuple[str, ...] = ()
    zone: tzinfo = MOSCOW


def accounts_from(settings: Settings) -> list[SmscAccount]:
    """Return an account for each `[smpp.NAME]` of the settings.

    Its host and port are not looked at: the sandbox plays the SMSC of all of them.
    """
    return [
        SmscAccount(
            name=name,
            system_id=account.system_id,
            password=account.password,
            senders=tuple(account.senders),
            zone=ZoneInfo(account.receipt_zone) if account.receipt_zone else MOSCOW,
        )
        for name, account in settings.smpp.items()
    ]
