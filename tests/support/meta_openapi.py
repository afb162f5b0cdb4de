"""Meta's own OpenAPI file as a validator, repaired in memory.

Owns the repairs; the reasons are in the reference on the Cloud API, section 15. The file is too
large for this repository and is looked for beside it.
"""

import functools
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

FILE = (
    Path(__file__).parents[2].parent / "shared" / "reference" / "business-messaging-api_v23.0.yaml"
)
_REF = "#/components/schemas/"
# The published file was merged from several; these lost the base and the list they belong to.
_INBOUND = (
    "TextMessage_2",
    "ReactionMessage_1",
    "AudioMessage_1",
    "DocumentMessage_1",
    "ImageMessage_1",
    "StickerMessage_1",
    "VideoMessage_1",
    "LocationMessage_1",
    "ContactSharingMessage",
    "UnsupportedMessage",
    "ButtonMessage",
    "InteractiveMessageReply",
    "OrderMessage",
    "SystemMessage",
)


def schema(name: str) -> Draft202012Validator:
    """Return a validator of a schema of the file, such as `Message` or `WebhookPayload`.

    Skips the calling test if the file is not there.
    """
    if not FILE.exists():
        pytest.skip(f"NOT CHECKED AGAINST META'S SCHEMA: {FILE} is missing")
    schemas = _repaired()
    if name not in schemas:
        raise KeyError(name)
    return Draft202012Validator({"$ref": _REF + name, "components": {"schemas": schemas}})


@functools.cache
def _repaired() -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    schemas: dict[str, Any] = yaml.load(FILE.read_bytes(), loader)["components"]["schemas"]
    _open_outbound(schemas)
    _require_less(schemas)
    _fix_button_index(schemas)
    _rejoin_inbound(schemas)
    return schemas


def _open_outbound(schemas: dict[str, Any]) -> None:
    """Let the second branch of an outbound message allow what the first one declares."""
    for form in schemas.values():
        branches = form.get("allOf", [])
        if branches and branches[0].get("$ref") == _REF + "BaseMessageProperties":
            for branch in branches[1:]:
                branch.pop("additionalProperties", None)


def _require_less(schemas: dict[str, Any]) -> None:
    schemas["BaseMessageProperties"]["required"].remove("recipient_type")
    schemas["LanguageObject"]["required"].remove("policy")
    schemas["ContextObject"]["required"].remove("referred_product")
    reaction = schemas["ReactionMessage_1"]["allOf"][1]["properties"]["reaction"]
    reaction["required"].remove("emoji")


def _fix_button_index(node: Any) -> None:
    """Replace a pattern that refuses 0 and accepts a comma, wherever it stands."""
    if isinstance(node, dict):
        if node.get("pattern") == "^[2-6, 11-14]$":
            node["pattern"] = "^[0-9]$"
        for child in node.values():
            _fix_button_index(child)
    elif isinstance(node, list):
        for child in node:
            _fix_button_index(child)


def _rejoin_inbound(schemas: dict[str, Any]) -> None:
    for name in _INBOUND:
        for branch in schemas[name].get("allOf", []):
            if branch.get("$ref") == _REF + "BaseMessageProperties":
                branch["$ref"] = _REF + "BaseMessageProperties_1"
    incoming = schemas["IncomingMessage"]
    incoming["oneOf"] = [{"$ref": _REF + name} for name in _INBOUND]
    del incoming["discriminator"]
    unsupported = schemas["UnsupportedMessage"]["allOf"][1]
    unsupported["properties"]["errors"]["items"]["$ref"] = _REF + "ErrorObject_2"
