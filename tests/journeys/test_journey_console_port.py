"""The console on a port of its own, which Partners need not reach."""

from pathlib import Path

import aiohttp

from tests.support.console import a_browser
from tests.support.processes import Installation, free_ports

PASSWORD = "console-password"


async def test_the_console_can_be_kept_from_partners(tmp_path: Path) -> None:
    port = free_ports(1)
    place = Installation(tmp_path, sections={"console": {"port": port}})
    options = ["--role", "admin", "--password-stdin"]
    await place.run("operator", "add", "ann", *options, stdin=PASSWORD)
    async with place.serve():
        async with aiohttp.ClientSession() as partner:
            for path in ("/console", "/console/sign-in"):
                async with partner.get(place.url + path) as answer:
                    assert answer.status == 404
        async with a_browser(f"http://127.0.0.1:{port}") as browser:
            assert (await browser.sign_in("ann", PASSWORD)).status == 303
            assert (await browser.get("/console/operators")).status == 200
            assert (await browser.get("/send")).status == 404
