"""PgBouncer before the tests' server: each transaction may get another connection."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.support.own_postgres import answers, unprivileged
from tests.support.processes import free_ports
from tests.support.runner import runner

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_STARTED_WITHIN = 10.0
_CONFIGURATION = """
[databases]
* = {target}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
logfile = {folder}/log
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 100
"""


@contextlib.contextmanager
def pooled(url: str, *, size: int) -> Iterator[str]:
    """Run PgBouncer in transaction mode with `size` connections; yields the URL through it."""
    assert PROGRAM, "PgBouncer is not installed"
    parts, owner, port = urlsplit(url), unprivileged(), free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="whimbrel-pgbouncer-"))
    user, password = parts.username or "postgres", unquote(parts.password or "")
    target = f"host={parts.hostname} port={parts.port or 5432} user={user}"
    target += f" password={password}" if password else ""
    configuration = _CONFIGURATION.format(target=target, port=port, folder=folder, size=size)
    (folder / "pgbouncer.ini").write_text(configuration)
    (folder / "users").write_text(f'"{user}" ""\n')
    if owner:
        shutil.chown(folder, owner)
        for file in folder.iterdir():
            shutil.chown(file, owner)
    process = subprocess.Popen(
        [PROGRAM, folder / "pgbouncer.ini"], cwd=folder, user=owner,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    through = parts._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
    try:
        runner().run(_until_it_answers(through, process, folder))
        yield through
    finally:
        process.terminate()
        process.wait(_STARTED_WITHIN)
        shutil.rmtree(folder, ignore_errors=True)


async def _until_it_answers(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    async with asyncio.timeout(_STARTED_WITHIN):
        while not await answers(url):
            assert process.poll() is None, (folder / "log").read_text()
            await asyncio.sleep(0.05)
