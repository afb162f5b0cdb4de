"""What a run is asked to be."""

import argparse
from pathlib import Path
from typing import NamedTuple

LAYOUTS = {
    "nodes": ("", "", ""),
    "roles": ("api,reports", "api,dispatch,smpp", "dispatch,smpp,reports"),
}
"""The roles of the three nodes; empty: all of them."""


class Options(NamedTuple):
    """A run; the same options and seed make the same plan."""

    engine: str = "postgres"
    scenario: str = "chaos"
    seed: int = 1
    seconds: float = 180.0
    messages: int = 5_000
    every: float = 4.0
    """Seconds between two harms, on the average."""
    first: tuple[str, ...] = ()
    """Harms that come before the shuffled ones."""
    layout: str = "nodes"
    clients: int = 64
    grace: float = 15.0
    """Seconds that an unanswered submit waits for a receipt."""
    settle: float = 300.0
    """Seconds within which everything must have come to its end after the healing."""
    outage: float = 30.0
    keep: Path | None = None
    """Where the logs and the evidence are kept; None: nowhere if all is well."""


def read_options() -> Options:
    """Read the command line."""
    default = Options()
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--engine", choices=("postgres", "sqlite"), default=default.engine)
    parser.add_argument("--scenario", choices=("chaos", "outage"), default=default.scenario)
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--seconds", type=float, default=default.seconds, help="of load and harm")
    parser.add_argument("--messages", type=int, default=default.messages, help="spread over them")
    parser.add_argument("--every", type=float, default=default.every, help="seconds between harms")
    parser.add_argument("--layout", choices=tuple(LAYOUTS), default=default.layout)
    parser.add_argument("--clients", type=int, default=default.clients, help="requests at once")
    parser.add_argument("--grace", type=float, default=default.grace, help="seconds")
    parser.add_argument("--settle", type=float, default=default.settle, help="seconds at the most")
    parser.add_argument("--outage", type=float, default=default.outage, help="seconds")
    parser.add_argument("--keep", type=Path, help="a folder for logs and evidence")
    return Options(**vars(parser.parse_args()))
