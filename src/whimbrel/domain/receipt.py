"""What crosses the border after a submit: receipts in, reports out."""

from msgspec import Struct

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
    """Further senders of the same account: the receipt may be about their links too."""
    aliases: tuple[str, ...] = ()
    """Other spellings of `provider_id`, of which the submit's answer may have used one."""
    subscriber: str | None = None
    """Whom it was sent to, in digits, where the channel says."""


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
    created_at: int
