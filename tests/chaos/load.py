"""The client: sends orders at a steady pace, repeats what it may, and keeps what it was told."""

import asyncio
import random
from collections.abc import Callable

import aiohttp

from tests.chaos.orders import Order, Try, order

_PATIENCE = aiohttp.ClientTimeout(total=6)  # longer than the store's own, for what it says is news
_PAUSE = 0.5  # before a request is repeated on another node; with Retry-After it says how long
_TWINS = 0.1  # of what may be repeated is sent to two nodes at once
_UNKNOWN = "it may be there or not"


class Load:
    """Sends so many orders in so many seconds, as far as the gateway keeps up."""

    def __init__(self, urls: Callable[[], dict[str, str]], seed: int, messages: int) -> None:
        """`urls` are those of the nodes that take requests, by name."""
        self._urls = urls
        self._chance = random.Random(seed)
        self._messages = messages
        self._queue: asyncio.Queue[Order] = asyncio.Queue()
        self._giving_up = False
        self.orders: list[Order] = []

    @property
    def accepted(self) -> int:
        return sum(1 for one in self.orders if one.mt_nums)

    async def run(self, seconds: float, clients: int) -> None:
        """Send all; the last ones when the gateway has taken those before them."""
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=0)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=_PATIENCE) as http,
            asyncio.TaskGroup() as tasks,
        ):
            senders = [tasks.create_task(self._send_all(http)) for _ in range(clients)]
            await self._pace(seconds)
            await self._queue.join()
            for sender in senders:
                sender.cancel()

    def give_up(self) -> None:
        """Repeat nothing any more: the gateway has had its time."""
        self._giving_up = True

    async def _pace(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(self._messages):
            await asyncio.sleep(max(0.0, began + number * seconds / self._messages - loop.time()))
            one = order(number, self._chance)
            self.orders.append(one)
            self._queue.put_nowait(one)

    async def _send_all(self, http: aiohttp.ClientSession) -> None:
        while True:
            one = await self._queue.get()
            try:
                await self._send(http, one)
            finally:
                self._queue.task_done()

    async def _send(self, http: aiohttp.ClientSession, one: Order) -> None:
        """Send an order until it is accepted, if it may be repeated; else once."""
        if one.repeats and self._chance.random() < _TWINS and len(self._urls()) > 1:
            first, second = self._chance.sample(list(self._urls()), 2)
            await asyncio.gather(self._try(http, one, first), self._try(http, one, second))
        else:
            await self._try(http, one, self._chance.choice(list(self._urls())))
        while not one.mt_nums and one.repeats and not self._giving_up:
            await asyncio.sleep(1.0 if one.tries[-1].retry_after else _PAUSE)
            await self._try(http, one, self._chance.choice(list(self._urls())))

    async def _try(self, http: aiohttp.ClientSession, one: Order, node: str) -> None:
        loop = asyncio.get_running_loop()
        began, retry_after = loop.time(), False
        try:
            async with http.post(f"{self._urls()[node]}/send", json=one.request) as answer:
                body = await answer.json()
                retry_after = "Retry-After" in answer.headers
                outcome = _outcome(body)
                if outcome == "200":
                    one.mt_nums.add(body["mtNum"])
        except TimeoutError:
            outcome = "no answer"
        except (aiohttp.ClientConnectorError, ConnectionRefusedError):
            outcome = "not there"
        except (aiohttp.ClientError, OSError):
            outcome = "lost"
        one.tries.append(Try(node, began, loop.time(), outcome, retry_after))


def _outcome(body: dict[str, object]) -> str:
    if "mtNum" in body:
        return "200"
    error = body["error"]
    assert isinstance(error, dict)
    unknown = _UNKNOWN in str(body.get("extendedDescription"))
    return f"{error['code']} unknown" if unknown else str(error["code"])
