"""Numbers for chains (`mtNum`): decimal, ordered by time, unique without asking anybody.

30 bits of seconds since 2026, 6 bits of the node, 17 bits of a running number: 53 bits in all, so
that a client that reads `mtNum` as a JavaScript number or a spreadsheet cell keeps every digit.
Enough until 2060, for 64 nodes and 131,072 chains a second on each.
"""

from whimbrel.clock import SECOND

_EPOCH = 1_767_225_600  # 2026-01-01T00:00:00Z, in seconds
_NODE_BITS = 6
MOST_NODES = 1 << _NODE_BITS
_RUNNING_BITS = 17
_POSITION_BITS = 4  # at most 10 links in a chain
FOREVER = 1 << 60
_LAST_POSITION = (1 << _POSITION_BITS) - 1


class NumbersUsedUp(Exception):
    """The node may make no number of this moment: another one may have its place by now."""


class ChainIds:
    """Hands out one node's numbers, each greater than the one before, whatever the clock does.

    They are of the moments from `begin` on and before `until`, which may be moved on; whoever has
    this node's place afterwards begins there.
    """

    def __init__(self, node: int, begin: int = 0, until: int = FOREVER) -> None:
        """`begin` and `until` are moments, in milliseconds UTC."""
        self._next = 0
        self.replace(node, begin, until)

    def replace(self, node: int, begin: int, until: int) -> None:
        """Take another place; the numbers of one process rise all the same."""
        if not 0 <= node < MOST_NODES:
            raise ValueError(f"node {node}: 0 to {MOST_NODES - 1}")
        self._node = node
        second = max(-(-begin // SECOND) - _EPOCH, 0)
        if self._next:
            second = max(second, (self._next >> (_NODE_BITS + _RUNNING_BITS)) + 1)
        self._next = self._first_of(second)
        self.until = until

    @property
    def used_until(self) -> int:
        """The first moment of which no number was made, nor of a later one."""
        return moment_after(self._next - 1) if self._next else 0

    def next(self, now: int) -> int:
        """Return a new number at the moment `now` (milliseconds UTC). Raises `NumbersUsedUp`."""
        number = max(self._first_of(now // SECOND - _EPOCH), self._next)
        second = number >> (_NODE_BITS + _RUNNING_BITS)
        if (second + _EPOCH) * SECOND >= self.until:
            raise NumbersUsedUp
        self._next = number + 1
        if self._next % (1 << _RUNNING_BITS) == 0:  # this second is used up: borrow from the next
            self._next = self._first_of(second + 1)
        return number

    def _first_of(self, second: int) -> int:
        return (second << _NODE_BITS | self._node) << _RUNNING_BITS


def moment_after(chain_id: int) -> int:
    """Return the first moment of which all numbers are greater, in milliseconds UTC."""
    return accepted_about(chain_id) + SECOND


def accepted_since(moment: int) -> int:
    """Return the least number that a chain may have which is accepted at `moment` or later.

    What is below it was accepted before: a clock that was set back makes chains look younger than
    they are, never older.
    """
    return max(moment // SECOND - _EPOCH, 0) << (_NODE_BITS + _RUNNING_BITS)


def accepted_about(chain_id: int) -> int:
    """Return the second in which a chain was accepted, in milliseconds UTC."""
    return ((chain_id >> (_NODE_BITS + _RUNNING_BITS)) + _EPOCH) * SECOND


def link_id(chain_id: int, position: int) -> int:
    """Return the number of the link at `position` (0 for the first) of a chain."""
    return chain_id << _POSITION_BITS | position


def chain_of(link: int) -> int:
    """Return the chain that a link belongs to."""
    return link >> _POSITION_BITS


def position_of(link: int) -> int:
    """Return the place of a link in its chain, 0 for the first."""
    return link & _LAST_POSITION


def links_of(chain_id: int) -> tuple[int, int]:
    """Return the least and the greatest number that a link of this chain may have."""
    return link_id(chain_id, 0), link_id(chain_id, _LAST_POSITION)
