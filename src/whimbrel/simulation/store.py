"""SQLite with a disk that has moods, and a record of every move that was committed.

The record is kept by triggers, within the gateway's own transactions, so that no move escapes it.
"""

import functools
import sqlite3
import tempfile
from pathlib import Path

from whimbrel.simulation.world import World
from whimbrel.store.engine import Item, Operation, Result, StoreUnavailable
from whimbrel.store.migrate import upgrade
from whimbrel.store.sqlite import SqliteStore

_RECORD = """
CREATE TABLE moves (n INTEGER PRIMARY KEY, link_id, before, after, attempt);
CREATE TRIGGER link_moved AFTER UPDATE OF state ON links WHEN NEW.state <> OLD.state BEGIN
    INSERT INTO moves (link_id, before, after, attempt)
    VALUES (NEW.link_id, OLD.state, NEW.state, NEW.attempt);
END;
CREATE TABLE outcomes (n INTEGER PRIMARY KEY, link_id, attempt, outcome);
CREATE INDEX outcomes_link ON outcomes (link_id);
CREATE TRIGGER submit_noted AFTER INSERT ON submits BEGIN
    INSERT INTO outcomes (link_id, attempt, outcome)
    VALUES (NEW.link_id, NEW.attempt, NEW.outcome);
END;
CREATE TRIGGER submit_changed AFTER UPDATE OF outcome ON submits BEGIN
    INSERT INTO outcomes (link_id, attempt, outcome)
    VALUES (NEW.link_id, NEW.attempt, NEW.outcome);
END;
"""


@functools.cache
def _empty() -> bytes:
    """Return an empty store: migrations take longer than a simulated day."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        upgrade(path)
        connection = sqlite3.connect(path)
        connection.executescript(_RECORD)
        connection.close()
        return path.read_bytes()


def make_store(path: Path) -> None:
    """Make a store of this version, with nothing in it."""
    path.write_bytes(_empty())


class DiskMood:
    """When the disk takes no writes; it outlives the processes that use it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._odds = world.odds.store / 20
        self._locked_until = 0.0

    def locked(self) -> bool:
        """Tell whether a transaction cannot begin now; it may stay so for a while."""
        now = self._world.loop.time()
        if self._world.strikes(self._odds):
            lasts = self._world.random.choice((0.0, 0.0, 0.5, 5.0, 45.0))
            self._locked_until = now + lasts
            self._world.note("store", f"is locked for {lasts} s")
            return True
        return self._world.troubled and now < self._locked_until

    def fails(self, when: str) -> bool:
        """Tell whether a commit fails now."""
        if not self._world.strikes(self._odds):
            return False
        self._world.note("store", f"fails {when} a commit")
        return True

    def unreadable(self) -> bool:
        """Tell whether a read fails now."""
        return self._world.strikes(self._odds / 4)


class SimulatedStore(SqliteStore):
    """The real store of one life. What a kill leaves of it is what SQLite leaves."""

    def __init__(self, path: Path, mood: DiskMood) -> None:
        super().__init__(path)
        self._mood = mood
        for connection in (self._writer, self._reader):
            connection.execute("PRAGMA synchronous=OFF")  # no power is cut here, processes die

    def die(self) -> None:
        """Lose the connections: what was not committed is undone."""
        self._writer.close()
        self._reader.close()

    async def read(self, operation: Operation[Item, Result], item: Item) -> Result:
        """Read, if the disk is in the mood for it."""
        if self._mood.unreadable():
            raise StoreUnavailable("simulated: no read now")
        return await super().read(operation, item)

    async def _begin(self) -> None:
        if self._mood.locked():
            raise sqlite3.OperationalError("simulated: the database is locked")
        await super()._begin()

    def _commit(self) -> None:
        if self._mood.fails("before"):
            raise sqlite3.OperationalError("simulated: the disk is full")
        super()._commit()
        if self._mood.fails("after"):
            raise sqlite3.OperationalError("simulated: the commit's answer was lost")
