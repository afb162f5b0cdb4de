"""The processes: nodes, sandbox, PostgreSQL, and the network between them."""

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg

from tests.chaos.network import Stretch
from tests.chaos.options import LAYOUTS, Options
from tests.chaos.orders import ACCOUNTS, BROKEN, NUMBERS, PARTNERS, PASSWORD
from tests.chaos.receiver import Receiver
from tests.support.own_postgres import OwnPostgres
from tests.support.processes import WHIMBREL, Installation, free_ports
from whimbrel.store.migrate import upgrade_postgres

_START_SECONDS = 60.0
_STOP_SECONDS = 60.0
_META_SECONDS = 0.15  # between a request and its answer, as in life
_AGAIN_SECONDS = 0.5  # as a supervisor does that finds a process ended


class Node:
    """One `whimbrel serve`, with its part of the network."""

    def __init__(self, name: str, roles: str, place: "Place") -> None:
        self.name = name
        self.roles = roles
        self.port = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = place.folder / f"{name}.log"
        self.is_well = False
        """Whether a balancer before it would send it requests."""
        self.turn = asyncio.Lock()
        """Held by what harms it: one thing at a time."""
        self.starts = 0
        self._place = place
        self._process: asyncio.subprocess.Process | None = None
        self.to_store: Stretch | None = None
        if place.postgres is not None:
            port = place.postgres.port
            self.to_store = Stretch(free_ports(1), lambda: port)

    async def start(self) -> None:
        """Start it, again until it is ready: PostgreSQL may be away."""
        async with asyncio.timeout(_START_SECONDS):
            while not await self._started():  # noqa: ASYNC110 - nobody tells when
                await asyncio.sleep(_AGAIN_SECONDS)
        self.is_well = True

    async def _started(self) -> bool:
        self.starts += 1
        environment = {
            "WHIMBREL_SERVER_PORT": str(self.port),
            "WHIMBREL_CLUSTER_NAME": self.name,
        }
        if self.to_store is not None:
            environment["WHIMBREL_STORE_URL"] = (
                f"postgresql://whimbrel@127.0.0.1:{self.to_store.port}/postgres"
            )
        roles = ["--roles", self.roles] if self.roles else []
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *WHIMBREL, "serve", "-c", self._place.config, *roles,
                env={**os.environ, **environment}, cwd=self._place.folder,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        assert self._process.stdout
        if b"is ready" in await self._process.stdout.readline():
            return True
        await self._process.wait()
        return False

    async def kill(self) -> None:
        assert self._process
        self.is_well = False
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    def stand_still(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> int:
        """End it as an operator does, and return its code."""
        assert self._process
        self.is_well = False
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_STOP_SECONDS):
            return await self._process.wait()

    async def end(self) -> None:
        """Leave nothing behind."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            await self._process.wait()


class Place:
    """Everything that runs, in a folder."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder = folder
        self.postgres: OwnPostgres | None = None
        if options.engine == "postgres":
            self.postgres = OwnPostgres()
        meta = free_ports(1)
        store = {"url": self.postgres.url} if self.postgres else {"path": "whimbrel.db"}
        installation = Installation(
            folder,
            numbers={**NUMBERS, "broken": BROKEN},
            smpp=ACCOUNTS,
            sections={
                "store": store,
                "dispatch": {
                    "ambiguity_grace_seconds": options.grace,
                    "submit_timeout_seconds": 10.0,
                },
                "sandbox": {"speed": 20.0},
                **{
                    f"whatsapp.{name}": {
                        "pair_pacing": False,
                        "base_url": f"http://127.0.0.1:{meta}",
                    }
                    for name in (*NUMBERS, "broken")
                },
            },
        )
        self.installation = installation
        self.config = installation.config
        self.sandbox_url = installation.sandbox_url
        sandbox_port = int(self.sandbox_url.rpartition(":")[2])
        self.to_meta = Stretch(meta, lambda: sandbox_port, delay=_META_SECONDS)
        self.receiver = Receiver(free_ports(1))
        roles = LAYOUTS[options.layout] if self.postgres else ("",)
        self.nodes = [Node(f"node-{at}", one, self) for at, one in enumerate(roles, 1)]
        self.senders = len(NUMBERS) + 1 + len(ACCOUNTS)
        self._doors = [one for one in self.nodes if not one.roles or "api" in one.roles]
        # Where Meta posts to: in front of the nodes, as a balancer is.
        self.front = Stretch(int(installation.url.rpartition(":")[2]), self._some_node)

    def urls(self) -> dict[str, str]:
        """Return where requests go, by node; the client hears by itself who is down."""
        return {node.name: node.url for node in self._doors}

    def _some_node(self) -> int | None:
        well = [node.port for node in self._doors if node.is_well]
        return random.choice(well) if well else None

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator["Place"]:
        """Run it all; nothing is left when the block is left."""
        try:
            if self.postgres is not None:
                await asyncio.to_thread(self.postgres.start)
                await upgrade_postgres(self.postgres.url)
            await self._add_partners()
            await self.receiver.open()
            await self.front.open()
            await self.to_meta.open()
            async with self.installation.sandbox():
                for node in self.nodes:
                    if node.to_store is not None:
                        await node.to_store.open()
                await asyncio.gather(*(node.start() for node in self.nodes))
                try:
                    yield self
                finally:
                    await self._end_nodes()
        finally:
            await self._end_nodes()
            self.front.close()
            self.to_meta.close()
            self.receiver.close()
            if self.postgres is not None:
                await asyncio.to_thread(self.postgres.end)

    def clear(self) -> None:
        """Remove PostgreSQL's folder."""
        if self.postgres is not None:
            self.postgres.end()

    async def _end_nodes(self) -> None:
        await asyncio.gather(*(node.end() for node in self.nodes))
        for node in self.nodes:
            if node.to_store is not None:
                node.to_store.close()

    async def _add_partners(self) -> None:
        senders = [*NUMBERS.values(), BROKEN, *(one for [one] in ACCOUNTS.values())]
        for login, control in PARTNERS.items():
            rule = "resend" if login == "again" else "auto"
            await self.installation.add_partner(
                login, PASSWORD, "--duplicate-control", control, "--unanswered", rule,
                "--report-url", self.receiver.url, "--cascades", "--type", "WHATSAPP",
                "--type", "SMS", *(word for one in senders for word in ("--sender", one)),
            )  # fmt: skip

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the store, past all that was harmed."""
        if self.postgres is not None:
            connection = await asyncpg.connect(self.postgres.url)
            try:
                return [tuple(row) for row in await connection.fetch(sql)]
            finally:
                await connection.close()
        with contextlib.closing(sqlite3.connect(self.folder / "whimbrel.db")) as database:
            return database.execute(sql).fetchall()
