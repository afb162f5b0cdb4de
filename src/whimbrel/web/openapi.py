"""The OpenAPI 3.1 document, generated from the very types that requests are read into."""

from typing import Any

import msgspec

from whimbrel import __version__
from whimbrel.web.answers import ERROR_FORMS, ErrorAnswer, ErrorForm, SendAnswer
from whimbrel.web.api import BODY_LIMIT
from whimbrel.web.check_answer import CheckAnswer
from whimbrel.web.error_examples import ERROR_EXAMPLES, example_of
from whimbrel.web.send_request import SendBody

_REF = "#/components/schemas/{name}"
_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_QUOTED: dict[str, list[dict[str, Any]]] = {
    "integer": [{"type": "string", "pattern": "^-?[0-9]+$"}],
    "boolean": [
        {"type": "string", "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|0|1)$"},
        {"enum": [0, 1]},
    ],
}
"""What the reader takes for these types, besides the types themselves."""
_ID = "X-Request-Id"
_HEADERS = {
    _ID: {
        "description": "The request's own number, in the gateway's log too.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
}
_TRY_AGAIN = {"429", "503"}
_MESSAGES, _META, _MACHINES = "Messages", "Meta's webhooks", "For machines"
_TAGS = {
    _MESSAGES: "What a Partner's program sends.",
    _META: "What Meta sends; a Partner needs none of it.",
    _MACHINES: "Whether the gateway is well, and this document.",
}


def openapi_document() -> bytes:
    """Return the document as JSON."""
    schemas, components = msgspec.json.schema_components(
        (SendBody, SendAnswer, ErrorAnswer), ref_template=_REF
    )
    _allow_quotes(components)
    (checked,), of_checks = msgspec.json.schema_components((CheckAnswer,), ref_template=_REF)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Whimbrel",
            "version": __version__,
            "description": "Send WhatsApp messages and get delivery reports. Numbers and booleans "
            "may be quoted, null means absent, and unknown members are passed over.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": tag, "description": text} for tag, text in _TAGS.items()],
        "paths": _tagged(_paths(*schemas, checked=checked)),
        "components": {"schemas": components | of_checks},
    }
    return msgspec.json.encode(document)


def _allow_quotes(components: dict[str, Any]) -> None:
    for schema in components.values():
        for member in schema["properties"].values():
            kinds = [kind.get("type") for kind in member.get("anyOf", ())]
            if "string" not in kinds:
                member.get("anyOf", []).extend(q for kind in kinds for q in _QUOTED.get(kind, ()))


def _paths(body: Any, answer: Any, error: Any, *, checked: Any) -> dict[str, Any]:
    send = _send_operation(body, answer, error)
    login = {"name": "login", "in": "path", "required": True, "schema": {"type": "string"}}
    account = {"name": "account", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "/send": {"post": {"operationId": "send", **send}},
        "/{login}": {
            "post": {"operationId": "sendToLogin", **send, "parameters": [login]},
            "description": "The same as /send, for clients that post to their login.",
        },
        "/check": {"post": {"operationId": "check", **_check_operation(body, checked, error)}},
        "/hooks/whatsapp/{account}": {
            "parameters": [account],
            "get": _handshake(),
            "post": _webhook(error),
        },
        "/healthz": {"get": _plain("healthz", "The process lives.", {"200": "It does."})},
        "/readyz": {
            "get": _plain(
                "readyz", "The gateway takes requests.", {"200": "It does.", "503": "Not now."}
            )
        },
        "/metrics": {"get": _plain("metrics", "Metrics for Prometheus.", {"200": "Metrics."})},
        "/openapi.json": {
            "get": {
                "operationId": "openapi",
                "summary": "This document.",
                "responses": {
                    "200": {
                        "description": "The document.",
                        "content": {"application/json": {"schema": {"type": "object"}}},
                    }
                },
            }
        },
    }


def _tagged(paths: dict[str, Any]) -> dict[str, Any]:
    """Tell of each operation whom it is for."""
    for path, operations in paths.items():
        for method in operations.keys() & {"get", "post"}:
            operations[method]["tags"] = [_tag_of(path, method)]
    return paths


def _tag_of(path: str, method: str) -> str:
    if path.startswith("/hooks/"):
        return _META
    return _MESSAGES if method == "post" else _MACHINES


def _send_operation(body: Any, answer: Any, error: Any) -> dict[str, Any]:
    responses: dict[str, Any] = {
        "200": _json_answer("Accepted, and on disk: `mtNum` is the message's number.", answer)
    }
    for form in sorted(set(ERROR_FORMS.values())):
        responses.setdefault(str(form.http_status), _error_answer(form, error))
    for status, response in responses.items():
        response["headers"] = _HEADERS if status in _TRY_AGAIN else {_ID: _HEADERS[_ID]}
    return {
        "summary": "Send a message.",
        "description": f"The body is JSON of up to {BODY_LIMIT} bytes, whatever its Content-Type.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body, "examples": _examples()}},
        },
        "responses": responses,
    }


def _check_operation(body: Any, checked: Any, error: Any) -> dict[str, Any]:
    """The same as /send but for its end."""
    check = _send_operation(body, checked, error)
    check["summary"] = "Tell what would become of a message, and send nothing."
    check["description"] = (
        "The body is that of /send, and is refused as /send would refuse it, login, password and "
        "pace included. What breaks no rule is answered with when each message would go, through "
        "which sender and as which text. Nothing is stored."
    )
    check["responses"]["200"]["description"] = "Nothing speaks against it; nothing was stored."
    return check


def _examples() -> dict[str, Any]:
    text = {"type": "TEXT", "data": {"text": "Your order 8770100 is on its way."}}
    image = {"type": "IMAGE_URL", "data": {"imageURL": "https://shop.example/parcel.png"}}
    hours = {"timeBegin": "10:00", "timeEnd": "20:00", "weekdaysSchedule": "12345"}
    return {
        "text": _example("A text, at once.", text),
        "image": _example("An image.", image),
        "scheduled": _example(
            "A text in sending hours, with an id and a lifetime of one day.",
            text,
            {"ttl": 24, "ttlUnit": "HOURS"},
            id="8770100",
            scheduleInfo=hours,
            registeredDelivery=1,
            notifyUrl="https://shop.example/reports",
            extraParam="campaign=autumn",
        ),
    }


def _example(
    summary: str, content: dict[str, Any], data: dict[str, Any] | None = None, **members: Any
) -> dict[str, Any]:
    message = {
        "type": "WHATSAPP",
        "data": {"instantContent": content, "serviceNumber": "SHOP", **(data or {})},
    }
    return {
        "summary": summary,
        "value": {
            "login": "shop",
            "password": "a secret",
            "destAddr": "72101234567",
            "message": message,
            **members,
        },
    }


def _error_answer(form: ErrorForm, error: Any) -> dict[str, Any]:
    """Return an answer of a status, with an example of each code that comes with it."""
    answer = _json_answer(_codes_of(form), error)
    answer["content"]["application/json"]["examples"] = {
        f"code{code.value}": {
            "summary": f"{code.value}: {other.description}",
            "description": ERROR_EXAMPLES[code].when,
            "value": example_of(code),
        }
        for code, other in ERROR_FORMS.items()
        if other.http_status == form.http_status
    }
    return answer


def _codes_of(form: ErrorForm) -> str:
    return "; ".join(
        f"code {code.value}: {other.description}"
        for code, other in ERROR_FORMS.items()
        if other.http_status == form.http_status
    )


def _json_answer(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _handshake() -> dict[str, Any]:
    wanted = ("hub.mode", "hub.verify_token", "hub.challenge")
    return {
        **_plain(
            "shakeHands",
            "Meta's handshake.",
            {"200": "The challenge.", "403": "Wrong token.", "404": "No such account."},
        ),
        "parameters": [{"name": n, "in": "query", "schema": {"type": "string"}} for n in wanted],
    }


def _webhook(error: Any) -> dict[str, Any]:
    operation = {
        **_plain(
            "receiveWebhook",
            "Meta's webhook, signed with the app secret.",
            {
                "200": "Kept.",
                "400": "The body is not complete.",
                "401": "Wrong signature.",
                "404": "No such account.",
                "413": "Longer than 4 MiB.",
                "503": "It could not be kept; send it again.",
            },
        ),
        "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
    }
    operation["responses"]["500"] = _json_answer("Something unforeseen; send it again.", error)
    return operation


def _plain(name: str, summary: str, answers: dict[str, str]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            status: {"description": text, "content": _TEXT} for status, text in answers.items()
        },
    }
