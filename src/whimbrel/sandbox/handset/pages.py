"""The pages of the sandbox: the phones, and the screen of each.

What they show and do is told by `chat` and `hand`; what they look like, by the templates.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from whimbrel.clock import SECOND
from whimbrel.sandbox.handset.chat import Chats
from whimbrel.sandbox.handset.hand import Hand, Switches, phone_number, scripts_of
from whimbrel.sandbox.handset.live import Look, Piece, live_response
from whimbrel.sandbox.handset.screen import HEADERS, Screen, asset_routes, words_of
from whimbrel.sandbox.scripts import MAGIC_PREFIX, SCRIPTS, USUAL
from whimbrel.sandbox.smsc import Smsc
from whimbrel.sandbox.smsc.scripts import SMS_SCRIPTS
from whimbrel.sandbox.wishes import WrongWish
from whimbrel.sandbox.world import World

_BETWEEN_LISTS = 1.0  # seconds; to gather them is work, and under load each message is news
_STATE_TEMPLATES = ("state", "switches", "notice", "unread")


class HandsetPages:
    """The pages at `/` and below `/handset`. Without an SMSC there are no SMS."""

    def __init__(self, world: World, smsc: Smsc | None, chats: Chats, hand: Hand) -> None:
        self._world = world
        self._smsc = smsc
        self._chats = chats
        self._hand = hand
        self._screen = Screen()

    def routes(self) -> list[Route]:
        """Return the routes."""
        one = "/handset/{number}"
        return [
            Route("/", self.home, methods=["GET"]),
            Route("/handset", self.home, methods=["GET"]),
            Route("/handset/live", self.live_home, methods=["GET"]),
            *asset_routes(),
            Route(one, self.phone, methods=["GET"]),
            Route(one + "/live", self.live_phone, methods=["GET"]),
            Route(one + "/set", self.set, methods=["POST"]),
            Route(one + "/read", self.read, methods=["POST"]),
            Route(one + "/answers", self.answer, methods=["POST"]),
        ]

    async def home(self, request: Request) -> Response:
        """Show the phones that something has come to, and lead to any other."""
        if written := request.query_params.get("phone"):
            try:
                return RedirectResponse(f"/handset/{phone_number(written)}", 303, HEADERS)
            except WrongWish as wrong:
                return self._home(request, status=400, written=written, wrong=wrong)
        return self._home(request)

    async def live_home(self, request: Request) -> Response:
        """Keep the list of phones up to date."""

        def look() -> Look:
            html = self._screen.draw(request, "_phones.html", phones=self._chats.phones())
            return Look([Piece("phones", "piece", html)], pause=_BETWEEN_LISTS)

        news = self._world.phones.news
        return live_response(look, news.listening(), self._world.stopping)

    async def phone(self, request: Request) -> Response:
        """Show a phone's screen."""
        written = request.path_params["number"]
        try:
            return self._phone(request, phone_number(written))
        except WrongWish as wrong:
            return self._home(request, status=404, written=written, wrong=wrong)

    async def live_phone(self, request: Request) -> Response:
        """Keep a phone's screen up to date."""
        try:
            number = phone_number(request.path_params["number"])
        except WrongWish as wrong:
            return Response(str(wrong), 404, media_type="text/plain")

        def look() -> Look:
            values = self._values(number)
            pieces = [
                Piece(name, "piece", self._screen.draw(request, f"_{name}.html", **values))
                for name in _STATE_TEMPLATES
            ]
            for bubble in values["bubbles"]:
                html = self._screen.draw(request, "_bubble.html", **values, bubble=bubble)
                pieces.append(Piece(f"m-{bubble.id}", "bubble", html))
            coming = [one.next_at for one in values["bubbles"] if one.next_at is not None]
            again_in = (min(coming) - self._world.clock.now()) / SECOND if coming else None
            return Look(pieces, again_in)

        news = self._world.phones.news
        return live_response(look, news.listening(number), self._world.stopping)

    async def set(self, request: Request) -> Response:
        """Turn one switch: `switch` is a member of `Switches`, `value` is true or false."""
        form = await _form(request)
        wanted = {form.get("switch", ""): form.get("value") == "true"}
        return self._done(
            request, lambda number: self._hand.set(number, msgspec.convert(wanted, Switches))
        )

    async def read(self, request: Request) -> Response:
        """Read the message `id`, or all."""
        form = await _form(request)
        ids = [form["id"]] if "id" in form else None
        return self._done(request, lambda number: self._hand.read(number, ids))

    async def answer(self, request: Request) -> Response:
        """Write `text` to `to`, a channel and an address with a colon between them."""
        form = await _form(request)
        channel, _, to = form.get("to", "").partition(":")
        text = form.get("text", "").replace("\r\n", "\n")
        return self._done(
            request,
            lambda number: self._hand.answer(number, channel=channel, to=to, text=text),
            draft=text,
        )

    def _done(self, request: Request, act: Callable[[str], object], draft: str = "") -> Response:
        """Do it, and lead back to the phone; a script is told how it went, and no more."""
        written = request.path_params["number"]
        try:
            number = phone_number(written)
        except WrongWish as wrong:
            return self._home(request, status=404, written=written, wrong=wrong)
        try:
            act(number)
        except (WrongWish, msgspec.ValidationError) as error:
            return self._refused(request, number, error, draft)
        if _is_script(request):
            return Response(status_code=204)
        return RedirectResponse(f"/handset/{number}", 303, HEADERS)

    def _refused(self, request: Request, number: str, error: Exception, draft: str) -> Response:
        words, reason = words_of(request), str(error)
        if isinstance(error, WrongWish):
            reason = words(error.text, **error.values)
        if _is_script(request):
            body = msgspec.json.encode({"error": reason})
            return Response(body, 400, media_type="application/json")
        return self._phone(request, number, status=400, reason=reason, draft=draft)

    def _home(
        self,
        request: Request,
        *,
        status: int = 200,
        written: str = "",
        wrong: WrongWish | None = None,
    ) -> Response:
        smsc = self._smsc
        magic = {end: script for end, script in SCRIPTS.items() if script is not USUAL}
        return self._screen.answer(
            request,
            "home.html",
            status=status,
            written=written,
            wrong=wrong,
            phones=self._chats.phones(),
            couriers=self._world.couriers.values(),
            smsc=smsc,
            prefix=MAGIC_PREFIX,
            tables={"WhatsApp": magic} | ({"SMS": SMS_SCRIPTS} if smsc else {}),
        )

    def _phone(
        self, request: Request, number: str, *, status: int = 200, reason: str = "", draft: str = ""
    ) -> Response:
        values = self._values(number)
        return self._screen.answer(
            request, "phone.html", status=status, **values, reason=reason, draft=draft
        )

    def _values(self, number: str) -> dict[str, Any]:
        """Return what the templates of a phone need."""
        phone, scripts = self._world.phones.of(number), scripts_of(number)
        bubbles = self._chats.on(number)
        by_hand = phone.is_on and (not phone.reads_itself or scripts.whatsapp is not None)
        readable = {
            one.id
            for one in bubbles
            if by_hand and one.channel == "WHATSAPP" and one.fate == "delivered"
        }
        last = bubbles[-1] if bubbles else None
        return {
            "phone": phone,
            "scripts": scripts,
            "bubbles": bubbles,
            "readable": readable,
            "recipients": self._hand.recipients(),
            "last": last,
        }


def _is_script(request: Request) -> bool:
    return request.headers.get("accept") == "application/json"


async def _form(request: Request) -> dict[str, str]:
    return dict(
        parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    )
