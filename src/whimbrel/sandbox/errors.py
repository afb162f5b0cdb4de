"""The error answers of the Graph API: codes, titles, HTTP statuses and the envelope.

The HTTP statuses are the last that Meta published; clients should branch on the code alone.
"""

import secrets
from typing import Any, NamedTuple

import msgspec


class KnownError(NamedTuple):
    """What is fixed about a code."""

    http: int
    title: str


KNOWN = {
    100: KnownError(400, "Invalid parameter"),
    130429: KnownError(400, "Rate limit hit"),
    131000: KnownError(500, "Something went wrong"),
    131008: KnownError(400, "Required parameter is missing"),
    131021: KnownError(400, "Recipient cannot be sender"),
    131026: KnownError(400, "Message undeliverable"),
    131047: KnownError(400, "Re-engagement message"),
    131051: KnownError(400, "Unsupported message type"),
    131056: KnownError(400, "(Business Account, Consumer Account) pair rate limit hit"),
    131062: KnownError(400, "Business-scoped user id is not allowed for this message"),
}

DETAILS = {
    130429: "Message failed to send because there were too many messages sent from this phone "
    "number in a short period of time",
    131000: "Message failed to send due to an unknown error",
    131026: "Message undeliverable. The recipient is not a WhatsApp user, has not accepted the "
    "terms, or uses an outdated client",
    131047: "Message failed to send because more than 24 hours have passed since the customer last "
    "replied to this number",
    131056: "Message failed to send because there were too many messages sent from this phone "
    "number to the same phone number in a short period of time",
}


class GraphError(Exception):
    """A request that the Graph API refuses; `envelope` is the body of the answer."""

    def __init__(
        self,
        http: int,
        code: int,
        message: str,
        *,
        details: str = "",
        subcode: int | None = None,
        kind: str = "OAuthException",
    ) -> None:
        super().__init__(message)
        self.http = http
        self.code = code
        self.message = message
        self.details = details
        self.subcode = subcode
        self.kind = kind

    def envelope(self) -> bytes:
        """Return the answer's JSON, with a trace id of its own each time."""
        error: dict[str, Any] = {"message": self.message, "type": self.kind, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        error["fbtrace_id"] = "A" + secrets.token_urlsafe(16)
        return msgspec.json.encode({"error": error})


def whatsapp_error(code: int, details: str = "") -> GraphError:
    """Return the answer for a code of `KNOWN`: its message is `(#code) title`."""
    known = KNOWN[code]
    text = details or DETAILS.get(code, known.title)
    return GraphError(known.http, code, f"(#{code}) {known.title}", details=text)


def token_missing() -> GraphError:
    """Return the answer to a request without a bearer token."""
    return GraphError(401, 104, "An access token is required to request this resource.")


def token_invalid() -> GraphError:
    """Return the answer to a token that nobody was given."""
    return GraphError(401, 190, "Invalid OAuth access token - Cannot parse access token")


def object_invisible(method: str, object_id: str) -> GraphError:
    """Return the answer for an object that is not there, or not there for this token."""
    return GraphError(
        400,
        100,
        f"Unsupported {method.lower()} request. Object with ID '{object_id}' does not exist, "
        "cannot be loaded due to missing permissions, or does not support this operation.",
        subcode=33,
        kind="GraphMethodException",
    )


def path_unknown(path: str) -> GraphError:
    """Return the answer for a path, or a version, that the Graph API does not have."""
    return GraphError(400, 2500, f"Unknown path components: {path}")


def webhook_error(code: int) -> dict[str, Any]:
    """Return an error as webhooks carry it: no type, no trace id, `title` equal to `message`."""
    title = KNOWN[code].title
    return {
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": DETAILS[code]},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    }
