"""The demonstration Partner."""

import asyncio

import aiohttp
import pytest

from whimbrel.sandbox import Receiver
from whimbrel.sandbox.receiver import line_of
from whimbrel.serving import serve_app

REPORT = {
    "id": "8770100",
    "mtNum": "107930572",
    "status": 2,
    "type": "WHATSAPP",
    "doneDate": "2026-05-05T10:20:35+0300",
    "submitDate": "2026-05-05T10:20:34+0300",
    "sourceAddr": "Shop",
    "destAddr": "79161234567",
    "text": "Your code is 1234",
    "partCount": "001",
    "errorCode": "0",
    "mccMnc": "25001",
    "trafficType": 1,
}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {},
            (
                "report  mtNum=107930572  id=8770100  WHATSAPP  status=2 delivered"
                "  doneDate=2026-05-05T10:20:35+0300"
            ),
        ),
        (
            {"status": 5, "errorCode": "7", "doneDate": ""},
            "report  mtNum=107930572  id=8770100  WHATSAPP  status=5 undelivered  errorCode=7",
        ),
    ],
)
def test_a_report_is_one_line_without_its_text(changes, line):
    assert line_of(REPORT | changes) == line


async def test_the_receiver_takes_reports_on_any_path_and_keeps_them():
    lines: list[str] = []
    receiver = Receiver(lines.append)
    stop = asyncio.Event()
    ready = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve_app(receiver.app, "127.0.0.1", 0, stop=stop, on_ready=ready.set_result)
    )
    url = await ready

    async with aiohttp.ClientSession() as http:
        taken = await http.post(url + "/any/path", json=REPORT)
        refused = await http.post(url, data=b"[1]")
    stop.set()
    await serving

    assert (taken.status, refused.status) == (200, 400)
    assert list(receiver.reports) == [REPORT]
    assert [line.split()[0] for line in lines] == ["report", "a"]
