"""What crosses the border after a submit: receipts and subscribers' messages in, reports out."""

from msgspec import Struct

from whimbrel.domain.content import Channel
from whimbrel.domain.status import ErrorCode, LinkState


class Receipt(Struct, frozen=True, kw_only=True):
    """One word of a channel about one of our submits."""

    sender: str
    """Whose number it was sent from: a receipt moves no other sender's links."""
    provider_id: str
    state: LinkState
    """SENT, FAILED, DELIVERED or READ."""
    at: int
    """When it happened, by the channel's clock, in milliseconds UTC."""
    link_id: int | None = None
    """Our own number, where the channel echoes it."""
    attempt: int = 0
    """The attempt that it is about, known with `link_id`."""
    error_code: ErrorCode = ErrorCode.NONE
    code: str = ""
    """The channel's raw code."""
    detail: str = ""
    """The channel's words, for operators."""
    retry_pause: int | None = None
    """With FAILED: worth another attempt after so many milliseconds."""
    tries: int | None = None
    """With `retry_pause`: only while fewer attempts than this were made; None: no such limit."""
    sender_broken: bool = False
    """With FAILED: the fault is the sender's, and its other links would fail as well."""
    senders: tuple[str, ...] = ()
    """All senders of the account that it came through, where the numbers are the account's and not
    the sender's, whose name an SMSC may have rewritten."""
    aliases: tuple[str, ...] = ()
    """Other spellings of `provider_id` under which the submit may be known. One of them can be
    another submit's number: it counts only together with `subscriber`."""
    subscriber: str | None = None
    """Digits: who it was sent to, where the channel says."""


class MoMessage(Struct, frozen=True, kw_only=True):
    """A message from a subscriber (mobile originated), or one part of it."""

    channel: Channel
    account: str
    """The sender account that it came through."""
    sender: str
    """Whom it was written to."""
    subscriber: str
    """Who wrote it: a number without `+`, or the channel's id of somebody who withholds his."""
    received_at: int
    """When it reached us, in milliseconds UTC."""
    text: str | None
    """None: not a text, or in an alphabet that is not known."""
    raw: bytes
    """An SMS: the text's octets as they came, without headers, for a character may lie across two
    parts. WhatsApp: the whole message as JSON."""
    data_coding: int | None = None
    """An SMS's: the alphabet of `raw` (`alphabet.decode`)."""
    kind: str | None = None
    """WhatsApp's: Meta's word for what it is, such as `text`, `image` or `reaction`."""
    provider_id: str | None = None
    """The channel's number of it, by which a repeated one is known; None: it has none."""
    part: int = 1
    """1 for the first."""
    parts: int = 1
    reference: int | None = None
    """What the parts of a long message have in common, beside sender and subscriber."""


class ClickedUrl(Struct, frozen=True):
    """What a subscriber followed."""

    short_url: str
    target: str


class Report(Struct, frozen=True):
    """A delivery report that is due; the members are the store's columns, in order."""

    report_id: int
    attempt: int
    """How many attempts were made before this one."""
    failures: int
    """How many of them failed since it was last made due by hand."""
    partner_id: int
    chain_id: int
    link_id: int
    status: int
    done_at: int | None
    submitted_at: int | None
    error_code: int
    notify_url: str | None
    partner_ref: str | None
    dest_addr: str
    channel: str
    sender: str
    text: str | None
    """None: it was an image, or retention has removed it."""
    created_at: int
    clicked: ClickedUrl | None = None
    """Of the report of a first click alone: its moment is `done_at`."""
    parts: int = 0
    """How many parts an SMS had whose text was removed; 0: the text tells."""
