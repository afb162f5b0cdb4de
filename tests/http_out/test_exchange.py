"""Requests to real servers, well-behaved and otherwise."""

import asyncio
import gzip
import socket
import traceback

import pytest

from whimbrel.http_out import NotSent, Unanswered

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Mark: yes\r\n\r\nok"


async def test_an_answer_holds_status_body_headers_and_latency(a_peer, an_out):
    peer = await a_peer(OK)
    answer = await an_out().post(f"{peer.url}/hook?x=1", b'{"id": 7}', {"X-Name": "value"})
    assert (answer.status, answer.body, answer.headers["x-mark"]) == (200, b"ok", "yes")
    assert isinstance(answer.latency_ms, int)
    assert 0 <= answer.latency_ms < 10_000
    request = peer.requests[0]
    assert request.startswith(b"POST /hook?x=1 HTTP/1.1\r\n")
    assert request.endswith(b'\r\n\r\n{"id": 7}')
    for line in (b"X-Name: value", b"User-Agent: whimbrel/test", b"Accept-Encoding: identity"):
        assert line + b"\r\n" in request


async def test_get_asks_without_a_body(a_peer, an_out):
    peer = await a_peer(OK)
    assert (await an_out().get(f"{peer.url}/v23.0/1", {})).body == b"ok"
    assert peer.requests[0].startswith(b"GET /v23.0/1 HTTP/1.1\r\n")


async def test_an_error_status_is_an_answer(a_peer, an_out):
    peer = await a_peer(b"HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n")
    answer = await an_out().post(peer.url, b"", {})
    assert (answer.status, answer.body) == (503, b"")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_returned_not_followed(status, a_peer, an_out):
    target = await a_peer(OK)
    head = f"HTTP/1.1 {status} Away\r\nLocation: {target.url}/\r\nContent-Length: 0\r\n\r\n"
    peer = await a_peer(head.encode())
    answer = await an_out().post(peer.url, b"{}", {})
    assert (answer.status, answer.headers["Location"]) == (status, f"{target.url}/")
    assert target.connections == 0


async def test_cookies_are_neither_kept_nor_choked_on(a_peer, an_out):
    head = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nSet-Cookie: =;\x01 c\r\nContent-Length: 0\r\n\r\n"
    )
    peer = await a_peer(head.replace(b"\x01", b""))
    out = an_out()
    await out.post(peer.url, b"{}", {})
    await out.post(peer.url, b"{}", {})
    assert b"cookie" not in peer.requests[1].lower()


async def test_proxies_of_the_environment_are_ignored(a_peer, an_out, monkeypatch):
    proxy, peer = await a_peer(OK), await a_peer(OK)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    await an_out().post(peer.url, b"{}", {})
    assert (proxy.connections, peer.connections) == (0, 1)


async def test_userinfo_becomes_basic_authentication(a_peer, an_out):
    peer = await a_peer(OK)
    await an_out().post(f"http://anna:secret@127.0.0.1:{peer.port}/", b"{}", {})
    assert b"Authorization: Basic YW5uYTpzZWNyZXQ=\r\n" in peer.requests[0]


async def test_a_compressed_body_comes_as_sent(a_peer, an_out):
    packed = gzip.compress(b"x" * 100_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    peer = await a_peer(head.encode() + packed)
    assert (await an_out().post(peer.url, b"{}", {})).body == packed


@pytest.mark.parametrize("size", [0, 1, 999, 1000])
async def test_a_body_within_the_limit_is_whole_and_the_connection_kept(size, a_peer, an_out):
    body = bytes(i % 251 for i in range(size))
    peer = await a_peer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body)
    out = an_out(max_body=1000)
    for _ in range(3):
        assert (await out.post(peer.url, b"{}", {})).body == body
    assert peer.connections == 1


async def test_a_body_just_over_the_limit_is_cut(a_peer, an_out):
    peer = await a_peer(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001)
    assert (await an_out(max_body=1000).post(peer.url, b"{}", {})).body == b"x" * 1000


async def test_a_big_body_is_cut_and_its_connection_dropped(a_peer, an_out):
    size = 5_000_000
    peer = await a_peer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
    out = an_out(max_body=1000)
    for _ in range(2):
        assert (await out.post(peer.url, b"{}", {})).body == b"x" * 1000
    assert peer.connections == 2


async def test_a_body_in_chunks_is_joined(a_peer, an_out):
    chunks = b"".join(b"3\r\nabc\r\n" for _ in range(5)) + b"0\r\n\r\n"
    peer = await a_peer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert (await an_out().post(peer.url, b"{}", {})).body == b"abc" * 5


async def test_the_socket_does_not_wait_to_fill_packets(a_peer, an_out):
    peer = await a_peer(OK)
    out = an_out(["127.0.0.0/8"])
    await out.post(peer.url, b"{}", {})
    [idle] = out._session.connector._conns.values()
    sock = idle[0][0].transport.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_refused_port_is_not_sent(a_peer, an_out):
    peer = await a_peer(OK)
    await peer.close()
    with pytest.raises(NotSent, match=r"POST http://127\.0\.0\.1:\d+/: .*Connect call failed"):
        await an_out().post(peer.url, b"{}", {})


@pytest.mark.parametrize(
    "url",
    [
        "http://nowhere.invalid/",
        "http://a..b/",
        f"http://{'a' * 64}.invalid/",
        "ftp://127.0.0.1/",
        "http:///path",
        "/path",
        "",
        "http://[::1/",
        "http://h:99999/",
    ],
)
async def test_what_leads_to_no_host_is_not_sent(url, an_out):
    with pytest.raises(NotSent):
        await an_out().post(url, b"{}", {})


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://127.0.0.1:{port}/", {"X-Name": "a\r\nX-Other: b"}),
        ("http://anna:secret@127.0.0.1:{port}/", {"Authorization": "Bearer x"}),
    ],
)
async def test_headers_that_cannot_be_written_are_not_sent(url, headers, a_peer, an_out):
    peer = await a_peer(OK)
    with pytest.raises(NotSent):
        await an_out().post(url.format(port=peer.port), b"{}", headers)
    assert peer.requests == []


async def test_a_failed_tls_handshake_is_not_sent(a_peer, an_out, bare_peer, stack):
    plain = bare_peer()

    async def answer_in_plain_text(reader, writer):
        await reader.read(1)
        writer.write(OK)

    await plain.start(answer_in_plain_text)
    stack.push_async_callback(plain.close)
    with pytest.raises(NotSent):
        await an_out().post(f"https://127.0.0.1:{plain.port}/", b"{}", {})


async def test_a_tls_handshake_without_end_is_not_sent(a_peer, an_out):
    silent = await a_peer(None)
    with pytest.raises(NotSent, match="no connection in time"):
        await an_out(connect_timeout=0.05).post(f"https://127.0.0.1:{silent.port}/", b"{}", {})


async def test_waiting_for_a_free_connection_in_vain_is_not_sent(a_peer, an_out):
    silent = await a_peer(None)
    out = an_out(connections=1, connect_timeout=0.05)
    first = asyncio.create_task(out.post(silent.url, b"1", {}))
    await silent.request_came.wait()
    with pytest.raises(NotSent, match="no connection in time"):
        await out.post(silent.url, b"2", {})
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert len(silent.requests) == 1


@pytest.mark.parametrize(("usual", "own"), [(0.1, None), (60.0, 0.1)])
async def test_no_answer_in_time_is_unanswered(usual, own, a_peer, an_out):
    silent = await a_peer(None)
    with pytest.raises(Unanswered, match="no complete answer in time"):
        await an_out(timeout=usual).post(silent.url, b"{}", {}, timeout=own)
    assert len(silent.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\xff" * 50,
    ],
    ids=range(13),
)
async def test_an_answer_that_breaks_off_or_is_none_is_unanswered(answer, a_peer, an_out):
    peer = await a_peer(answer, then_close=True)
    with pytest.raises(Unanswered):
        await an_out().post(peer.url, b"{}", {})
    assert len(peer.requests) == 1


async def test_half_an_answer_and_then_silence_is_unanswered(an_out, bare_peer, stack):
    peer = bare_peer()

    async def talk(reader, writer):
        await peer.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await asyncio.get_running_loop().create_future()

    await peer.start(talk)
    stack.push_async_callback(peer.close)
    with pytest.raises(Unanswered, match="no complete answer in time"):
        await an_out(timeout=0.1).post(peer.url, b"{}", {})


async def test_a_reset_after_the_request_is_unanswered(an_out, bare_peer, stack):
    peer = bare_peer()

    async def talk(reader, writer):
        await peer.read(reader)
        writer.transport.abort()

    await peer.start(talk)
    stack.push_async_callback(peer.close)
    with pytest.raises(Unanswered):
        await an_out().post(peer.url, b"{}", {})


async def _lost_after_one_answer(bare_peer, stack):
    """Answer the first request of a connection; drop the connection at its second."""
    peer = bare_peer()

    async def talk(reader, writer):
        await peer.read(reader)
        writer.write(OK)
        await writer.drain()
        await peer.read(reader)

    await peer.start(talk)
    stack.push_async_callback(peer.close)
    return peer


async def test_a_post_lost_on_a_kept_connection_is_not_repeated(an_out, bare_peer, stack):
    peer = await _lost_after_one_answer(bare_peer, stack)
    out = an_out()
    await out.post(peer.url, b"1", {})
    with pytest.raises(Unanswered):
        await out.post(peer.url, b"2", {})
    assert (len(peer.requests), peer.connections) == (2, 1)


async def test_a_get_lost_on_a_kept_connection_is_repeated_once(an_out, bare_peer, stack):
    peer = await _lost_after_one_answer(bare_peer, stack)
    out = an_out()
    await out.get(peer.url, {})
    assert (await out.get(peer.url, {})).status == 200
    assert (len(peer.requests), peer.connections) == (3, 2)


async def test_closing_ends_what_is_under_way(a_peer, an_out):
    silent = await a_peer(None)
    out = an_out()
    request = asyncio.create_task(out.post(silent.url, b"{}", {}))
    await silent.request_came.wait()
    await out.close()
    with pytest.raises(Unanswered):
        await request
    with pytest.raises(RuntimeError):
        await out.post(silent.url, b"{}", {})


@pytest.mark.parametrize(
    ("answer", "scheme", "seconds"),
    [
        (b"", "http", 10.0),
        (b"HTTP/1.1 200 OK\r\nX-In: s3cret\r\nContent-Length: 10\r\n\r\ns3cret", "http", 10.0),
        (b"HTTP/1.1 s3cret\r\n\r\n", "http", 10.0),
        (b"HTTP/1.1 200 OK\r\ns3cret\r\n\r\n", "http", 10.0),
        (None, "http", 0.1),
        (None, "https", 10.0),
        (OK, "s3cret", 10.0),
    ],
)
async def test_no_error_tells_a_secret(answer, scheme, seconds, a_peer, an_out):
    peer = await a_peer(answer, then_close=True)
    url = f"{scheme}://anna:s3cret@127.0.0.1:{peer.port}/hook?token=s3cret#s3cret"
    out = an_out(timeout=seconds, connect_timeout=0.05)
    body, headers = b"s3cret", {"X-Key": "s3cret"}
    with pytest.raises((NotSent, Unanswered)) as caught:
        await out.post(url, body, headers)
    text = "".join(traceback.format_exception(caught.value))
    assert "s3cret" not in text.replace("s3cret://127.0.0.1", "")
    assert caught.value.__context__ is None
    assert f"POST {scheme}://127.0.0.1:{peer.port}/hook: " in str(caught.value)
