"""Runs the gateway as a process: one store, one site, until it is told to stop."""

import asyncio
import contextlib
import fcntl
import socket
from collections.abc import Iterator
from pathlib import Path

import structlog

from whimbrel.clock import Clock, SystemClock
from whimbrel.flow.own_domain import gateway_base
from whimbrel.gateway import Gateway
from whimbrel.serving import OnReady, collector_calmed, listen, serve_app, signals_set
from whimbrel.settings import Settings
from whimbrel.store.opening import open_store, risk_of

_log = structlog.get_logger(__name__)
__all__ = ["AlreadyRunning", "Gateway", "locked", "serve"]


class AlreadyRunning(Exception):
    """Another gateway has this store open."""


@contextlib.contextmanager
def locked(store_path: Path) -> Iterator[None]:
    """Hold the store's lock: SQLite serves one gateway. Raises `AlreadyRunning`."""
    lock_path = store_path.with_name(store_path.name + ".lock")
    with lock_path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"{store_path} is in use by another gateway") from None
        yield


async def serve(
    settings: Settings,
    *,
    on_ready: OnReady | None = None,
    stop: asyncio.Event | None = None,
    clock: Clock | None = None,
    listener: socket.socket | None = None,
    post: str = "",
) -> None:
    """Run the gateway until SIGINT, SIGTERM or `stop`, and finish what is in flight.

    `listener` is a socket that several workers share, and `post` the place that one of them takes;
    without a listener the settings' address is listened on.

    Raises `AlreadyRunning`, `SettingsError`, `StoreUnavailable` and `OSError` when it cannot start.
    """
    gateway_base(settings)  # refuses a domain that is none before anything is opened
    stop, server = stop or asyncio.Event(), settings.server
    alone = contextlib.nullcontext() if settings.store.url else locked(Path(settings.store.path))
    with contextlib.ExitStack() as held:
        held.enter_context(alone)
        held.enter_context(signals_set(stop))
        # Before anything is taken over: an address that is in use is told at once.
        listener = listener or listen(server.host, server.port)
        held.enter_context(contextlib.closing(listener))
        store = await open_store(settings.store)
        if risk := risk_of(store):
            _log.warning("store_is_at_risk", why=risk)
        is_alone = not settings.store.url
        gateway = Gateway(
            settings, store, clock or SystemClock(), alone=is_alone, post=post, stopping=stop
        )
        try:
            await gateway.start()
            host, watch_port = server.host, settings.cluster.watch_port
            sites = []
            if watch_port:  # first, since it may be taken
                watcher = listen(host, watch_port)
                sites.append(serve_app(gateway.watch_site, host, 0, stop=stop, listener=watcher))
            if gateway.console_site is not None:
                desk = listen(settings.console.host or host, settings.console.port)
                sites.append(serve_app(gateway.console_site, host, 0, stop=stop, listener=desk))
            sites.append(
                serve_app(gateway.site, host, 0, stop=stop, on_ready=on_ready, listener=listener)
            )
            with collector_calmed():
                await asyncio.gather(*sites)
        finally:
            stop.set()
            await gateway.stop()
