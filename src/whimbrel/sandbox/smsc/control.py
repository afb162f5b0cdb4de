"""The SMSC's part of the sandbox's own API: what an SMSC would never tell.

Owns how submits are shown and the requests that meddle with accounts and connections.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from whimbrel.sandbox.answers import json_answer
from whimbrel.sandbox.smsc.accounts import SmscAccount
from whimbrel.sandbox.smsc.centre import Smsc
from whimbrel.sandbox.smsc.ledger import SubmittedSms
from whimbrel.sandbox.wishes import WrongWish


class InboundSms(Struct, forbid_unknown_fields=True, kw_only=True):
    """A text that a subscriber writes to a sender of one of the accounts."""

    channel: Literal["SMS"]
    sender: Annotated[str, Meta(pattern="^[0-9]{7,15}$")] = msgspec.field(name="from")
    to: str
    text: Annotated[str, Meta(min_length=1)]


class SmppFault(Struct, forbid_unknown_fields=True, kw_only=True):
    """The command_status that an account's submits are answered with from now on; null ends it."""

    smpp: str
    status: Annotated[int, Meta(ge=1, le=0xFFFFFFFF)] | None


class Drop(Struct, forbid_unknown_fields=True, kw_only=True):
    """Whose connections are torn; absent: everybody's."""

    smpp: str | None = None


class SmscControl:
    """Looks into an SMSC and meddles with it."""

    def __init__(self, smsc: Smsc) -> None:
        self._smsc = smsc

    def routes(self) -> list[Route]:
        """Return the routes that are the SMSC's alone."""
        return [
            Route("/sandbox/smsc/drop", self.drop, methods=["POST"]),
            Route("/sandbox/smsc/hold", self.hold, methods=["POST"]),
            Route("/sandbox/smsc/release", self.release, methods=["POST"]),
        ]

    async def drop(self, request: Request) -> Response:
        """Tear connections as a network does: a TCP reset, no unbind. Tells how many."""
        try:
            wanted = msgspec.json.decode(await request.body() or b"{}", type=Drop)
            system_id = None if wanted.smpp is None else self._account(wanted.smpp).system_id
        except (msgspec.DecodeError, WrongWish) as error:
            return json_answer({"error": str(error)}, status=400)
        return json_answer({"dropped": self._smsc.relay.drop(system_id)})

    async def hold(self, _request: Request) -> Response:
        """Pass no byte on in either direction until the release; connections stay open."""
        self._smsc.relay.hold()
        return Response(status_code=204)

    async def release(self, _request: Request) -> Response:
        """Pass on what was held."""
        self._smsc.relay.release()
        return Response(status_code=204)

    def messages(
        self, *, limit: int, to: str | None = None, since: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Yield the last submits that were taken, newest last."""
        yield from map(_shown, self._smsc.ledger.select(limit=limit, to=to, since=since))

    def count(self) -> dict[str, int]:
        """Count the submits that were taken, and how many of them came before with equal content.

        `refused` counts what was not taken.
        """
        ledger = self._smsc.ledger
        return {
            "total": ledger.total,
            "distinct": ledger.distinct,
            "duplicates": ledger.total - ledger.distinct,
            "refused": ledger.refused,
        }

    def clear(self) -> None:
        """Forget all submits."""
        self._smsc.ledger.clear()

    def inbound(self, body: bytes) -> str:
        """Let a subscriber write, and return the id. Raises `WrongWish` or `DecodeError`."""
        wanted = msgspec.json.decode(body, type=InboundSms)
        for account in self._smsc.accounts.values():
            if wanted.to in account.senders:
                break
        else:
            senders = [one for account in self._smsc.accounts.values() for one in account.senders]
            raise WrongWish(f"to must be one of {sorted(senders)}")
        try:
            return self._smsc.write_inbound(
                account, subscriber=wanted.sender, to=wanted.to, text=wanted.text
            )
        except ValueError as error:
            raise WrongWish(str(error)) from error

    def fault(self, body: bytes) -> None:
        """Break an account, or mend it. Raises `WrongWish` or `DecodeError`."""
        wanted = msgspec.json.decode(body, type=SmppFault)
        name = self._account(wanted.smpp).name
        if wanted.status is None:
            self._smsc.faults.pop(name, None)
        else:
            self._smsc.faults[name] = wanted.status

    def health(self) -> dict[str, Any]:
        """Tell who is bound, and how receipts fare."""
        postmen = self._smsc.postmen
        return {
            "url": self._smsc.url,
            "held": self._smsc.relay.held,
            "held_bytes": self._smsc.relay.held_bytes,
            "sessions": {system_id: postman.sessions for system_id, postman in postmen.items()},
            "receipts_to_come": sum(postman.pending for postman in postmen.values())
            + self._smsc.waiting,
            "receipts_delivered": sum(postman.delivered for postman in postmen.values()),
            "faults": dict(self._smsc.faults),
        }

    def _account(self, name: str) -> SmscAccount:
        accounts = self._smsc.accounts
        if name not in accounts:
            raise WrongWish(f"smpp must be one of {sorted(accounts)}")
        return accounts[name]


def _shown(sms: SubmittedSms) -> dict[str, Any]:
    return {
        "channel": "SMS",
        "id": sms.message_id,
        "to": sms.to,
        "smpp": sms.account,
        "session": sms.session_id,
        "source": sms.source._asdict(),
        "destination": sms.destination._asdict(),
        "text": sms.text,
        "part": sms.part._asdict() if sms.part else None,
        "short_message": sms.content.hex(),
        "data_coding": sms.data_coding,
        "esm_class": sms.esm_class,
        "registered_delivery": sms.registered_delivery,
        "accepted_at": sms.accepted_at,
        "script": sms.script.name,
        "receipts": [
            {
                "stat": receipt.stat,
                "at": receipt.at,
                "attempts": receipt.attempts,
                "acknowledged_at": receipt.acknowledged_at,
            }
            for receipt in sms.receipts
        ],
    }
