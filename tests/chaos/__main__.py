"""Run by the command line; ends with 1 if a promise was broken."""

import asyncio
import signal
import sys

from tests.chaos.options import read_options
from tests.chaos.run import run


async def _main() -> bool:
    task = asyncio.current_task()
    assert task
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    return (await run(read_options())).kept


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(_main()) else 1)
