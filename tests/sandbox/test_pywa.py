"""pywa, a client that is not ours, sends through the sandbox and reads its webhooks."""

import asyncio
import json

import httpx
import pytest
from pywa import WhatsApp
from pywa.errors import ReEngagementMessage, WhatsAppError
from pywa.types import MessageStatus
from pywa.types.message_status import MessageStatusType


@pytest.fixture
async def client(sandbox):
    with httpx.Client() as session:
        client = WhatsApp(
            phone_id=sandbox.number.phone_number_id,
            token=sandbox.number.token,
            session=session,
            server=None,
        )
        # pywa insists on Meta's address while it is built, and on nothing afterwards.
        session.base_url = sandbox.url + "/v23.0"
        yield client


async def test_a_text(sandbox, client):
    sent = await asyncio.to_thread(
        client.send_message, to="+70000000003", text="Hello", tracker="a.1"
    )

    [message] = sandbox.world.ledger.select(limit=1)
    assert sent.id == message.wamid
    assert message.callback_data == "a.1"


async def test_an_image(sandbox, client):
    sent = await asyncio.to_thread(
        client.send_image,
        to="+70000000003",
        image="https://example.net/a.jpg",
        caption="Front door",
    )

    [message] = sandbox.world.ledger.select(limit=1)
    assert sent.id == message.wamid
    assert message.content.link == "https://example.net/a.jpg"


async def test_a_status(sandbox, callback, client):
    sent = await asyncio.to_thread(
        client.send_message, to="+70000000003", text="Hello", tracker="a"
    )
    await callback.until_statuses(1)

    status = MessageStatus.from_update(client, json.loads(callback.posts[0].body))

    assert status.id == sent.id
    assert status.status is MessageStatusType.SENT
    assert status.tracker == "a"
    assert status.from_user.wa_id == "70000000003"


async def test_a_failed_status_with_contacts(start, callback, client):
    sandbox = await start(contacts_on_failed=True)
    await sandbox.text("+70000000005")
    await callback.until_statuses(1)

    status = MessageStatus.from_update(client, json.loads(callback.posts[0].body))

    assert isinstance(status.error, ReEngagementMessage)


async def test_an_error(client):
    with pytest.raises(WhatsAppError) as caught:
        await asyncio.to_thread(client.send_message, to="+70000000007", text="Hello")

    assert caught.value.code == 131056
