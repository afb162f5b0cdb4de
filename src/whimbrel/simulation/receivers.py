"""The Partners' receivers of reports: up, down, hanging, or answering 500."""

from collections.abc import Mapping

import msgspec

from whimbrel.http_out import Headers
from whimbrel.simulation.ledger import Ledger
from whimbrel.simulation.network import BROKEN, REFUSED, Reply, answer
from whimbrel.simulation.world import World

_UP = "up"
_MOODS = ("down", "hangs", "500", "redirects", "loses its answers", "slow")
_SPELLS = (20.0, 300.0, 5_000.0, 40_000.0)
"""Seconds for which a receiver stays as it is, when it is not well."""
_TIMEOUT = 10.0


class Receiver:
    """One host that is told of chains."""

    def __init__(self, world: World, ledger: Ledger, name: str) -> None:
        self._world = world
        self._ledger = ledger
        self._name = name
        self._mood = _UP
        self._until = 0.0
        self.dead = world.strikes(world.odds.receivers / 4)
        """Whether it never comes back."""

    def take(self, url: str, body: bytes, headers: Headers) -> Reply:  # noqa: ARG002
        """Take a report."""
        mood = self._mood_now()
        if mood == "down":
            self._world.note("report", self._name, "is down")
            return Reply(0.05, REFUSED)
        message: Mapping[str, str] = msgspec.json.decode(body)
        link_id, _, status = headers["webhook-id"].removeprefix("msg_").partition("_")
        told = self._ledger.reported(int(message["mtNum"]), int(link_id), int(status))
        reply = self._reply(mood)
        well = getattr(reply.outcome, "status", None) == 200 and reply.after < _TIMEOUT
        told.acknowledged = told.acknowledged or well
        what = f"{message['mtNum']} {told.report_id} {message['type']} {message['status']}"
        self._world.note("report", self._name, what, message["errorCode"], mood)
        return reply

    def _reply(self, mood: str) -> Reply:
        random = self._world.random
        quick = random.uniform(0.01, 0.3)
        match mood:
            case "hangs":
                return Reply(0.0, None)
            case "500":
                return Reply(quick, answer(500, b"broken"))
            case "redirects":
                return Reply(quick, answer(302))
            case "loses its answers":
                return Reply(quick, BROKEN)
            case "slow":
                return Reply(random.uniform(1.0, 14.0), answer(200))
            case _:
                return Reply(quick, answer(200, b"ok"))

    def _mood_now(self) -> str:
        """Return how it is now: each time that it is well again, trouble may strike."""
        world, now = self._world, self._world.loop.time()
        if self.dead:
            return "500" if now % 7_200 < 3_600 else "down"
        if not world.troubled:
            return _UP
        if now >= self._until:
            self._mood = _UP
            if world.strikes(world.odds.receivers):
                self._mood = world.random.choice(_MOODS)
                self._until = now + world.random.choice(_SPELLS)
        return self._mood
