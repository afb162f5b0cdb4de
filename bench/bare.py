"""The bare server: what uvicorn, Starlette and msgspec cost for the same request and answer.

It decodes the request into a typed struct and answers a number, or leads every visitor to the same
place; it checks nothing, looks nothing up and stores nothing. Its server is set up as the gateway's
own is. Run as `python -m bench.bare PORT`.
"""

import gc
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import msgspec
import uvicorn
from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


class ContentData(Struct, rename="camel"):
    text: str | None = None
    image_url: str | None = None


class InstantContent(Struct):
    type: str
    data: ContentData


class MessageData(Struct, rename="camel"):
    instant_content: InstantContent
    service_number: str | None = None
    ttl: int | None = None
    ttl_unit: str | None = None


class Message(Struct):
    type: str
    data: MessageData


class ScheduleInfo(Struct, rename="camel"):
    time_begin: str | None = None
    time_end: str | None = None
    weekdays_schedule: str | int | None = None
    deadline: str | None = None


class SendBody(Struct, rename="camel"):
    login: str
    password: str
    dest_addr: str | int
    message: Message
    use_time_diff: bool | None = None
    shorten_links: bool | None = None
    id: str | int | None = None
    schedule_info: ScheduleInfo | None = None
    extra_param: str | None = None
    registered_delivery: int | None = None
    notify_url: str | None = None


class SendAnswer(Struct, rename="camel"):
    mt_num: str
    id: str | int | None


_decode = msgspec.json.Decoder(SendBody, strict=False).decode
_encode = msgspec.json.Encoder().encode
_numbers = count(1 << 52)  # as long as the gateway's


async def send(request: Request) -> Response:
    """Answer as the gateway does."""
    body = _decode(await request.body())
    answer = SendAnswer(str(next(_numbers)), body.id)
    return Response(_encode(answer), media_type="application/json")


async def follow(_request: Request) -> Response:
    """Redirect as the gateway does."""
    headers = {"Location": "https://shop.example/orders/0", "Cache-Control": "no-store"}
    return Response(status_code=302, headers=headers)


@asynccontextmanager
async def _started(_app: Starlette) -> AsyncIterator[None]:
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    yield


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print("The bare server is ready", flush=True)


def main() -> None:
    """Serve until SIGTERM."""
    routes = [Route("/send", send, methods=["POST"]), Route("/{uid}", follow)]
    app = Starlette(routes=routes, lifespan=_started)
    config = uvicorn.Config(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        backlog=2_048,
        timeout_keep_alive=75,  # as the gateway has it: at 5 s a busy connection can be cut
    )
    _Server(config).run()


if __name__ == "__main__":
    main()
