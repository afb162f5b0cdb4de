"""`whimbrel serve`: the gateway itself, as one process or as several workers."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from whimbrel import app as gateway
from whimbrel.cli.terminal import ConfigOption, fail, find_settings, read_settings
from whimbrel.logs import configure_logs
from whimbrel.settings import ROLES, Role, Settings
from whimbrel.workers import Worker, run_workers

app = typer.Typer()


@app.command()
def serve(
    config: ConfigOption = None,
    roles: Annotated[
        str | None,
        typer.Option(help=f"What this node does, of {','.join(ROLES)}; else cluster.roles."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=32, help="Processes that share the port; for PostgreSQL.")
    ] = 1,
    worker: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the gateway until Ctrl-C or SIGTERM."""
    settings = read_settings(config)
    if roles is not None:
        settings.cluster.roles = _roles(roles)
    configure_logs(settings.log.level)
    if not settings.whatsapp and not settings.smpp:
        fail("no sender account: the settings need a section [whatsapp.NAME] or [smpp.NAME]")
    try:
        if worker is not None:
            uvloop.run(_work(settings, Worker.parse(worker)))
        elif workers > 1:
            _serve_with_workers(settings, find_settings(config), workers)
        else:
            uvloop.run(gateway.serve(settings, on_ready=_say_ready))
    except (gateway.AlreadyRunning, OSError) as error:
        fail(str(error))


def _roles(text: str) -> list[Role]:
    known: dict[str, Role] = {role: role for role in ROLES}
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        fail(f"--roles: {', '.join(unknown) or 'none'}: the roles are {', '.join(ROLES)}")
    return [known[name] for name in names]


def _say_ready(url: str) -> None:
    print(f"Whimbrel is ready on {url}", flush=True)


def _serve_with_workers(settings: Settings, config: Path | None, workers: int) -> None:
    if not settings.store.url:
        fail("--workers: SQLite serves one process; several need PostgreSQL (store.url)")
    command = ["serve", "--roles", ",".join(settings.cluster.roles)]
    if config is not None:
        command += ["--config", str(config)]
    asyncio.run(run_workers(settings, command, workers, on_ready=_say_ready))


async def _work(settings: Settings, worker: Worker) -> None:
    """Be one of several: tell the parent by a byte that all is ready, and end when it closes."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def parent_has_gone() -> None:
        loop.remove_reader(worker.parent_pipe)  # it would stay readable
        stop.set()

    loop.add_reader(worker.parent_pipe, parent_has_gone)
    listener = socket.socket(fileno=worker.listener)
    worker.distinguish(settings)
    await gateway.serve(
        settings,
        on_ready=lambda _: os.write(worker.parent_pipe, b"."),
        stop=stop,
        listener=listener,
        post=worker.post,
    )
