"""The SMSC's door: who may bind, and what a bad network does."""

import asyncio

import pytest
from tests.support.esme import (
    ANSWER,
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    ENQUIRE_LINK,
    UNBIND,
    Pdu,
    RawEsme,
    eventually,
)

from whimbrel.sandbox.smsc import relay

MAIN, SECRET = "esme-main", "secret-1"


@pytest.mark.parametrize("command", [BIND_TRANSMITTER, BIND_TRANSCEIVER])
async def test_a_bind_with_the_right_password(smsc, command):
    async with RawEsme.connected(smsc.port) as raw:
        answer = await raw.bind(MAIN, SECRET, command)

    assert (answer.command, answer.status, answer.sequence) == (command | ANSWER, 0, 1)


@pytest.mark.parametrize(
    ("system_id", "password", "status"),
    [
        (MAIN, "secret-2", 0x0E),
        (MAIN, "", 0x0E),
        ("nobody", SECRET, 0x0F),
        ("", "", 0x0F),
    ],
)
async def test_other_binds_are_refused(smsc, system_id, password, status):
    async with RawEsme.connected(smsc.port) as raw:
        answer = await raw.bind(system_id, password)
        with pytest.raises(asyncio.IncompleteReadError):
            await raw.read()

    assert answer == Pdu(BIND_TRANSCEIVER | ANSWER, status, 1, b"\0")


async def test_receivers_are_not_served(smsc):
    async with RawEsme.connected(smsc.port) as raw:
        assert (await raw.bind(MAIN, SECRET, BIND_RECEIVER)).status == 0x0D


async def test_a_bind_may_come_in_pieces(smsc):
    for split_at in (3, 20):
        async with RawEsme.connected(smsc.port) as raw:
            assert (await raw.bind(MAIN, SECRET, split_at=split_at)).status == 0


async def test_who_does_not_bind_first_is_shown_the_door(smsc):
    async with RawEsme.connected(smsc.port) as raw:
        raw.send(ENQUIRE_LINK)
        assert await raw.read() == Pdu(0x80000000, 0x04, 1, b"")
        with pytest.raises(asyncio.IncompleteReadError):
            await raw.read()


async def test_a_bind_that_is_too_long_is_refused(smsc):
    async with RawEsme.connected(smsc.port) as raw:
        answer = await raw.bind("x" * 2_000, "")

    assert answer.status == 0x02


async def test_who_never_binds_is_cut_off(start_smsc, monkeypatch):
    monkeypatch.setattr(relay, "BIND_WITHIN", 0.05)
    smsc = await start_smsc()
    async with RawEsme.connected(smsc.port) as raw:
        with pytest.raises(ConnectionResetError):
            await raw.read()


async def test_a_drop_tears_the_sessions_of_one_account_alone(smsc, bind):
    ours, others = await bind(), await bind("esme-other")

    assert smsc.relay.drop("esme-main") == 1
    await ours.until_disconnected()

    assert (await others.submit("70000000103")).is_success
    await eventually(lambda: smsc.postmen["esme-main"].sessions == 0)
    assert smsc.postmen["esme-other"].sessions == 1


async def test_nothing_passes_while_it_is_held(smsc, esme):
    async with RawEsme.connected(smsc.port) as raw:
        await raw.bind(MAIN, SECRET)
        smsc.relay.hold()
        raw.send(ENQUIRE_LINK)
        submitting = asyncio.create_task(esme.submit("70000000101"))
        # A second connection is taken, yet nobody answers its bind.
        async with RawEsme.connected(smsc.port) as late:
            binding = asyncio.create_task(late.bind(MAIN, SECRET))
            await eventually(lambda: smsc.relay.held_bytes > 0 and len(smsc.relay.fronts) == 3)
            assert smsc.ledger.total == 0
            assert not submitting.done()
            assert not binding.done()

            smsc.relay.release()

            assert (await binding).status == 0
            assert (await raw.read()).command == ENQUIRE_LINK | ANSWER
            assert (await submitting).is_success


async def test_a_polite_unbind_ends_the_session(smsc):
    async with RawEsme.connected(smsc.port) as raw:
        await raw.bind(MAIN, SECRET)
        await eventually(lambda: smsc.postmen[MAIN].sessions == 1)
        sequence = raw.send(UNBIND)
        assert await raw.read() == Pdu(UNBIND | ANSWER, 0, sequence, b"")
        with pytest.raises(asyncio.IncompleteReadError):
            await raw.read()
    await eventually(lambda: smsc.postmen[MAIN].sessions == 0)
    assert not smsc.relay.fronts


async def test_a_taken_port_is_an_error(smsc, start_smsc):
    with pytest.raises(OSError, match="in use"):
        await start_smsc(port=smsc.port)
