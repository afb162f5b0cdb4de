"""The sandbox's own API, `/sandbox/*`: what Meta would never tell.

Owns looking into the world and meddling with it. It has no password: the sandbox is for
one's own machine.
"""

import heapq
from operator import itemgetter
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from whimbrel.sandbox.answers import json_answer
from whimbrel.sandbox.errors import GraphError
from whimbrel.sandbox.ledger import Message
from whimbrel.sandbox.numbers import SandboxNumber
from whimbrel.sandbox.smsc import Smsc
from whimbrel.sandbox.smsc.control import SmscControl
from whimbrel.sandbox.wishes import WrongWish
from whimbrel.sandbox.world import World


class Inbound(Struct, forbid_unknown_fields=True, kw_only=True):
    """A text that a subscriber writes; the number may be left out if there is one only."""

    channel: Literal["WHATSAPP"] = "WHATSAPP"
    sender: Annotated[str, Meta(pattern="^[0-9]{7,15}$")] = msgspec.field(name="from")
    text: Annotated[str, Meta(min_length=1, max_length=4096)]
    name: str | None = None
    phone_number_id: str | None = None


class FaultError(Struct, forbid_unknown_fields=True, kw_only=True):
    """An error of the Graph API, as every send shall meet it."""

    http: Annotated[int, Meta(ge=400, le=599)]
    code: int
    message: str = "Injected fault"
    subcode: int | None = None
    details: str = ""
    type: str = "OAuthException"


class Fault(Struct, forbid_unknown_fields=True, kw_only=True):
    """The error that a number answers from now on; null ends it."""

    error: FaultError | None
    phone_number_id: str | None = None


class _Addressee(Struct):
    """What tells whether a wish is for the SMSC."""

    channel: str = "WHATSAPP"
    smpp: str | None = None


class ControlApi:
    """The endpoints below `/sandbox`. Without an SMSC there are no SMS."""

    def __init__(self, world: World, smsc: Smsc | None = None) -> None:
        self._world = world
        self._smsc = SmscControl(smsc) if smsc else None

    def routes(self) -> list[Route]:
        """Return the routes; they come before the Graph API's."""
        return [
            Route("/sandbox/health", self.health, methods=["GET"]),
            Route("/sandbox/messages", self.messages, methods=["GET"]),
            Route("/sandbox/messages", self.clear, methods=["DELETE"]),
            Route("/sandbox/messages/count", self.count, methods=["GET"]),
            Route("/sandbox/inbound", self.inbound, methods=["POST"]),
            Route("/sandbox/faults", self.faults, methods=["POST"]),
            *(self._smsc.routes() if self._smsc else []),
        ]

    async def messages(self, request: Request) -> Response:
        """List accepted messages, newest last: `limit` (100), `to` (digits), `since` (ms UTC)."""
        query = request.query_params
        try:
            limit, since = int(query.get("limit", 100)), int(query.get("since", 0))
        except ValueError:
            return _wrong("limit and since are whole numbers")
        recipient = query.get("to")
        if recipient is not None:
            recipient = recipient.strip().removeprefix("+")  # an unescaped + arrives as a blank
        narrowed = {"limit": limit, "to": recipient, "since": since}
        return json_answer({"messages": self._newest(**narrowed)})

    async def count(self, _request: Request) -> Response:
        """Count all accepted messages since the start or the last DELETE.

        `labelled` came with callback data, `distinct` of them with different data (less the number
        of the attempt), so `duplicates` are messages that were accepted more than once. SMS, which
        carry no such data, are counted apart.
        """
        ledger = self._world.ledger
        count: dict[str, Any] = {
            "total": ledger.total,
            "labelled": ledger.labelled,
            "distinct": ledger.distinct,
            "duplicates": ledger.labelled - ledger.distinct,
        }
        if self._smsc:
            count["sms"] = self._smsc.count()
        return json_answer(count)

    async def clear(self, _request: Request) -> Response:
        """Forget all messages."""
        self._world.ledger.clear()
        self._world.phones.forget_answers()
        if self._smsc:
            self._smsc.clear()
        return Response(status_code=204)

    async def inbound(self, request: Request) -> Response:
        """Let a subscriber write."""
        body = await request.body()
        try:
            if msgspec.json.decode(body, type=_Addressee).channel == "SMS":
                return json_answer({"id": self._required_smsc().inbound(body)})
            wanted = msgspec.json.decode(body, type=Inbound)
            number = self._number(wanted.phone_number_id)
        except (msgspec.DecodeError, WrongWish) as error:
            return _wrong(str(error))
        wamid = self._world.write_inbound(
            number, sender=wanted.sender, text=wanted.text, name=wanted.name
        )
        return json_answer({"id": wamid})

    async def faults(self, request: Request) -> Response:
        """Break a number or an SMPP account, or mend it."""
        body = await request.body()
        try:
            if msgspec.json.decode(body, type=_Addressee).smpp is not None:
                self._required_smsc().fault(body)
                return Response(status_code=204)
            wanted = msgspec.json.decode(body, type=Fault)
            number = self._number(wanted.phone_number_id)
        except (msgspec.DecodeError, WrongWish) as error:
            return _wrong(str(error))
        fault = wanted.error
        if fault is None:
            self._world.faults.pop(number.phone_number_id, None)
        else:
            self._world.faults[number.phone_number_id] = GraphError(
                fault.http,
                fault.code,
                fault.message,
                details=fault.details,
                subcode=fault.subcode,
                kind=fault.type,
            )
        return Response(status_code=204)

    async def health(self, _request: Request) -> Response:
        """Tell that the sandbox lives, and how its webhooks fare."""
        smsc = {"smsc": self._smsc.health()} if self._smsc else {}
        return json_answer(
            {
                "status": "ok",
                "speed": self._world.speed,
                "messages": self._world.ledger.total,
                "statuses_to_come": self._world.pending,
                "numbers": [
                    {
                        "phone_number_id": phone_number_id,
                        "callback_url": courier.number.callback_url,
                        "handshake": courier.handshake,
                        "statuses_delivered": courier.delivered,
                        "webhooks_dropped": courier.dropped,
                        "fault": getattr(self._world.faults.get(phone_number_id), "code", None),
                    }
                    for phone_number_id, courier in self._world.couriers.items()
                ],
                **smsc,
            }
        )

    def _newest(self, **narrowed: Any) -> list[dict[str, Any]]:
        """Return what came on either channel in one list; `narrowed` are the ledgers' arguments."""
        whatsapp = map(_shown, self._world.ledger.select(**narrowed))
        sms = self._smsc.messages(**narrowed) if self._smsc else ()
        merged = heapq.merge(whatsapp, sms, key=itemgetter("accepted_at"))
        return list(merged)[-narrowed["limit"] :]

    def _required_smsc(self) -> SmscControl:
        if self._smsc is None:
            raise WrongWish("there is no SMSC, for the settings have no section [smpp.NAME]")
        return self._smsc

    def _number(self, phone_number_id: str | None) -> SandboxNumber:
        numbers = self._world.numbers
        if phone_number_id is None and len(numbers) == 1:
            return next(iter(numbers.values()))
        if phone_number_id not in numbers:
            raise WrongWish(f"phone_number_id must be one of {sorted(numbers)}")
        return numbers[phone_number_id]


def _shown(message: Message) -> dict[str, Any]:
    return {
        "channel": "WHATSAPP",
        "id": message.wamid,
        "to": message.to,
        "phone_number_id": message.number.phone_number_id,
        "type": message.type,
        "content": message.content,
        "biz_opaque_callback_data": message.callback_data,
        "accepted_at": message.accepted_at,
        "script": message.script.name,
        "statuses": [
            {
                "status": status.status,
                "code": status.code,
                "at": status.at,
                "acknowledged_at": status.acknowledged_at,
            }
            for status in message.statuses
        ],
    }


def _wrong(reason: str) -> Response:
    return json_answer({"error": reason}, status=400)
