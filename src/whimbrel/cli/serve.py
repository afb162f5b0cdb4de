"""`whimbrel serve`: the gateway itself."""

import typer
import uvloop

from whimbrel import app as gateway
from whimbrel.cli.terminal import ConfigOption, fail, read_settings
from whimbrel.logs import configure_logs

app = typer.Typer()


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Run the gateway until Ctrl-C or SIGTERM."""
    settings = read_settings(config)
    configure_logs(settings.log.level)
    if not settings.whatsapp and not settings.smpp:
        fail("no sender account: the settings need a section [whatsapp.NAME] or [smpp.NAME]")
    try:
        uvloop.run(
            gateway.serve(
                settings, on_ready=lambda url: print(f"Whimbrel is ready on {url}", flush=True)
            )
        )
    except (gateway.AlreadyRunning, OSError) as error:
        fail(str(error))
