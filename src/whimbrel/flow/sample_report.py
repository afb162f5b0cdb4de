"""Tries where a Partner's reports go: one sample, signed and guarded as a real report is.

Nobody can take it for a real one: no chain has the number 0, no subscriber the number in it, and
text and `id` say what it is.
"""

import secrets
from enum import StrEnum
from typing import NamedTuple

from whimbrel.clock import Clock
from whimbrel.domain.content import Channel
from whimbrel.domain.partner import Partner
from whimbrel.domain.receipt import Report
from whimbrel.domain.status import Status
from whimbrel.flow.report_body import report_body
from whimbrel.flow.report_signing import report_headers
from whimbrel.http_out import AddressNotAllowed, Http, NotSent, Unanswered
from whimbrel.http_urls import redact

SAMPLE_REF = "whimbrel-sample"
SAMPLE_NUMBER = "70000000000"
SAMPLE_TEXT = "A sample report: no message was sent."
_EXCERPT = 300


class Outcome(StrEnum):
    """What came of a sample."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    """Another status than 2xx."""
    UNANSWERED = "unanswered"
    """It may have arrived, but no complete answer came in time."""
    NOT_SENT = "not sent"
    """No connection."""
    FORBIDDEN = "forbidden"
    """The address is inside, and not on the operator's list."""


class SampleAnswer(NamedTuple):
    """What a receiver made of a sample."""

    url: str
    """Without secrets."""
    signed: bool
    outcome: Outcome
    http_status: int | None = None
    latency: int | None = None
    """Milliseconds."""
    answer: str = ""
    """An excerpt of the answer, or what went wrong."""


async def send_sample(http: Http, clock: Clock, partner: Partner) -> SampleAnswer:
    """POST a sample to a Partner's report URL, which it must have, and tell what came of it."""
    profile, now = partner.profile, clock.now()
    body = report_body(_sample(partner, now), partner, "")
    message_id = f"msg_sample_{secrets.token_hex(8)}"
    headers = report_headers(profile.signing_secret, message_id, now, body)
    told = SampleAnswer(
        redact(profile.report_url), bool(profile.signing_secret), Outcome.ACKNOWLEDGED
    )
    try:
        answer = await http.post(profile.report_url, body, headers)
    except AddressNotAllowed as error:
        return told._replace(outcome=Outcome.FORBIDDEN, answer=str(error))
    except NotSent as error:
        return told._replace(outcome=Outcome.NOT_SENT, answer=str(error))
    except Unanswered as error:
        return told._replace(outcome=Outcome.UNANSWERED, answer=str(error))
    return told._replace(
        outcome=Outcome.ACKNOWLEDGED if 200 <= answer.status < 300 else Outcome.REFUSED,
        http_status=answer.status,
        latency=answer.latency_ms,
        answer=answer.body.decode("utf-8", "replace")[:_EXCERPT],
    )


def _sample(partner: Partner, now: int) -> Report:
    profile = partner.profile
    return Report(
        report_id=0,
        attempt=0,
        failures=0,
        partner_id=partner.partner_id,
        chain_id=0,
        link_id=0,
        status=Status.DELIVERED,
        done_at=now,
        submitted_at=now,
        error_code=0,
        notify_url=None,
        partner_ref=SAMPLE_REF,
        dest_addr=SAMPLE_NUMBER,
        channel=Channel.WHATSAPP,
        sender=profile.default_sender or next(iter(profile.senders), "WHIMBREL"),
        text=SAMPLE_TEXT,
        created_at=now,
    )
