"""What a person does with a phone.

Owns what can be done when, for a phone that is off cannot answer. All of it is brought about by the
world and the SMSC: the business hears of it through webhooks and receipts alone.
"""

from collections.abc import Iterable
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from whimbrel.sandbox.handset.phones import NUMBER, Phone
from whimbrel.sandbox.ledger import Message
from whimbrel.sandbox.numbers import SandboxNumber
from whimbrel.sandbox.scripts import USUAL, script_for
from whimbrel.sandbox.smsc import Smsc, SmscAccount
from whimbrel.sandbox.smsc.scripts import USUAL as USUAL_SMS
from whimbrel.sandbox.smsc.scripts import sms_script_for
from whimbrel.sandbox.wishes import WrongWish
from whimbrel.sandbox.world import World

_PUNCTUATION = str.maketrans("", "", "+ -()\N{NO-BREAK SPACE}")
LONGEST_TEXT = 4096  # characters of a text on WhatsApp
_READABLE = 1_000  # messages; who leaves more unread has to say which to read


class Switches(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a phone is to be set to; what is absent stays as it is."""

    is_on: bool | UnsetType = UNSET
    reads_itself: bool | UnsetType = UNSET
    is_on_whatsapp: bool | UnsetType = UNSET
    is_blocking: bool | UnsetType = UNSET

    def given(self) -> dict[str, bool]:
        """Return those that are not absent, by their name."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in values.items() if value is not UNSET}


class Recipient(Struct, frozen=True, kw_only=True):
    """Whom a phone can write to; `address` is a phone number id, or an SMS sender."""

    channel: Literal["WHATSAPP", "SMS"]
    address: str
    name: str


class Scripts(Struct, frozen=True, kw_only=True):
    """What a magic number does whatever its phone is set to; None where the phone decides."""

    whatsapp: str | None
    sms: str | None


def scripts_of(number: str) -> Scripts:
    """Return the names of the scripts that a number follows."""
    whatsapp, sms = script_for(number), sms_script_for(number)
    return Scripts(
        whatsapp=None if whatsapp is USUAL else whatsapp.name,
        sms=None if sms is USUAL_SMS else sms.name,
    )


def phone_number(written: str) -> str:
    """Return the digits of a number however it is written. Raises `WrongWish` if it is none."""
    number = written.translate(_PUNCTUATION)
    if not NUMBER.fullmatch(number):
        raise WrongWish("a phone is 7 to 15 digits, with country code")
    return number


class Hand:
    """The hand that holds the phones. Whatever it cannot do raises `WrongWish`."""

    def __init__(self, world: World, smsc: Smsc | None) -> None:
        self._world = world
        self._smsc = smsc

    def set(self, number: str, switches: Switches) -> Phone:
        """Set a phone. One that is on and reads by itself leaves nothing unread."""
        given = switches.given()
        scripts = scripts_of(number)
        for name in given:
            followed = scripts.whatsapp
            if name == "is_on":
                followed = scripts.whatsapp and scripts.sms
            if followed:
                raise WrongWish(
                    "{switch} changes nothing, for this number follows a script: {script}",
                    switch=name,
                    script=followed,
                )
        phone = self._world.phones.change(number, **given)
        if given.keys() & {"is_on", "reads_itself"} and phone.is_on and phone.reads_itself:
            self._read(one for one in self._unread(number) if one.script is USUAL)
        return phone

    def read(self, number: str, ids: Iterable[str] | None = None) -> list[str]:
        """Read messages of WhatsApp, all by default, and return the ids of those that were unread.

        Messages that their script reads in a moment are left to it.
        """
        if not self._world.phones.of(number).is_on:
            raise WrongWish("the phone is off")
        unread = self._unread(number)
        if ids is not None:
            wanted = set(ids)
            unread = [message for message in unread if message.wamid in wanted]
        self._read(unread)
        return [message.wamid for message in unread]

    def recipients(self) -> list[Recipient]:
        """Return whom a phone can write to."""
        recipients = [
            Recipient(channel="WHATSAPP", address=id_, name=number.verified_name)
            for id_, number in self._world.numbers.items()
        ]
        for account in self._smsc.accounts.values() if self._smsc else ():
            recipients += [
                Recipient(channel="SMS", address=one, name=one) for one in account.senders
            ]
        return recipients

    def answer(self, number: str, *, channel: str, to: str | None, text: str) -> str:
        """Write a text, and return its id. Without `to` the only one on the channel gets it."""
        phone = self._world.phones.of(number)
        if not phone.is_on:
            raise WrongWish("the phone is off")
        if not text.strip() or len(text) > LONGEST_TEXT:
            raise WrongWish(
                "text must have 1 to {most} characters, and not be blank", most=LONGEST_TEXT
            )
        if channel == "SMS":
            return self._answer_by_sms(number, to, text)
        if not phone.is_on_whatsapp:
            raise WrongWish("the phone is not on WhatsApp")
        if phone.is_blocking:
            raise WrongWish("the business is blocked; end that first")
        return self._world.write_inbound(self._whatsapp(to), sender=number, text=text)

    def _answer_by_sms(self, number: str, to: str | None, text: str) -> str:
        if self._smsc is None:
            raise WrongWish("there is no SMSC, for the settings have no section [smpp.NAME]")
        account, sender = self._account(self._smsc, to)
        try:
            return self._smsc.write_inbound(account, subscriber=number, to=sender, text=text)
        except ValueError as error:
            raise WrongWish(str(error)) from error

    def _unread(self, number: str) -> list[Message]:
        """Return what was delivered and is not read, nor about to be read by its script."""
        return [
            message
            for message in self._world.ledger.select(limit=_READABLE, to=number)
            if not message.is_read
            and any(status.status == "delivered" for status in message.statuses)
            and (message.script is USUAL or all(s.status != "read" for s in message.script.steps))
        ]

    def _read(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._world.read(message)

    def _whatsapp(self, to: str | None) -> SandboxNumber:
        numbers = self._world.numbers
        if to is None and len(numbers) == 1:
            return next(iter(numbers.values()))
        if to not in numbers:
            raise WrongWish(f"to must be one of {sorted(numbers)}")
        return numbers[to]

    def _account(self, smsc: Smsc, to: str | None) -> tuple[SmscAccount, str]:
        senders = {one: account for account in smsc.accounts.values() for one in account.senders}
        if to is None and len(senders) == 1:
            to = next(iter(senders))
        if to not in senders:
            raise WrongWish(f"to must be one of {sorted(senders)}")
        return senders[to], to
