"""Each line of the script table, seen from outside."""

import asyncio

import pytest

from whimbrel.sandbox.scripts import SCRIPTS, script_for


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        ("+70000000001", ["sent", "delivered", "read"]),
        ("+70000000002", ["sent", "delivered"]),
        ("+70000000003", ["sent"]),
        ("+70000000004", ["failed"]),
        ("+70000000005", ["failed"]),
        ("+70000000010", ["read", "read", "delivered", "delivered", "sent", "sent"]),
        ("+70000000011", ["sent", "read"]),
        ("+70000000101", ["failed"]),
        ("+70000009999", ["sent", "delivered", "read"]),
        ("+447700900123", ["sent", "delivered", "read"]),
    ],
)
async def test_statuses_come_as_scripted_and_no_others(sandbox, callback, recipient, expected):
    answer = await sandbox.text(recipient, label="wl:1.1")

    await callback.until_statuses(len(expected))

    assert callback.names() == expected
    assert sandbox.world.pending == 0
    assert {status["id"] for status in callback.statuses} == {answer.wamid}
    assert {status["biz_opaque_callback_data"] for status in callback.statuses} == {"wl:1.1"}


@pytest.mark.parametrize(
    ("recipient", "code"), [("+70000000004", 131026), ("+70000000005", 131047)]
)
async def test_failures_come_after_a_200(sandbox, callback, recipient, code):
    answer = await sandbox.text(recipient)
    await callback.until_statuses(1)

    assert answer.http == 200
    [error] = callback.statuses[0]["errors"]
    assert error["code"] == code
    assert error["title"] == error["message"]
    assert error["error_data"]["details"]


@pytest.mark.parametrize(
    ("recipient", "refusals", "http", "code"),
    [
        ("+70000000006", 3, 400, 130429),
        ("+70000000007", 1, 400, 131056),
        ("+70000000008", 3, 500, 131000),
    ],
)
async def test_refusals_are_counted_per_message(sandbox, recipient, refusals, http, code):
    for attempt in range(1, refusals + 1):
        answer = await sandbox.text(recipient, label=f"wl:1.{attempt}")
        assert (answer.http, answer.code) == (http, code)

    assert (await sandbox.text(recipient, label="wl:2.1")).http == http
    assert (await sandbox.text(recipient, label=f"wl:1.{refusals + 1}")).http == 200
    assert (await sandbox.text(recipient, label="wl:1")).http == 200, "the attempt may be left out"


async def test_without_callback_data_the_content_tells_the_message(sandbox):
    assert (await sandbox.text("+70000000007", body="One")).code == 131056
    assert (await sandbox.text("+70000000007", body="Two")).code == 131056
    assert (await sandbox.text("+70000000007", body="One")).http == 200


async def test_an_accepted_message_that_is_never_answered_has_its_receipts(sandbox, callback):
    sending = asyncio.create_task(sandbox.text("+70000000009", label="wl:9.1"))

    await callback.until_statuses(3)

    assert callback.names() == ["sent", "delivered", "read"]
    assert not sending.done()
    assert sandbox.world.ledger.total == 1
    sending.cancel()


async def test_a_stop_lets_go_of_requests_that_are_never_answered(sandbox, callback):
    sending = asyncio.create_task(sandbox.text("+70000000009"))
    await callback.until_statuses(3)

    sandbox.world.stopping.set()

    async with asyncio.timeout(20):
        await sending


async def test_receipts_are_acknowledged_before_the_answer(sandbox, callback):
    answer = await sandbox.text("+70000000012")

    assert callback.names() == ["sent", "delivered", "read"]
    assert {status["id"] for status in callback.statuses} == {answer.wamid}


async def test_a_late_delivery(start, callback):
    sandbox = await start(speed=1000.0)
    await sandbox.text("+70000000013")

    await callback.until_statuses(2)

    [message] = sandbox.world.ledger.select(limit=1)
    _, delivered = message.statuses
    assert callback.names() == ["sent", "delivered"]
    # From its acceptance: `sent` may be late where others use the machine.
    assert delivered.at - message.accepted_at >= 89, "90 s in milliseconds at this speed, less one"


@pytest.mark.parametrize("end", range(101, 116))
def test_who_has_a_fate_as_an_sms_is_not_on_whatsapp(end):
    assert [step.code for step in script_for(f"7000000{end:04}").steps] == [131026]


@pytest.mark.parametrize("end", ["0100", "0116", "1010", "9999"])
def test_the_numbers_around_them_are(end):
    assert script_for(f"7000000{end}") is SCRIPTS["0001"]


def test_the_table_has_every_number():
    assert list(SCRIPTS) == [f"{end:04}" for end in range(1, 14)]
