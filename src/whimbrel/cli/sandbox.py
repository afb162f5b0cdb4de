"""`whimbrel sandbox`: a local stand-in for Meta's Cloud API and for an SMSC."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from whimbrel import sandbox as world
from whimbrel.cli.terminal import ConfigOption, fail, read_settings
from whimbrel.serving import listen, serve_app
from whimbrel.settings import Settings

app = typer.Typer()


@app.command()
def sandbox(
    config: ConfigOption = None,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="How many times faster its delays pass.")
    ] = None,
    receiver: Annotated[
        int | None, typer.Option(help="Also receive and print delivery reports on this port.")
    ] = None,
    parent_pipe: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the sandbox for the accounts of the settings until Ctrl-C or SIGTERM."""
    settings = read_settings(config)
    if speed is not None:
        settings.sandbox.speed = speed
    state_file = Path(settings.store.path).with_name("sandbox-state.json")
    try:
        uvloop.run(_run(settings, receiver, state_file, parent_pipe))
    except ExceptionGroup as group:
        refused, others = group.split(OSError)
        if refused is None or others is not None:
            raise
        fail(str(refused.exceptions[0]))


async def _run(
    settings: Settings, receiver_port: int | None, state_file: Path, parent_pipe: int | None
) -> None:
    """Serve; as a child, tell the parent by a byte that all is ready, and end when it closes."""
    stop = asyncio.Event()
    waited_for = 1 + bool(settings.smpp) + (receiver_port is not None)

    def on_ready(url: str) -> None:
        nonlocal waited_for
        waited_for -= 1
        if parent_pipe is None:
            print(f"{url} is ready", flush=True)
        elif not waited_for:
            os.write(parent_pipe, b".")

    if parent_pipe is not None:
        asyncio.get_running_loop().add_reader(parent_pipe, stop.set)  # readable: at its end
    async with asyncio.TaskGroup() as tasks:
        if receiver_port is not None:
            receiver = world.Receiver(printer=lambda line: print(line, flush=True))
            # Before the SMSC's threads are there, which would outlive us if the port is taken.
            host, port = settings.sandbox.host, receiver_port
            listener = listen(host, port)
            serving = serve_app(
                receiver.app, host, port, stop=stop, on_ready=on_ready, listener=listener
            )
            tasks.create_task(serving)
        tasks.create_task(
            world.run(
                settings,
                on_ready=on_ready,
                stop=stop,
                state_file=state_file,
                smsc_state_file=state_file.with_name("smsc-state.json"),
            )
        )
