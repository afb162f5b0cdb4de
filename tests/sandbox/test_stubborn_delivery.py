"""Handshake, order, batches and retries."""

import asyncio

import pytest


async def test_nothing_is_posted_before_the_handshake(start, callback):
    callback.verify_token = "another word"
    sandbox = await start()
    await sandbox.text("+70000000003")

    await callback.until(lambda: callback.handshakes >= 2)
    assert callback.posts == []
    health = await sandbox.ask("GET", "/sandbox/health")
    assert health.body["numbers"][0]["handshake"] == "handshake refused with HTTP 403"

    callback.verify_token = sandbox.number.verify_token
    await callback.until_statuses(1)


@pytest.mark.parametrize("echo", [lambda challenge: challenge + "\n", lambda challenge: "ok"])
async def test_the_challenge_must_come_back_exactly(start, callback, echo):
    callback.echo = echo
    sandbox = await start()
    await sandbox.text("+70000000003")

    await callback.until(lambda: callback.handshakes >= 2)
    assert callback.posts == []

    callback.echo = lambda challenge: challenge
    await callback.until_statuses(1)


async def test_retries_are_identical_to_the_byte(sandbox, callback):
    callback.answers.extend([500, 404, 202, 302])
    await sandbox.text("+70000000003", label="wl:1.1")

    await callback.until_statuses(1)

    [post] = callback.posts
    assert [refused.body for refused in callback.refused_posts] == [post.body] * 4
    assert {refused.headers["X-Hub-Signature-256"] for refused in callback.refused_posts} == {
        post.headers["X-Hub-Signature-256"]
    }


async def test_a_later_status_waits_for_the_acknowledgement_of_the_earlier(sandbox, callback):
    callback.usual_answer = 500
    await sandbox.text("+70000000001")
    await callback.until(lambda: len(callback.refused_posts) >= 6)
    order = ["sent", "delivered", "read"]
    for post in callback.refused_posts:  # on a slow machine several may be due for one POST
        names = [status["status"] for status in _statuses(post)]
        assert names == order[: len(names)]

    callback.usual_answer = 200
    await callback.until_statuses(3)

    assert callback.names() == order


async def test_one_failing_webhook_does_not_delay_other_messages(sandbox, callback):
    callback.answers.extend([500, 500, 500])
    first = await sandbox.text("+70000000003")
    await callback.until(lambda: len(callback.refused_posts) == 3)

    second = await sandbox.text("+70000000003")
    await callback.until_statuses(2)

    assert {status["id"] for status in callback.statuses} == {first.wamid, second.wamid}


async def test_what_waits_goes_in_one_post(start, callback):
    callback.verify_token = "another word"
    sandbox = await start()
    answers = [await sandbox.text(f"+7916000000{n}") for n in range(5)]
    await callback.until(lambda: sandbox.world.pending == 0)

    callback.verify_token = sandbox.number.verify_token
    await callback.until_statuses(15)

    [post] = callback.posts
    for answer in answers:
        own = [status["status"] for status in _statuses(post) if status["id"] == answer.wamid]
        assert own == ["sent", "delivered", "read"]
    assert len(post.value["contacts"]) == 5


async def test_a_post_has_a_bound_and_order_survives_it(start, callback):
    callback.verify_token = "another word"
    sandbox = await start(largest_post=2)
    answers = [await sandbox.text(f"+7916000000{n}") for n in range(5)]
    await callback.until(lambda: sandbox.world.pending == 0)

    callback.verify_token = sandbox.number.verify_token
    await callback.until_statuses(15)

    assert max(len(_statuses(post)) for post in callback.posts) <= 2
    for answer in answers:
        own = [status["status"] for status in callback.statuses if status["id"] == answer.wamid]
        assert own == ["sent", "delivered", "read"]


async def test_many_messages_all_get_their_statuses(sandbox, callback):
    answers = await asyncio.gather(*(sandbox.text(f"+7916000{n:04}") for n in range(200)))

    await callback.until_statuses(600)

    by_message = {answer.wamid: [] for answer in answers}
    for status in callback.statuses:
        by_message[status["id"]].append(status["status"])
    assert all(names == ["sent", "delivered", "read"] for names in by_message.values())


async def test_after_seven_days_a_webhook_is_dropped(start, callback):
    callback.usual_answer = 500
    # A week passes in 60 ms, and the receiver is mended after it.
    sandbox = await start(speed=10_000_000.0)
    await sandbox.text("+70000000003")
    async with asyncio.timeout(20):
        while not await _dropped(sandbox):
            pass

    callback.usual_answer = 200
    await sandbox.text("+70000000003")
    await callback.until_statuses(1)

    assert len(callback.statuses) == 1


async def _dropped(sandbox):
    health = await sandbox.ask("GET", "/sandbox/health")
    return health.body["numbers"][0]["webhooks_dropped"]


def _statuses(post):
    return post.value["statuses"]
