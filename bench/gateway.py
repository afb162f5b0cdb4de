"""A gateway to be measured: its settings, its Partner and its store, in a folder of its own."""

import sqlite3
from pathlib import Path

from bench import database
from bench.processes import ANYWHERE, ROOT, run
from bench.wire import LOGIN, PASSWORD, SENDER, SHORT_HOST, senders

_SETTINGS = """\
[server]
port = {port}

[short_urls]
base_url = "https://{short_host}"

[store]
{store}

[reports]
allowed_private_subnets = ["127.0.0.0/8"]

[log]
level = "{level}"

{numbers}
[sandbox]
port = {sandbox_port}
speed = {speed}
throughput = 0
"""
_NUMBER = """\
[whatsapp.{name}]
sender = "{sender}"
phone_number_id = "10000000000000{place}"
base_url = "http://127.0.0.1:{sandbox_port}"
token = "bench-token"
app_secret = "0123456789abcdef0123456789abcdef"
verify_token = "bench-verify-token"
throughput = {throughput}
"""
_SMSC = """\
smsc_port = {smsc_port}

[smpp.bench]
senders = ["{sender}"]
host = "127.0.0.1"
port = {smsc_port}
system_id = "bench"
password = "secret"
submit_window = 500
"""
_STORE = "whimbrel.db"
HARDLY_ANY = 0.001
"""A throughput, messages a second: nothing is sent while accepting is measured."""
_COMMAND_SECONDS = 60.0


class Gateway:
    """What `whimbrel serve` and `whimbrel sandbox` are to be run with."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        sandbox_port: int,
        smsc_port: int | None = None,
        report_url: str = "",
        throughput: float = 0.0,
        speed: float = 1.0,
        short_urls: str = "off",
        numbers: int = 1,
        url: str = "",
        more: str = "",
        root: Path = ROOT,
    ) -> None:
        """Write the settings, and add a Partner with duplicate control and without limits.

        `throughput` is in messages a second of the WhatsApp sender, 0 for no limit; without
        `smsc_port` there is no SMS. `short_urls` is the Partner's mode. `numbers` are WhatsApp's;
        `url` is that of a database with tables, else the store is SQLite's file. `more` is
        more of the settings, in TOML. `root` is the checkout whose gateway it is.
        """
        self.port = port
        self.sandbox_port = sandbox_port
        self.config = folder / "whimbrel.toml"
        self.store = folder / _STORE
        self._url = url
        names = senders(numbers)
        sections = [
            _NUMBER.format(
                name=f"bench{place}" if place > 1 else "bench",
                sender=name,
                place=place,
                sandbox_port=sandbox_port,
                throughput=throughput,
            )
            for place, name in enumerate(names, 1)
        ]
        settings = _SETTINGS + (_SMSC if smsc_port else "")
        self.config.write_text(
            settings.format(
                port=port,
                sandbox_port=sandbox_port,
                smsc_port=smsc_port,
                sender=SENDER,
                numbers="\n".join(sections),
                store=f'url = "{url}"' if url else f'path = "{_STORE}"',
                level="error" if smsc_port else "warning",  # the SMSC comes later and goes sooner
                speed=speed,
                short_host=SHORT_HOST,
            )
            + more,
            encoding="utf-8",
        )
        run(
            [
                "whimbrel", "partner", "add", LOGIN, "--config", str(self.config),
                "--default-sender", SENDER, "--duplicate-control", "return",
                "--type", "WHATSAPP", "--type", "SMS", "--cascades", "--short-urls", short_urls,
                "--report-url", report_url, "--password-stdin",
                *(word for name in names for word in ("--sender", name)),
            ],
            cores=ANYWHERE, stdin=PASSWORD, limit=_COMMAND_SECONDS, root=root,
        )  # fmt: skip

    def serve(self, profile: Path | None = None, *, workers: int = 1) -> list[str]:
        """Return the module and the arguments that run the gateway."""
        command = ["serve", "--config", str(self.config), "--workers", str(workers)]
        return ["bench.profiled", str(profile), *command] if profile else ["whimbrel", *command]

    def sandbox(self) -> list[str]:
        """Return the module and the arguments that run the sandbox."""
        return ["whimbrel", "sandbox", "--config", str(self.config)]

    def count(self, table: str, condition: str = "1 = 1") -> int:
        """Count rows of the store, once the gateway has ended."""
        return self.total(table, "1", condition)

    def total(self, table: str, column: str, condition: str = "1 = 1") -> int:
        """Add up a column of the store, once the gateway has ended."""
        if self._url:
            return database.total(self._url, table, column, condition)
        connection = sqlite3.connect(self.store)
        try:
            query = f"SELECT coalesce(sum({column}), 0) FROM {table} WHERE {condition}"
            return int(connection.execute(query).fetchone()[0])
        finally:
            connection.close()
