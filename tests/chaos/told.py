"""What a run prints, and what it keeps of a run that went wrong."""

import json
from collections import Counter
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos.audit import Audit, Violation
from tests.chaos.harm import Hand
from tests.chaos.load import Load
from tests.chaos.place import Place

_SHOWN = 5
console = Console(width=170, highlight=False)


def log_lines(place: Place) -> list[dict[str, Any]]:
    """Return what the nodes have logged."""
    found = []
    for node in place.nodes:
        for line in node.log.read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line) | {"node_log": node.name})
            except ValueError:
                found.append({"event": line[:80], "level": "not JSON", "node_log": node.name})
    return found


def take_overs(place: Place, hand: Hand) -> list[float]:
    """Return how long each node that was killed was not taken over.

    Without those that were killed again before: which of them a log speaks of, it does not say.
    """
    gone: list[tuple[str, float]] = []
    for line in log_lines(place):
        if line["event"] == "node_is_gone":
            at = datetime.fromisoformat(line["timestamp"]).timestamp()
            gone.append((str(line["name"]), at))
    lasted = []
    for down in hand.downs:
        again = [one.began for one in hand.downs if one.node == down.node]
        next_at = min((at for at in again if at > down.began), default=float("inf"))
        later = [at for name, at in gone if name == down.node and down.began < at < next_at]
        if later and down.kind == "kill":
            lasted.append(min(later) - down.began)
    return lasted


def print_counts(load: Load, hand: Hand, audit: Audit, place: Place, settled: float) -> None:
    """Print the table of counts."""
    tries = Counter(one.outcome for order in load.orders for one in order.tries)
    counts, wrong = audit.counts, Counter(one.what for one in audit.violations)
    lasted = take_overs(place, hand)
    table = Table("what", "count", box=None, pad_edge=False)
    rows: list[tuple[str, object]] = [
        ("orders", len(load.orders)),
        ("accepted (mtNum answered)", counts["accepted"]),
        ("accepted, and the answer lost on its way", counts["accepted, the answer lost"]),
        ("requests", sum(tries.values())),
        *((f"  answered {name}", count) for name, count in sorted(tries.items())),
        *((f"harm: {kind}", count) for kind, count in sorted(hand.done.items())),
        ("lost", wrong["lost"] + wrong["not settled"] + wrong["told, and never arrived"]),
        ("doubled outside counted ambiguity", wrong["doubled"] + wrong["two chains"]),
        *((name, counts[name]) for name in _IN_ORDER),
        ("out of order", wrong["out of order"]),
        ("longest take-over of a killed node, s", f"{max(lasted, default=0):.1f}"),
        ("take-overs", len(lasted)),
        ("settled after the healing, s", f"{settled:.1f}"),
        *((f"VIOLATION {what}", count) for what, count in sorted(wrong.items())),
    ]
    for name, value in rows:
        table.add_row(name, f"{value:,}" if isinstance(value, int) else str(value))
    console.print(table)


_IN_ORDER = (
    "submits that arrived", "ambiguous messages", "ambiguous submits", "ambiguous, went again",
    "doubled within the counted ambiguity", "ambiguous, given up and told so",
    "receipts that stay parked", "reports", "reports, arrivals", "reports that came again",
    "of them after their acknowledgement", "two binds, one of a node that stood still (samples)",
)  # fmt: skip


def print_logs(place: Place) -> None:
    """Print which warnings and errors the nodes logged, and how often."""
    counted = Counter((line.get("level", ""), line["event"]) for line in log_lines(place))
    table = Table("level", "event", "count", box=None, pad_edge=False)
    for (level, event), count in sorted(counted.items()):
        table.add_row(str(level), str(event)[:80], f"{count:,}")
    console.print(table)


async def show_evidence(place: Place, violations: list[Violation]) -> None:
    """Print the first few, with all that the gateway knows of their messages."""
    shown: Counter[str] = Counter()
    for one in violations:
        shown[one.what] += 1
        if shown[one.what] > _SHOWN:
            continue
        console.print(f"[bold]{one.what}[/] {one.mt_num or ''}: {one.detail}")
        if one.mt_num is not None and shown[one.what] <= 2:
            done = await place.installation.run("message", "show", str(one.mt_num))
            console.print(done.output + done.errors, markup=False)
