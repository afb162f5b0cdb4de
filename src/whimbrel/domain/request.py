"""A Partner's request as it was understood, before anything of it is checked.

The wire's own habits (spelling, numbers in quotes) end in `web/send_request.py`; the rules begin in
`flow/checks.py`.
"""

from msgspec import Struct


class MessageRequest(Struct, frozen=True, kw_only=True):
    """What one link is to carry, and how."""

    type: str
    content_type: str | None
    """None: there is no `instantContent`."""
    text: str | None
    image_url: str | None
    plain_text: str | None
    """`data.text`, where an SMS has its text."""
    service_number: str | None
    ttl: int | None
    ttl_unit: str | None
    shorten_links: bool | None


class ScheduleRequest(Struct, frozen=True, kw_only=True):
    """When the message may go."""

    time_begin: str | None
    time_end: str | None
    weekdays: str | None
    deadline: str | None


class CascadeRequest(Struct, frozen=True, kw_only=True):
    """What follows when the link before it has not reached `state`."""

    state: str
    message: MessageRequest
    next_link: "CascadeRequest | None"


class SendRequest(Struct, frozen=True, kw_only=True):
    """One request to send (`protocol.md`, section 1)."""

    login: str
    password: str
    partner_ref: str | None
    use_time_diff: bool
    shorten_links: bool
    schedule: ScheduleRequest | None
    dest_addr: str
    message: MessageRequest
    extra_param: str | None
    registered_delivery: int
    notify_url: str | None
    cascade: CascadeRequest | None
