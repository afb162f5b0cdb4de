"""What the Graph API refuses, in which order, and how it says so."""

import json

import pytest

from whimbrel.sandbox.limits import Limit, pairs_limit, throughput_limit

TO = "+79161234567"


def a_text(**members):
    return {"messaging_product": "whatsapp", "to": TO, "type": "text", "text": {"body": "Hi"}} | (
        members
    )


class FrozenClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now(self) -> int:
        return int(self.seconds * 1000)

    def elapsed(self) -> float:
        return self.seconds


async def test_the_answer_to_an_accepted_text(sandbox):
    answer = await sandbox.post(a_text(to="+7 (916) 123-45-67"))

    assert answer.http == 200
    assert answer.wamid.startswith("wamid.")
    assert answer.body == {
        "messaging_product": "whatsapp",
        "contacts": [{"input": "+7 (916) 123-45-67", "wa_id": "79161234567"}],
        "messages": [{"id": answer.wamid}],
    }


async def test_a_template_is_answered_with_its_status(sandbox):
    template = {
        "name": "parcel_ready",
        "language": {"code": "en_GB"},
        "components": [
            {
                "type": "header",
                "parameters": [{"type": "image", "image": {"link": "https://example.net/h.png"}}],
            },
            {"type": "BODY", "parameters": [{"type": "text", "text": "Ana"}]},
            {
                "type": "button",
                "sub_type": "url",
                "index": "0",
                "parameters": [{"type": "text", "text": "A-1042"}],
            },
        ],
    }
    form = {"messaging_product": "whatsapp", "to": TO, "type": "template", "template": template}

    answer = await sandbox.post(form)

    assert answer.body["messages"] == [{"id": answer.wamid, "message_status": "accepted"}]


async def test_each_check_comes_before_the_next(sandbox):
    """Every request has all the faults of the following ones as well."""
    broken = b'{"messaging_product": '
    messages = "/messages"
    own, foreign = f"/{sandbox.number.phone_number_id}", "/999"
    bad = {"Authorization": "Bearer nobody"}
    good = {"Authorization": f"Bearer {sandbox.number.token}"}

    async def ask(path, headers):
        return await sandbox.ask("POST", path, data=broken, headers=headers)

    old_version = await ask("/v16.0" + foreign + messages, {})
    no_token = await ask("/v23.0" + foreign + messages, {})
    bad_token = await ask("/v23.0" + foreign + messages, bad)
    unseen = await ask("/v23.0" + foreign + messages, good)
    not_json = await ask("/v23.0" + own + messages, good)

    assert (old_version.http, old_version.code) == (400, 2500)
    assert (no_token.http, no_token.code) == (401, 104)
    assert (bad_token.http, bad_token.code) == (401, 190)
    assert (unseen.http, unseen.code, unseen.error["error_subcode"]) == (400, 100, 33)
    assert unseen.error["type"] == "GraphMethodException"
    assert (not_json.http, not_json.code) == (400, 100)


async def test_the_error_envelope(sandbox):
    answer = await sandbox.post(a_text(surprise=1))

    assert answer.http == 400
    assert answer.error.pop("fbtrace_id")
    assert answer.error == {
        "message": "(#100) Invalid parameter",
        "type": "OAuthException",
        "code": 100,
        "error_data": {
            "messaging_product": "whatsapp",
            "details": "Object contains unknown field `surprise`",
        },
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], 100),
        (a_text(messaging_product="sms"), 100),
        ({"messaging_product": "whatsapp", "type": "text", "text": {"body": "Hi"}}, 100),
        (a_text(to="home"), 100),
        (a_text(to="+"), 100),
        (a_text(type="telegram"), 100),
        (a_text(text={"body": "Hi", "colour": "red"}), 100),
        (a_text(ttl_seconds=60), 100),
        (a_text(text={"body": ""}), 100),
        (a_text(text={"body": "x" * 4097}), 100),
        (a_text(text={"body": "Hi", "preview_url": "yes"}), 100),
        (a_text(text={}), 100),
        (a_text(text=None), 100),
        (a_text(image={"id": "1"}), 100),
        (a_text(biz_opaque_callback_data="x" * 513), 100),
        (a_text(recipient_type="group"), 100),
        ({"messaging_product": "whatsapp", "to": TO, "type": "text"}, 131008),
        (
            {
                "messaging_product": "whatsapp",
                "recipient": "GB.1",
                "type": "text",
                "text": {"body": "Hi"},
            },
            131062,
        ),
        (
            {"messaging_product": "whatsapp", "to": TO, "type": "video", "video": {"id": "1"}},
            131051,
        ),
        (a_text(to="+79000000000"), 131021),
    ],
)
async def test_refused_requests(sandbox, body, code):
    answer = await sandbox.post(body)

    assert (answer.http, answer.code) == (400, code)
    assert sandbox.world.ledger.total == 0


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ({}, 131008),
        ({"link": "https://example.net/a.jpg", "id": "1"}, 100),
        ({"link": "ftp://example.net/a.jpg"}, 100),
        ({"link": "a.jpg"}, 100),
        ({"link": "https://example.net/a.jpg", "caption": "x" * 1025}, 100),
        ({"link": "https://example.net/a.jpg", "filename": "a.jpg"}, 100),
    ],
)
async def test_refused_images(sandbox, image, code):
    answer = await sandbox.post(
        {"messaging_product": "whatsapp", "to": TO, "type": "image", "image": image}
    )

    assert answer.code == code


@pytest.mark.parametrize(
    "content",
    [
        {"type": "text", "text": {"body": "я" * 4096, "preview_url": True}},
        {"type": "image", "image": {"link": "https://example.net/a.jpg", "caption": "ж" * 1024}},
        {"type": "image", "image": {"id": "1037543291543636"}},
        {"type": "text", "text": {"body": "Hi"}, "context": {"message_id": "wamid.A"}},
        {"type": "text", "text": {"body": "Hi"}, "biz_opaque_callback_data": "x" * 512},
    ],
)
async def test_accepted_to_the_brim(sandbox, content):
    answer = await sandbox.post({"messaging_product": "whatsapp", "to": TO} | content)

    assert answer.http == 200


async def test_without_a_plus_the_message_goes_to_another_number(sandbox):
    answer = await sandbox.text("70000000004")

    assert answer.body["contacts"] == [{"input": "70000000004", "wa_id": "770000000004"}]


async def test_the_throughput_limit(start):
    clock = FrozenClock()
    sandbox = await start(clock=clock, speed=1.0, throughput=3.0)

    codes = [(await sandbox.text(f"+7916000000{n}")).http for n in range(4)]
    refused = await sandbox.text("+79160000009")
    clock.seconds += 1 / 3
    later = await sandbox.text("+79160000009")

    assert codes == [200, 200, 200, 400]
    assert (refused.http, refused.code) == (400, 130429)
    assert later.http == 200


async def test_the_pair_limit_spares_other_pairs(start):
    clock = FrozenClock()
    sandbox = await start(clock=clock, speed=1.0)

    burst = {(await sandbox.text(TO)).http for _ in range(45)}
    refused = await sandbox.text(TO)
    other = await sandbox.text("+79160000001")
    clock.seconds += 6.0
    later = await sandbox.text(TO)

    assert burst == {200}
    assert (refused.http, refused.code) == (400, 131056)
    assert (other.http, later.http) == (200, 200)


async def test_the_pair_limit_can_be_switched_off(start):
    sandbox = await start(clock=FrozenClock(), pair_limit=False)

    assert {(await sandbox.text(TO)).http for _ in range(60)} == {200}


def test_limits_run_as_fast_as_the_world():
    clock = FrozenClock()
    pairs = pairs_limit(clock, speed=10.0)
    assert sum(pairs.admits("a") for _ in range(100)) == 45

    clock.seconds += 6.0
    assert sum(pairs.admits("a") for _ in range(100)) == 10
    throughput = throughput_limit(clock, 80.0)
    assert sum(throughput.admits("n") for _ in range(100)) == 80


def test_a_limit_forgets_whoever_has_a_full_bucket():
    clock = FrozenClock()
    limit = Limit(clock, interval=6.0, burst=45)
    for key in range(10_000):
        limit.admits(key)
    clock.seconds += 7.0

    limit.admits("one more")

    assert len(limit._full_at) == 1


async def test_the_phone_number_node(sandbox):
    path = f"/v23.0/{sandbox.number.phone_number_id}"
    headers = {"Authorization": f"Bearer {sandbox.number.token}"}

    whole = await sandbox.ask("GET", path, headers=headers)
    part = await sandbox.ask("GET", path + "?fields=status,throughput", headers=headers)
    unseen = await sandbox.ask("GET", "/v23.0/999", headers=headers)

    assert whole.body["display_phone_number"] == "79000000000"
    assert whole.body["quality_rating"] == "GREEN"
    assert part.body == {
        "id": sandbox.number.phone_number_id,
        "status": "CONNECTED",
        "throughput": {"level": "STANDARD"},
    }
    assert unseen.error["message"].startswith("Unsupported get request")


@pytest.mark.parametrize("path", ["/200000000000001/messages", "/v23.0/1/2/3", "/favicon.ico"])
async def test_other_paths_have_a_graph_error(sandbox, path):
    answer = await sandbox.ask("POST", path, data=json.dumps({}))

    assert (answer.http, answer.code) == (400, 2500)
    assert path in answer.error["message"]
