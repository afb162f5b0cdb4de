"""The JSON that the Cloud API takes (Meta's page "Messages").

The echoed member names the link and the attempt, `<link>.<attempt>`: there is no idempotency key,
and this echo in receipts is the only way to learn what became of a request that had no answer.
"""

import msgspec

from whimbrel.channels.connector import Submission
from whimbrel.domain.content import Text

_encode = msgspec.json.Encoder().encode


def message_body(submission: Submission) -> bytes:
    """Return the body of `POST /{version}/{phone-number-id}/messages`.

    `to` begins with `+`, for without it Meta adds the country code of the sending number.
    """
    content = submission.content
    kind, carried = (
        ("text", {"preview_url": False, "body": content.text})
        if isinstance(content, Text)
        else ("image", {"link": content.url})
    )
    return _encode(
        {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": f"+{submission.dest_addr}",
            "type": kind,
            kind: carried,
            "biz_opaque_callback_data": f"{submission.link_id}.{submission.attempt}",
        }
    )


def read_echo(echo: str | None) -> tuple[int, int] | None:
    """Return link and attempt of our own echo; None for another's."""
    link, _, attempt = (echo or "").partition(".")
    if not (link.isascii() and link.isdigit() and attempt.isascii() and attempt.isdigit()):
        return None
    return (int(link), int(attempt)) if len(link) < _TOO_LONG and len(attempt) < _TOO_LONG else None


_TOO_LONG = 19  # digits; what the store keeps has 63 bits
