"""People at the console, for `bench.console`: some watch the overview live, one opens pages.

A process of its own. It writes a line when every stream is live, and goes on until it is ended. Run
as `python -m bench.lookers --port PORT ...`; the operator's password comes on no command line.
"""

import argparse
import asyncio
import contextlib
import re
import signal

import aiohttp

LOGIN, PASSWORD = "bench", "bench-operator-password"
PAGES = (
    *("/console?range=1h", "/console/messages", "/console?range=24h"),
    *("/console/messages?phone=79161234567", "/console?range=30d", "/console/messages?error=6"),
)
"""What is opened in turn: the overview, and searches."""
_STREAM = "/console/live?range=1h"
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]+)"')


class Lookers:
    """Some browsers of one operator."""

    def __init__(self, url: str, client: aiohttp.ClientSession) -> None:
        self._url = url
        self._client = client

    async def sign_in(self) -> None:
        """Sign in; the cookie stays with the client. Raises `RuntimeError` if it is refused."""
        async with self._client.get(f"{self._url}/console/sign-in") as page:
            found = _CSRF.search(await page.text())
        form = {"csrf": found[1] if found else "", "login": LOGIN, "password": PASSWORD}
        async with self._client.post(
            f"{self._url}/console/sign-in", data=form, allow_redirects=False
        ) as answer:
            if answer.status != 303:
                raise RuntimeError(f"signing in was answered {answer.status}")

    async def watch(self, live: asyncio.Event) -> None:
        """Hear one stream. Raises `RuntimeError` if it is refused."""
        async with self._client.get(self._url + _STREAM) as answer:
            if answer.status != 200:
                raise RuntimeError(f"the stream was answered {answer.status}")
            async for line in answer.content:
                if line.startswith(b"event: "):
                    live.set()

    async def open_pages(self, pages: list[str], pause: float) -> None:
        """Open one page after the other, for ever, with a pause in between (seconds).

        Raises `RuntimeError` if one is not there.
        """
        while True:
            for page in pages:
                async with self._client.get(self._url + page) as answer:
                    await answer.read()
                    if answer.status != 200:
                        raise RuntimeError(f"{page} was answered {answer.status}")
                await asyncio.sleep(pause)


async def look(url: str, viewers: int, pages: list[str], pause: float) -> None:
    """Look until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    jar = aiohttp.CookieJar(unsafe=True)  # 127.0.0.1 is no name
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(cookie_jar=jar, timeout=timeout) as client:
        lookers = Lookers(url, client)
        await lookers.sign_in()
        lives = [asyncio.Event() for _ in range(viewers)]
        tasks = [asyncio.create_task(lookers.watch(live)) for live in lives]
        tasks.append(asyncio.create_task(lookers.open_pages(pages, pause)))
        for live in lives:
            await live.wait()
        print("live", flush=True)
        ending = asyncio.create_task(stop.wait())
        await asyncio.wait({ending, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError):
                await task


def main() -> None:
    """Look by the arguments."""
    parser = argparse.ArgumentParser(prog="python -m bench.lookers", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--viewers", type=int, default=5)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two pages")
    parser.add_argument("--page", action="append", help="a path to open; may be repeated")
    given = parser.parse_args()
    url = f"http://127.0.0.1:{given.port}"
    asyncio.run(look(url, given.viewers, given.page or list(PAGES), given.pause))


if __name__ == "__main__":
    main()
