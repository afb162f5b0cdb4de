"""The whole gateway in one process, on made time, in a scripted world that a seed drives.

What runs is the real thing: the composition root, every stage, the web edge, SQLite on a file. Only
the outermost edges are the world's: what HTTP and SMPP would carry, the disk's moods, chance and
time. `run` lives through some days and checks what was promised (`promises/`).

The world (`world.py`, `meta.py`, `smsc.py`, `receivers.py`, `clients.py`) knows nothing of how a
gateway does its work, and outlives it: `node.py` holds one gateway after the other.
"""

from whimbrel.simulation.faults import Fault, UnknownFault, parse_faults, spell_faults
from whimbrel.simulation.run import Outcome, simulate

__all__ = ["Fault", "Outcome", "UnknownFault", "parse_faults", "simulate", "spell_faults"]
