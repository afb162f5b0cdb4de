"""The address rule over real connects: the forbidden server listens and must see nobody."""

import asyncio

import pytest
import uvloop

from whimbrel.http_out import AddressNotAllowed, AddressRule, HttpOut, NotSent

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OK_AND_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "0x7f.1",
        "0x7f000001",
        "0X7F.0.0.0x1",
        "0.0.0.0",
        "127.0.0.2",
        "user:password@127.0.0.1",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[fe80::1%25lo]",
    ],
)
async def test_loopback_is_refused_in_every_spelling(host, a_peer, an_out):
    peer = await a_peer(OK)
    with pytest.raises(AddressNotAllowed):
        await an_out([]).post(f"http://{host}:{peer.port}/", b"{}", {})
    await an_out(["127.0.0.0/8"]).post(peer.url, b"{}", {})
    assert peer.connections == 1


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "017700000001", "0177.0.0.1", "127.0.0.1.", "0", "%31%32%37.1"]
)
async def test_spellings_that_are_no_url_to_us_are_not_sent(host, a_peer, an_out):
    peer = await a_peer(OK)
    with pytest.raises(NotSent):
        await an_out([]).post(f"http://{host}:{peer.port}/", b"{}", {})
    await an_out(["127.0.0.0/8"]).post(peer.url, b"{}", {})
    assert peer.connections == 1


async def test_the_second_answer_of_a_name_is_judged_as_the_first(a_peer, an_out, names):
    peer = await a_peer(OK_AND_CLOSE, then_close=True)
    rebinding = names(["127.0.0.1"], ["127.0.0.2"])
    out = an_out(["127.0.0.1/32"], resolver=rebinding)
    url = f"http://partner.example:{peer.port}/"
    assert (await out.post(url, b"{}", {})).status == 200
    out._session.connector.clear_dns_cache()  # as after its ten seconds
    with pytest.raises(AddressNotAllowed):
        await out.post(url, b"{}", {})
    assert rebinding.asked == 2
    assert peer.connections == 1


@pytest.mark.parametrize(
    "ips",
    [
        ["127.0.0.2"],
        ["127.0.0.2", "127.0.0.3"],
        ["127.0.0.2", "::1"],
        ["10.0.0.1", "127.0.0.2", "fd00::1", "::ffff:127.0.0.2"],
        ["localhost"],
        ["127.2"],
    ],
)
async def test_a_name_with_refused_addresses_only_is_refused(ips, a_peer, an_out, names):
    peer = await a_peer(OK)
    out = an_out(["127.0.0.1/32"], resolver=names(ips))
    with pytest.raises(AddressNotAllowed, match="is not allowed"):
        await out.post(f"http://partner.example:{peer.port}/", b"{}", {})
    assert peer.connections == 0


@pytest.mark.parametrize("ips", [["10.0.0.1", "127.0.0.1"], ["fd00::1", "::1", "127.0.0.1"]])
async def test_an_allowed_address_beside_refused_ones_is_taken(ips, a_peer, an_out, names):
    peer = await a_peer(OK)
    out = an_out(["127.0.0.1/32"], resolver=names(ips))
    assert (await out.post(f"http://partner.example:{peer.port}/", b"{}", {})).status == 200


async def test_one_refused_and_one_that_does_not_answer_is_not_sent(a_peer, an_out, names):
    peer = await a_peer(OK)
    await peer.close()
    out = an_out(["127.0.0.1/32"], resolver=names(["127.0.0.1", "::1"]))
    with pytest.raises(NotSent):
        await out.post(f"http://partner.example:{peer.port}/", b"{}", {})


async def test_the_operators_list_opens_a_name_to_the_lan(a_peer, an_out):
    peer = await a_peer(OK)
    answer = await an_out(["127.0.0.0/8"]).post(f"http://localhost:{peer.port}/", b"{}", {})
    assert answer.status == 200


def test_the_guard_holds_on_uvloop(bare_peer):
    async def scenario() -> None:
        peer = bare_peer()

        async def talk(reader, writer):
            await peer.read(reader)
            writer.write(OK_AND_CLOSE)
            await writer.drain()

        await peer.start(talk)
        for allowed, host, passes in [
            ([], "127.0.0.1", False),
            ([], "localhost", False),
            ([], "[::ffff:7f00:1]", False),
            (["127.0.0.0/8"], "localhost", True),
        ]:
            out = HttpOut(
                address_rule=AddressRule(allowed),
                connect_timeout=5.0,
                timeout=10.0,
                connections=1,
                user_agent="whimbrel/test",
            )
            try:
                request = out.post(f"http://{host}:{peer.port}/", b"{}", {})
                if passes:
                    assert (await request).status == 200
                else:
                    with pytest.raises(AddressNotAllowed):
                        await request
            finally:
                await out.close()
        assert peer.connections == 1
        await peer.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
