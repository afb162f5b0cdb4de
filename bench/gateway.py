"""A gateway to be measured: its settings, its Partner and its store, in a folder of its own."""

import sqlite3
from pathlib import Path

from bench.processes import ANYWHERE, run
from bench.wire import LOGIN, PASSWORD, SENDER, SHORT_HOST

_SETTINGS = """\
[server]
port = {port}

[short_urls]
base_url = "https://{short_host}"

[store]
path = "whimbrel.db"

[reports]
allowed_private_subnets = ["127.0.0.0/8"]

[log]
level = "{level}"

[whatsapp.bench]
sender = "{sender}"
phone_number_id = "100000000000001"
base_url = "http://127.0.0.1:{sandbox_port}"
token = "bench-token"
app_secret = "0123456789abcdef0123456789abcdef"
verify_token = "bench-verify-token"
throughput = {throughput}

[sandbox]
port = {sandbox_port}
speed = {speed}
throughput = 0
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
    ) -> None:
        """Write the settings, and add a Partner with duplicate control and without limits.

        `throughput` is in messages a second of the WhatsApp sender, 0 for no limit; without
        `smsc_port` there is no SMS. `short_urls` is the Partner's mode.
        """
        self.port = port
        self.sandbox_port = sandbox_port
        self.config = folder / "whimbrel.toml"
        self.store = folder / _STORE
        settings = _SETTINGS + (_SMSC if smsc_port else "")
        self.config.write_text(
            settings.format(
                port=port,
                sandbox_port=sandbox_port,
                smsc_port=smsc_port,
                sender=SENDER,
                throughput=throughput,
                level="error" if smsc_port else "warning",  # the SMSC comes later and goes sooner
                speed=speed,
                short_host=SHORT_HOST,
            ),
            encoding="utf-8",
        )
        run(
            [
                "whimbrel", "partner", "add", LOGIN, "--config", str(self.config),
                "--default-sender", SENDER, "--duplicate-control", "return",
                "--type", "WHATSAPP", "--type", "SMS", "--cascades", "--short-urls", short_urls,
                "--report-url", report_url, "--password-stdin",
            ],
            cores=ANYWHERE, stdin=PASSWORD, limit=_COMMAND_SECONDS,
        )  # fmt: skip

    def serve(self, profile: Path | None = None) -> list[str]:
        """Return the module and the arguments that run the gateway."""
        command = ["serve", "--config", str(self.config)]
        return ["bench.profiled", str(profile), *command] if profile else ["whimbrel", *command]

    def sandbox(self) -> list[str]:
        """Return the module and the arguments that run the sandbox."""
        return ["whimbrel", "sandbox", "--config", str(self.config)]

    def count(self, table: str, condition: str = "1") -> int:
        """Count rows of the store, once the gateway has ended."""
        connection = sqlite3.connect(self.store)
        try:
            query = f"SELECT count(*) FROM {table} WHERE {condition}"
            return int(connection.execute(query).fetchone()[0])
        finally:
            connection.close()
