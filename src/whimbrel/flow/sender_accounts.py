"""The senders of the settings by their names, without what sends for them."""

from whimbrel.domain.content import Channel
from whimbrel.settings import Settings


def senders_of(settings: Settings) -> dict[Channel, frozenset[str]]:
    """Return the names of the senders that are configured, by channel."""
    return {
        Channel.WHATSAPP: frozenset(one.sender for one in settings.whatsapp.values()),
        Channel.SMS: frozenset(name for one in settings.smpp.values() for name in one.senders),
    }


def sms_accounts(settings: Settings) -> dict[tuple[str, str], str]:
    """Return the account at an SMSC of each SMS sender, by channel and sender."""
    return {
        (Channel.SMS, sender): name
        for name, account in settings.smpp.items()
        for sender in account.senders
    }
