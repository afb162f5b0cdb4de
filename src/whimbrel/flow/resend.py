"""Sends a stored message again, as a new one, because an operator wants it.

It takes the road of every request: the same checks with the Partner as it is now, another number,
another promise. What differs is what cannot be asked twice. There is no password; texts go as they
were sent, with the short URLs that they had; there is no `id`, so that duplicate control has
nothing to compare, and the content window is not asked, for a repetition is what is wanted.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from whimbrel.clock import DAY, MINUTE, SECOND
from whimbrel.domain import ttl
from whimbrel.domain.chain import Named
from whimbrel.domain.content import Channel
from whimbrel.domain.partner import Partner
from whimbrel.domain.request import CascadeRequest, MessageRequest, ScheduleRequest, SendRequest
from whimbrel.domain.schedule import Schedule, ZoneReason
from whimbrel.domain.status import LinkState
from whimbrel.flow.accept import Acceptor
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.store.history import Story

_OF_THE_SUBSCRIBER = frozenset(ZoneReason) - {ZoneReason.DEFAULT, ZoneReason.PARTNER}


_REQUEST_ID = "resend of {} by {}"
_REPEATS = re.compile(r"resend of ([0-9]{1,16}) by ")


def repeated_by(request_id: str) -> int | None:
    """Return the message that one with this request id repeats; None: it repeats none."""
    found = _REPEATS.match(request_id)
    return int(found[1]) if found else None


class WhyNot(Enum):
    """Why a message cannot be sent again; the value is how operators read it."""

    REMOVED_CONTENT = "its text was removed by retention: there is nothing left to send"
    REMOVED_PARTNER = "its Partner was removed"
    DISABLED_PARTNER = "its Partner is disabled"
    NO_SUCH_LINK = "it has no message at this place"


class CannotResend(Exception):
    """It cannot be sent again."""

    def __init__(self, why: WhyNot) -> None:
        super().__init__(why.value)
        self.why = why


class Resender:
    """Makes new messages of old ones."""

    def __init__(self, acceptor: Acceptor, partners: PartnerDirectory) -> None:
        self._acceptor = acceptor
        self._partners = partners

    async def resend(
        self, story: Story, operator: str, *, at_once: bool = False, first: int = 0
    ) -> int:
        """Accept the message of `story` anew from its link `first` on; return the new `mtNum`.

        `at_once` leaves its sending hours and its deadline away. Raises `CannotResend`, and
        `Refusal` where it breaks a rule by now; then nothing was stored.
        """
        partner = self._partner_of(story)
        request = request_again(story, at_once=at_once, first=first)
        request_id = _REQUEST_ID.format(story.chain["chain_id"], operator)
        return await self._acceptor.accept_again(request, partner, request_id)

    def _partner_of(self, story: Story) -> Partner:
        """Return its Partner; a login may have been given to another one since."""
        partner = self._partners.by_id(story.chain["partner_id"])
        if partner is None or self._partners.by_login(partner.login) is not partner:
            raise CannotResend(WhyNot.REMOVED_PARTNER)
        if partner.disabled:
            raise CannotResend(WhyNot.DISABLED_PARTNER)
        return partner


def request_again(story: Story, *, at_once: bool, first: int = 0) -> SendRequest:
    """Return the request that would make such a message. Raises `CannotResend`."""
    chain, links = story.chain, story.links[first:]
    if chain["content_removed_at"] is not None:
        raise CannotResend(WhyNot.REMOVED_CONTENT)
    if not links:
        raise CannotResend(WhyNot.NO_SUCH_LINK)
    hours = None if at_once or chain["schedule"] is None else Schedule.from_json(chain["schedule"])
    return SendRequest(
        login=chain["login"],
        password="",  # nobody asks for it
        partner_ref=None,
        use_time_diff=hours is not None and hours.zone_reason in _OF_THE_SUBSCRIBER,
        shorten_links=False,  # they are short already, as far as they were to be
        schedule=None if hours is None else _schedule(hours),
        dest_addr=f"+{chain['dest_addr']}",
        message=_message(links[0]),
        extra_param=chain["extra_param"],
        registered_delivery=chain["registered_delivery"],
        notify_url=chain["notify_url"],
        cascade=_cascade(links),
    )


def _cascade(links: Sequence[Mapping[str, Any]]) -> CascadeRequest | None:
    """Return what stands behind the first of these links."""
    if len(links) == 1:
        return None
    return CascadeRequest(
        state=LinkState(links[0]["satisfied_by"]).name,
        message=_message(links[1]),
        next_link=_cascade(links[1:]),
    )


def _message(link: Mapping[str, Any]) -> MessageRequest:
    is_sms, text = link["channel"] == Channel.SMS, link["text"]
    return MessageRequest(
        type=link["channel"],
        content_type=None if is_sms else ("IMAGE_URL" if text is None else "TEXT"),
        text=None if is_sms else text,
        image_url=link["image_url"],
        plain_text=text if is_sms else None,
        service_number=link["sender"],
        ttl=_named_lifetime(link),
        ttl_unit="SECONDS",
        shorten_links=None,
    )


def _named_lifetime(link: Mapping[str, Any]) -> int | None:
    """Return the seconds that the request named; None: it had the Partner's default, and has it.

    Of an old one nobody knows: then it was named if it could have been.
    """
    seconds = int(link["ttl"]) // SECOND
    if link["named"] is not None:
        return seconds if Named.LIFETIME in Named(link["named"]) else None
    has_next = link["satisfied_by"] is not None
    try:
        ttl.lifetime(link["channel"], seconds, "SECONDS", has_next=has_next)
    except ttl.BadTtl:
        return None
    return seconds


def _schedule(hours: Schedule) -> ScheduleRequest:
    deadline, every_day = hours.deadline_at, len(hours.weekdays) == 7
    return ScheduleRequest(
        time_begin=_time_of_day(hours.begins),
        time_end=_time_of_day(hours.ends),
        weekdays=None if every_day else "".join(map(str, hours.weekdays)),
        deadline=None if deadline is None else _iso(deadline),
    )


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment / SECOND, UTC).isoformat(timespec="milliseconds")


def _time_of_day(wall: int) -> str:
    """Write a time as `scheduleInfo` has it; beyond midnight it is the next day's."""
    minutes, rest = divmod(wall if wall <= DAY else wall - DAY, MINUTE)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // SECOND:02}"
