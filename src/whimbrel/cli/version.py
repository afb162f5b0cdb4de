"""`whimbrel version`."""

import typer

from whimbrel import __version__

app = typer.Typer()


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)
