"""The phones as JSON, `/sandbox/phones/*`: what the page can do, for tests and curl."""

from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from whimbrel.sandbox.answers import json_answer
from whimbrel.sandbox.handset.chat import Chats
from whimbrel.sandbox.handset.hand import Hand, Switches, phone_number, scripts_of
from whimbrel.sandbox.handset.phones import Phones
from whimbrel.sandbox.wishes import WrongWish


class Reading(Struct, forbid_unknown_fields=True, kw_only=True):
    """The messages to be read, by the ids that Meta gave them; absent: all."""

    ids: list[str] | None = None


class Writing(Struct, forbid_unknown_fields=True, kw_only=True):
    """A text to be written; `to` may be left out if the channel has one number or sender only."""

    text: str
    channel: Literal["WHATSAPP", "SMS"] = "WHATSAPP"
    to: str | None = None


class PhonesApi:
    """The endpoints below `/sandbox/phones`."""

    def __init__(self, phones: Phones, chats: Chats, hand: Hand) -> None:
        self._phones = phones
        self._chats = chats
        self._hand = hand

    def routes(self) -> list[Route]:
        """Return the routes."""
        one = "/sandbox/phones/{number}"
        return [
            Route("/sandbox/phones", self.all, methods=["GET"]),
            Route(one, _explained(self.show), methods=["GET"]),
            Route(one, _explained(self.set), methods=["POST"]),
            Route(one + "/read", _explained(self.read), methods=["POST"]),
            Route(one + "/answers", _explained(self.answer), methods=["POST"]),
        ]

    async def all(self, _request: Request) -> Response:
        """List the phones that something has come to, newest first."""
        return json_answer({"phones": self._chats.phones()})

    async def show(self, request: Request) -> Response:
        """Tell how a phone is set, which scripts its number follows, and what is on its screen."""
        number = phone_number(request.path_params["number"])
        return json_answer(
            {
                "phone": self._phones.of(number),
                "scripts": scripts_of(number),
                "recipients": self._hand.recipients(),
                "messages": self._chats.on(number),
            }
        )

    async def set(self, request: Request) -> Response:
        """Set a phone, and tell how it is set then."""
        wanted = msgspec.json.decode(await request.body(), type=Switches)
        return json_answer(
            {"phone": self._hand.set(phone_number(request.path_params["number"]), wanted)}
        )

    async def read(self, request: Request) -> Response:
        """Read what is unread, and tell what that was."""
        wanted = msgspec.json.decode(await request.body() or b"{}", type=Reading)
        return json_answer(
            {"read": self._hand.read(phone_number(request.path_params["number"]), wanted.ids)}
        )

    async def answer(self, request: Request) -> Response:
        """Write to the business."""
        wanted = msgspec.json.decode(await request.body(), type=Writing)
        id_ = self._hand.answer(
            phone_number(request.path_params["number"]),
            channel=wanted.channel,
            to=wanted.to,
            text=wanted.text,
        )
        return json_answer({"id": id_})


def _explained(
    endpoint: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    async def explained(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (msgspec.DecodeError, WrongWish) as error:
            return json_answer({"error": str(error)}, status=400)

    return explained
