"""What subscribers wrote (MO), the newest first, of all or of one of them."""

from datetime import datetime
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from whimbrel.domain import phone
from whimbrel.domain.operator import Right
from whimbrel.store.engine import Store
from whimbrel.store.mo_messages import MoWish, find_mo_messages
from whimbrel.web.console.guard import Page, page
from whimbrel.web.pages.preferences import preferences_of, zones
from whimbrel.web.pages.rendering import Pages
from whimbrel.web.pages.words import phrase

PATH = "/console/inbound"
_SIZE = 50
_LAST = (1 << 62, 0)
_LONGEST = 200  # a short number or a name may write, too; a user id of WhatsApp's has 131
_KINDS = {
    "audio": phrase("audio"),
    "button": phrase("button"),
    "contacts": phrase("contacts"),
    "document": phrase("document"),
    "image": phrase("image"),
    "interactive": phrase("choice or form"),
    "location": phrase("location"),
    "order": phrase("order"),
    "reaction": phrase("reaction"),
    "sticker": phrase("sticker"),
    "unsupported": phrase("of a kind that Meta does not hand over"),
    "video": phrase("video"),
}
"""What WhatsApp's kinds are called. A mere text needs no word, and a kind of tomorrow is Meta's."""


class InboundPage:
    """One page, that goes on behind a message."""

    def __init__(self, store: Store, pages: Pages) -> None:
        self._store = store
        self._pages = pages

    def pages(self) -> list[Page]:
        """Return the page."""
        return [page(PATH, Right.SEE, GET=self.show)]

    async def show(self, request: Request) -> Response:
        """Show some messages."""
        fields, wrong = request.query_params, {}
        typed, until = fields.get("subscriber", "").strip(), fields.get("to", "").strip()
        named = fields.get("zone", "")
        zone = named if named in zones() else preferences_of(request).zone
        before, before_id = _cursor(fields.get("older", "")) or _LAST
        if len(typed) > _LONGEST:
            wrong["subscriber"] = phrase("This is longer than anything that is kept.")
        if until:
            try:
                before = min(before, _moment(until, zone))
            except (ValueError, OverflowError):
                wrong["to"] = phrase("Write a moment like 2026-11-25T14:30.")
        rows = []
        if not wrong:
            subscriber = _subscriber(typed) if typed else None
            wish = MoWish(subscriber, 0, before, before_id, _SIZE + 1)
            rows = await self._store.read(find_mo_messages, wish)
        return self._pages.answer(
            request,
            "console/inbound.html",
            status=400 if wrong else 200,
            path=PATH,
            found=rows[:_SIZE],
            kinds=_KINDS,
            older=rows[_SIZE - 1] if len(rows) > _SIZE else None,
            typed=typed,
            until=until,
            zone_name=zone,
            wrong=wrong,
            at_start="older" not in fields,
        )


def _subscriber(typed: str) -> str:
    """Return a phone as it is kept; what is none, such as a short number, as it was typed."""
    try:
        return phone.normalise(typed)
    except phone.BadPhone:
        return typed.removeprefix("+")


def _moment(text: str, zone: str) -> int:
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).timestamp() * 1_000)


def _cursor(text: str) -> tuple[int, int] | None:
    """Return the place behind which the page begins: a moment and a number, as `older` has them."""
    at, dot, number = text.partition(".")
    parts = (at, number)
    if dot and all(one.isascii() and one.isdecimal() and len(one) <= 18 for one in parts):
        return int(at), int(number)
    return None
