"""The sandbox's answers and webhooks against Meta's own description of them."""

import json

import pytest
from tests.support.meta_openapi import schema

RECIPIENTS = ["+70000000001", "+70000000004", "+70000000005", "+70000000010", "+70000000011"]


def faults(name, document):
    """Return what is wrong, in words."""
    return [f"{error.json_path}: {error.message}" for error in schema(name).iter_errors(document)]


@pytest.mark.parametrize("recipient", RECIPIENTS)
async def test_statuses(sandbox, callback, recipient):
    schema("WebhookPayload")  # skips before the sandbox is troubled
    answer = await sandbox.text(recipient, label="wl:1.1")
    [message] = sandbox.world.ledger.select(limit=1)
    await callback.until_statuses(len(message.script.steps))

    assert faults("MessageResponsePayload", answer.body) == []
    for post in callback.posts:
        assert faults("WebhookPayload", json.loads(post.body)) == []


async def test_an_inbound_text(sandbox, callback):
    schema("WebhookPayload")
    await sandbox.ask("POST", "/sandbox/inbound", json={"from": "79161234567", "text": "STOP"})
    await callback.until(lambda: len(callback.posts) == 1)

    assert faults("WebhookPayload", json.loads(callback.posts[0].body)) == []


def test_the_schema_finds_what_is_wrong():
    """A validator that accepts everything would make the others worthless."""
    wrong = {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": "messages", "value": {"statuses": [{}]}}]}],
    }

    assert faults("WebhookPayload", wrong)
    assert faults("Message", {"messaging_product": "whatsapp", "to": "+7", "type": "text"})
