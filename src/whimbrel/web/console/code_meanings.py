"""What the raw codes of channels mean, in plain words: Meta's, an SMSC's, and a GSM network's.

For whoever reads a message's history. The texts are the catalogue's, keyed by the English ones;
what a code does to a message stands in `channels/*/errors.py`, and a test holds that every code
that is judged there is explained here.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from whimbrel.channels.sms.errors import spelled
from whimbrel.channels.sms.message_states import MessageState, state_of_word
from whimbrel.domain.content import Channel


def _table(*rows: tuple[Iterable[int], str]) -> Mapping[int, str]:
    return MappingProxyType({code: text for codes, text in rows for code in codes})


WHATSAPP = _table(
    ((0, 104, 190), "The access token is missing, expired or withdrawn."),
    ((3, 10, *range(200, 300), 131005), "The access token lacks a permission."),
    ((33,), "The phone number ID is wrong, or this token may not see it."),
    ((368, 131031), "Meta has restricted or locked the business account."),
    ((131042,), "Meta cannot charge the business account: look at its payment settings."),
    ((134011,), "The terms of WhatsApp payments were not accepted for this account."),
    ((139200,), "Meta has blocked direct sending for this account."),
    ((131037,), "The sender's display name is not approved yet."),
    ((131045, 133010), "The sender's number is not registered with the Cloud API."),
    ((133000,), "The sender's number was not deregistered completely before."),
    ((133005, 133008, 133009), "The PIN of the sender's number is wrong, or was tried too often."),
    ((133006,), "The sender's number must be verified again."),
    ((133015,), "The sender's number was deleted just now; wait some minutes."),
    ((131057,), "The sender's account is in maintenance for a short while."),
    ((130497,), "This business may not write to people in that country."),
    ((131063,), "Marketing templates are switched off for this account."),
    ((4, 17, 613, 80007, 80008), "Too many calls to Meta's API in a short time."),
    ((130429,), "Too many messages from this sender in a short time."),
    ((131056,), "Too many messages to this one subscriber in a short time."),
    ((131048,), "Meta has restricted the sender: too many people blocked or reported it."),
    ((131064,), "Meta has lowered the sender's limit because of templates in a wrong category."),
    ((133016,), "The sender's number was registered too often; wait some hours."),
    ((131026,), "The number is not on WhatsApp, or its app is too old or has not agreed to terms."),
    ((131021,), "The subscriber's number is the sender's own."),
    ((131030,), "A test number may write only to the numbers on its list."),
    ((131047,), "More than 24 hours since the subscriber's last message: only a template may go."),
    ((131049,), "Meta chose not to deliver it, to spare the subscriber too much advertising."),
    ((131050,), "The subscriber has stopped advertising from this business."),
    ((130472,), "The subscriber is in an experiment of Meta's and gets no advertising."),
    ((130403,), "The business itself has blocked this subscriber."),
    ((131062,), "This kind of message needs the subscriber's phone number."),
    ((137000,), "The subscriber's identity key is another one by now."),
    ((100, 131008, 131009, 135000), "Meta does not understand the request, or part of it."),
    ((131051,), "Meta does not know this type of message."),
    ((131053,), "Meta could not fetch the image, or cannot use it."),
    ((132000, 132008, 132012, 132018), "The template's parameters do not fit it."),
    ((132001,), "There is no such template in this language, or it is not approved."),
    ((132005,), "The text is too long when the template is filled in."),
    ((132007,), "The template's content breaks one of Meta's rules."),
    ((132015,), "Meta has paused the template because of its quality."),
    ((132016,), "Meta has disabled the template for good."),
    ((132068, 132069), "The form in the message is blocked, or sent too often."),
    ((134100, 134102), "The template cannot be used for marketing messages."),
    ((134101,), "The template is not ready yet; it takes some minutes."),
    ((1, 131000), "Something went wrong at Meta, or with the request."),
    ((2, 131016, 133004), "A service of Meta's is down or overloaded."),
)

SMPP = _table(
    ((0x01, 0x02, 0x03, 0x06, 0x07), "The SMSC does not understand the request."),
    ((0x0C, 0x11, 0x13, 0x33, 0x34, 0x40), "The SMSC does not understand the request."),
    ((0x42, 0x43, 0x44, 0x53, 0x54, 0x55), "The SMSC does not allow this kind of request."),
    ((0x61, 0x62), "The SMSC does not accept the lifetime or the moment of sending."),
    ((0x63, 0x67), "The SMSC does not know the message that the request is about."),
    ((0xC0, 0xC1, 0xC2, 0xC3, 0xC4), "The SMSC does not accept an optional parameter."),
    ((0x15,), "The SMSC does not know the service type."),
    ((0x04, 0x05), "The connection to the SMSC was not in the right state."),
    ((0x0D, 0x0E, 0x0F), "The SMSC refused the login or the password."),
    ((0x08, 0x64), "The SMSC has a fault of its own for now."),
    ((0x45,), "The SMSC could not take the message, without a reason."),
    ((0xFF,), "The SMSC met an error that it does not name."),
    ((0x14,), "The SMSC's queue is full."),
    ((0x58,), "The SMSC takes no more messages a second."),
    ((0x0A, 0x48, 0x49), "The SMSC does not accept the sender's name."),
    ((0x0B,), "The SMSC does not accept the subscriber's number."),
    ((0x50, 0x51), "The SMSC does not accept the form of the subscriber's number."),
    ((0x65, 0xFE), "The SMSC could not deliver the message."),
    ((0x66,), "The SMSC rejected the message."),
)

NETWORK = _table(
    ((1, 5), "The network knows nobody with this number."),
    ((44,), "The subscriber's number has changed."),
    ((6, 27), "The phone is switched off or out of coverage."),
    ((46,), "The phone did not answer."),
    ((7,), "The subscriber may not receive messages where he is."),
    ((8, 9), "The network does not admit this subscriber."),
    ((12,), "The network does not admit this phone."),
    ((13, 15, 29, 30), "The subscriber is barred from receiving messages."),
    ((10, 11, 21, 28), "The subscriber has no SMS, or the phone cannot receive any."),
    ((31, 45), "The phone was busy."),
    ((33,), "Too many messages wait for this phone already."),
    ((3,), "The network found no way to the subscriber."),
    ((32,), "The phone did not take the message: its memory may be full."),
    ((34, 35, 36), "The network has a fault of its own."),
)

_STATES = MappingProxyType(
    {
        MessageState.SCHEDULED: "The SMSC will send it later.",
        MessageState.ENROUTE: "It is on its way to the phone.",
        MessageState.DELIVERED: "It has arrived on the phone.",
        MessageState.EXPIRED: "Its lifetime ended before the phone could be reached.",
        MessageState.DELETED: "The SMSC has deleted it.",
        MessageState.UNDELIVERABLE: "It could not be delivered.",
        MessageState.ACCEPTED: "The SMSC has accepted it.",
        MessageState.UNKNOWN: "The SMSC has lost track of it.",
        MessageState.REJECTED: "The SMSC or the network rejected it.",
        MessageState.SKIPPED: "The SMSC has skipped it.",
    }
)


def meaning_of_answer(channel: Channel, code: str | None) -> str:
    """Explain the code in the answer to a submit; nothing if it has none, or nobody knows it."""
    return _in(WHATSAPP if channel is Channel.WHATSAPP else SMPP, code)


def meaning_of_receipt(channel: Channel, code: str | None, detail: str | None) -> str:
    """Explain a receipt's code, else the state that its text names; nothing if nobody knows it."""
    if channel is Channel.WHATSAPP:
        return _in(WHATSAPP, code)
    state = state_of_word((detail or "").upper())
    return _in(NETWORK, code) or (_STATES[state] if state is not None else "")


def _in(table: Mapping[int, str], code: str | None) -> str:
    number = spelled(code) if code else ""
    return table.get(int(number), "") if number.isascii() and number.isdigit() else ""
