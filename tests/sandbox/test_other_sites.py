"""Pages of strangers are kept away from a sandbox without a password."""

import pytest

PHONE = "/sandbox/phones/79161234567"
CHANGES = [
    ("POST", PHONE, b'{"is_on": false}'),
    ("POST", f"{PHONE}/answers", b'{"text": "Hi"}'),
    ("POST", "/handset/79161234567/set", b"switch=is_on&value=false"),
    ("POST", "/sandbox/inbound", b'{"from": "79161234567", "text": "Hi"}'),
    ("DELETE", "/sandbox/messages", b""),
]


def own(sandbox):
    return {"Sec-Fetch-Site": "same-origin", "Origin": sandbox.url}


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8080"},  # another port is another site's as well
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
        {"Host": "evil.example"},
    ],
    ids=str,
)
async def test_a_strangers_page_changes_nothing(sandbox, method, path, body, headers):
    await sandbox.text("+79161234567")

    answer = await sandbox.ask(method, path, data=body, headers=headers)

    assert answer.http == 403
    assert next(iter(headers)) in answer.body or "Origin" in answer.body
    assert sandbox.world.phones.touched() == []
    assert sandbox.world.ledger.total == 1
    assert list(sandbox.world.phones.answers()) == []


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_our_own_pages_and_programs_do(sandbox, method, path, body):
    for headers in (own(sandbox), {"Sec-Fetch-Site": "none"}, {}):
        answer = await sandbox.ask(method, path, data=body, headers=headers, allow_redirects=False)
        assert answer.http in {200, 204, 303}


@pytest.mark.parametrize("path", ["/", "/handset/79161234567", "/sandbox/messages", PHONE])
async def test_a_foreign_name_reads_nothing(sandbox, path):
    """A page may have its own name lead to this machine (DNS rebinding)."""
    answer = await sandbox.ask("GET", path, headers={"Host": "rebound.evil.example:8081"})

    assert answer.http == 403
    assert "Host" in answer.body


@pytest.mark.parametrize(
    "host",
    ["localhost:8081", "app.localhost", "127.0.0.1", "[::1]:8081", "10.1.2.3", "sandbox:8090"],
)
async def test_names_that_nobody_can_register_are_fine(sandbox, host):
    answer = await sandbox.ask("GET", "/handset/79161234567", headers={"Host": host})

    assert answer.http == 200


@pytest.mark.parametrize("host", ["[::1", "evil.example", "127.0.0.1.evil.example", "a.local.evil"])
async def test_others_are_not(sandbox, host):
    assert (await sandbox.ask("GET", "/", headers={"Host": host})).http == 403


async def test_a_link_from_elsewhere_leads_here(sandbox):
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert (await sandbox.ask("GET", "/handset/79161234567", headers=headers)).http == 200


async def test_the_graph_api_has_its_tokens(sandbox):
    """A gateway may know the sandbox by any name."""
    answer = await sandbox.ask(
        "GET",
        f"/v23.0/{sandbox.number.phone_number_id}",
        headers={"Host": "sandbox.example.com", "Authorization": f"Bearer {sandbox.number.token}"},
    )
    assert answer.http == 200
