"""The part of the Graph API that a sender meets: `/messages` and the phone number node.

Owns the order of checks and the answers. What a message may hold is told by `shapes`, what
becomes of it by `World`.
"""

import asyncio
import re
from collections.abc import Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from whimbrel.sandbox.answers import json_answer
from whimbrel.sandbox.errors import (
    GraphError,
    object_invisible,
    path_unknown,
    token_invalid,
    token_missing,
    whatsapp_error,
)
from whimbrel.sandbox.ledger import Message
from whimbrel.sandbox.numbers import SandboxNumber
from whimbrel.sandbox.scripts import Answer
from whimbrel.sandbox.shapes import content_of, parse_send, recipient_of
from whimbrel.sandbox.world import World

OLDEST_VERSION = 17
_VERSION = re.compile(r"v([0-9]{1,3})\.[0-9]{1,2}")
_ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class GraphApi:
    """The endpoints below `/v*`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Return the routes; the last one takes whatever no other route of the app has taken."""
        return [
            Route("/{version}/{phone_number_id}/messages", self.send, methods=["POST"]),
            Route("/{version}/{phone_number_id}", self.phone_number, methods=["GET"]),
            Route("/{path:path}", self.anything_else, methods=_ALL_METHODS),
        ]

    async def send(self, request: Request) -> Response:
        """`POST /{version}/{phone-number-id}/messages`."""
        world = self._world
        try:
            number = self._authorised_number(request)
            if fault := world.faults.get(number.phone_number_id):
                return _refuse(fault)
            send = parse_send(await request.body())
            to = recipient_of(send, number.country_code)
            content = content_of(send)
            if to == number.display_phone_number:
                raise whatsapp_error(131021)
            message = world.accept(number, send, to, content)
        except GraphError as refusal:
            return _refuse(refusal)
        await self._keep_waiting(message, request)
        return json_answer(_acceptance(message, str(send.to)))

    async def phone_number(self, request: Request) -> Response:
        """`GET /{version}/{phone-number-id}?fields=`: the cheapest check of a configuration."""
        try:
            number = self._authorised_number(request)
        except GraphError as refusal:
            return _refuse(refusal)
        node = {
            "id": number.phone_number_id,
            "display_phone_number": number.display_phone_number,
            "verified_name": number.verified_name,
            "status": "CONNECTED",
            "quality_rating": "GREEN",
            "throughput": {"level": "STANDARD"},
        }
        if fields := request.query_params.get("fields"):
            wanted = {"id", *fields.split(",")}
            node = {name: value for name, value in node.items() if name in wanted}
        return json_answer(node)

    async def anything_else(self, request: Request) -> Response:
        """Refuse what the sandbox does not play."""
        return _refuse(path_unknown(request.url.path))

    def _authorised_number(self, request: Request) -> SandboxNumber:
        """Check version, token and object, in this order. Raises `GraphError`."""
        version = _VERSION.fullmatch(request.path_params["version"])
        if not version or int(version[1]) < OLDEST_VERSION:
            raise path_unknown(request.url.path)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise token_missing()
        if token not in self._world.tokens:
            raise token_invalid()
        phone_number_id = request.path_params["phone_number_id"]
        number = self._world.numbers.get(phone_number_id)
        if number is None or number.token != token:
            raise object_invisible(request.method, phone_number_id)
        return number

    async def _keep_waiting(self, message: Message, request: Request) -> None:
        """Hold the answer back for as long as the message's script says."""
        match message.script.answer:
            case Answer.NEVER:
                await _first_of(_hung_up(request), self._world.stopping.wait())
            case Answer.AFTER_RECEIPTS if message.settled:
                await _first_of(
                    message.settled.wait(), _hung_up(request), self._world.stopping.wait()
                )


async def _hung_up(request: Request) -> bool:
    """Return when the client has closed the connection; the body has been read already."""
    message = await request.receive()
    return bool(message["type"] == "http.disconnect")


async def _first_of(*waits: Coroutine[Any, Any, bool]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _acceptance(message: Message, written: str) -> dict[str, object]:
    receipt = {"id": message.wamid}
    if message.type == "template":
        receipt["message_status"] = "accepted"
    return {
        "messaging_product": "whatsapp",
        "contacts": [{"input": written, "wa_id": message.to}],
        "messages": [receipt],
    }


def _refuse(refusal: GraphError) -> Response:
    return Response(refusal.envelope(), refusal.http, media_type="application/json")
