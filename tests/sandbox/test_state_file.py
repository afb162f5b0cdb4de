"""What outlives a clean stop of the sandbox."""

import json


async def stop(sandbox, state):
    """Leave the world, and wait until the state is on disk."""
    sandbox.world.stopping.set()
    await sandbox.serving
    return json.loads(state.read_bytes())


async def test_statuses_still_to_come_come_after_a_restart(start, callback, tmp_path):
    state = tmp_path / "sandbox.json"
    slow = await start(state_file=state, speed=1e-6)
    answer = await slow.text("+70000000001", label="wl:1.1")
    saved = await stop(slow, state)

    await start(state_file=state)
    await callback.until_statuses(3)

    assert [round(step["due_in"], 1) for step in saved["steps"]] == [0.2, 0.5, 1.0]
    assert callback.names() == ["sent", "delivered", "read"]
    assert {status["id"] for status in callback.statuses} == {answer.wamid}
    assert {status["biz_opaque_callback_data"] for status in callback.statuses} == {"wl:1.1"}


async def test_an_unacknowledged_webhook_comes_again_to_the_byte(start, callback, tmp_path):
    state = tmp_path / "sandbox.json"
    callback.usual_answer = 500
    first = await start(state_file=state)
    await first.text("+70000000001")
    await callback.until(lambda: first.world.pending == 0 and len(callback.refused_posts) > 3)
    await stop(first, state)

    callback.usual_answer = 200
    await start(state_file=state)
    await callback.until_statuses(3)

    assert callback.posts[0].body == callback.refused_posts[0].body
    assert callback.names() == ["sent", "delivered", "read"]


async def test_what_never_had_a_handshake_waits_for_the_next_run(start, callback, tmp_path):
    state = tmp_path / "sandbox.json"
    callback.verify_token = "another word"
    first = await start(state_file=state)
    await first.text("+70000000001")
    await first.ask("POST", "/sandbox/inbound", json={"from": "79161234567", "text": "Hi"})
    await callback.until(lambda: first.world.pending == 0)
    await stop(first, state)

    callback.verify_token = first.number.verify_token
    await start(state_file=state)
    await callback.until(lambda: len(callback.posts) == 2)

    assert callback.names() == ["sent", "delivered", "read"]


async def test_nothing_is_saved_when_all_is_delivered(start, callback, tmp_path):
    state = tmp_path / "sandbox.json"
    sandbox = await start(state_file=state)
    await sandbox.text("+70000000012")

    assert await stop(sandbox, state) == {"messages": [], "steps": [], "webhooks": []}


async def test_a_broken_file_and_numbers_that_are_gone_are_passed_over(
    start, callback, tmp_path, caplog
):
    state = tmp_path / "sandbox.json"
    slow = await start(state_file=state, speed=1e-6)
    await slow.text("+70000000001")
    await stop(slow, state)
    moved = await start(state_file=state, numbers=[])
    await stop(moved, state)

    state.write_text("not JSON")
    sandbox = await start(state_file=state)
    await sandbox.text("+70000000003")
    await callback.until_statuses(1)

    assert "is not a state file" in caplog.text
    assert callback.names() == ["sent"]
