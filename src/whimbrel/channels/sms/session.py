"""One bind to one SMSC account, kept for ever: connect, bind, stay, and again after a pause.

Knows nothing of what messages say, of links' states, or of pacing by the second.
"""

import asyncio
import random
import socket
import ssl
from collections.abc import Callable
from typing import NamedTuple

import structlog

from whimbrel.channels.sms.connection import BindRefused, Connection, ConnectionOver, Limits
from whimbrel.channels.sms.deliveries import Deliver
from whimbrel.channels.sms.pdu import CommandStatus, SubmitSm, bind_body
from whimbrel.channels.sms.submits import Late, NotSubmitted
from whimbrel.clock import SECOND, Clock
from whimbrel.domain.retry import reconnect_pause, refused_bind_pause
from whimbrel.settings import SmppAccount

_log = structlog.get_logger(__name__)

_CONNECT_SECONDS = 10.0  # name, TCP and TLS: beyond it nobody is there
_HELD_SECONDS = 60.0  # a bind that lasted so long was a good one, and pauses begin anew
_PASSING = frozenset(
    {
        CommandStatus.ESME_RALYBND,  # our last connection, which the SMSC still believes in
        CommandStatus.ESME_RSYSERR,
        CommandStatus.ESME_RMSGQFUL,
        CommandStatus.ESME_RTHROTTLED,
    }
)
"""Refusals of a bind that pass by themselves; the others take a person to mend."""


class _Ending(NamedTuple):
    """Why a connection ended or was not made, and how long it was bound, in seconds."""

    why: str
    held: float = 0.0
    refused: bool = False


class Session:
    """One account at one SMSC. `run` keeps it bound; `submit` sends through it."""

    def __init__(
        self,
        name: str,
        account: SmppAccount,
        clock: Clock,
        *,
        deliver: Deliver,
        changed: Callable[[], None],
        response_timeout: float,
        late: Late | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; nothing is connected yet.

        `deliver` stores deliver_sm PDUs and tells of each whether it is on disk; only then it is
        acknowledged. It is called with one list at a time, and should it raise, the SMSC sends all
        of that list again. `changed` is called whenever `bound`, `down_since` or `why` changes.
        `response_timeout`: seconds for the answer to a submit or a bind. `late` is told of the
        message_id of a submit whose caller had given up, while the connection lasts.
        """
        self.why = "not connected yet"
        """Why it is not bound, for operators; empty while it is."""
        self._name = name
        self._account = account
        self._clock = clock
        self._deliver = deliver
        self._changed = changed
        self._late = late
        self._chance = chance
        self._limits = Limits(account.submit_window, response_timeout, account.enquire_link_seconds)
        self._bind_body = bind_body(account.system_id, account.password, account.system_type)
        self._log = _log.bind(account=name)
        self._down_since: int | None = clock.now()
        self._connection: Connection | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()

    @property
    def bound(self) -> bool:
        """Tell whether submits can go."""
        return self._down_since is None

    @property
    def down_since(self) -> int | None:
        """The moment when it was lost, or of the start; None while it is bound."""
        return self._down_since

    async def submit(self, pdu: SubmitSm) -> str:
        """Send a message, wait for the answer, and return its message_id.

        Waits for its turn in the submit window. The message_id is empty if the SMSC gave none.
        Cancelled, it may have gone, or does not go if it was still waiting for its turn.

        Raises `SubmitRefused` (the SMSC does not take it), `NotSubmitted` (it surely did not go),
        `Unanswered` (it may have gone), `PduError` (it cannot be put into a PDU).
        """
        if self._connection is None:
            raise NotSubmitted(self.why)
        return await self._connection.submit(pdu)

    async def run(self) -> None:
        """Keep the account bound until `stop`."""
        self._ended.clear()
        keeping = asyncio.create_task(self._keep_bound())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if self._connection:
                await self._connection.unbind("stopped")
                await asyncio.wait({keeping})
        finally:
            stopping.cancel()
            keeping.cancel()
            await asyncio.wait({keeping, stopping})
            self._down("stopped")
            self._ended.set()
        if not keeping.cancelled():
            keeping.result()

    async def stop(self) -> None:
        """Unbind and end `run`, in a few seconds at most."""
        self._stopping.set()
        await self._ended.wait()

    async def _keep_bound(self) -> None:
        failures = 0
        while True:
            ending = await self._hold()
            if self._stopping.is_set():
                return
            failures = 1 if ending.held >= _HELD_SECONDS else failures + 1
            pause = refused_bind_pause if ending.refused else reconnect_pause
            milliseconds = pause(failures, self._chance())
            self._log.warning("smpp_down", why=ending.why, pause_ms=milliseconds)
            await asyncio.sleep(milliseconds / SECOND)

    async def _hold(self) -> _Ending:
        """Connect, bind, and stay until the connection is lost."""
        try:
            connection = await self._connect()
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that cannot be one
            ending = _Ending(_words(error))
            self._down(ending.why)
            return ending
        try:
            ending = await self._stay(connection)
            self._down(ending.why)
            return ending
        finally:
            self._connection = None
            connection.give_up("stopped")
            await connection.over()

    async def _stay(self, connection: Connection) -> _Ending:
        try:
            smsc = await connection.bind(self._bind_body)
        except ConnectionOver as error:
            return _Ending(str(error))
        except BindRefused as error:
            return _Ending(str(error), refused=error.status not in _PASSING)
        loop = asyncio.get_running_loop()
        bound_at = loop.time()
        self._up(connection, smsc)
        why = await connection.until_lost()
        return _Ending(why, loop.time() - bound_at)

    async def _connect(self) -> Connection:
        account = self._account
        async with asyncio.timeout(min(_CONNECT_SECONDS, self._limits.response_timeout)):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(
                    self._name, self._limits, deliver=self._deliver, late=self._late
                ),
                account.host,
                account.port,
                ssl=ssl.create_default_context() if account.tls else None,
            )
        return connection

    def _up(self, connection: Connection, smsc: str) -> None:
        self._connection = connection
        self._down_since = None
        self.why = ""
        self._log.info("smpp_bound", smsc=smsc)
        self._changed()

    def _down(self, why: str) -> None:
        if self._down_since is None:
            self._down_since = self._clock.now()
            self._log.info("smpp_unbound", why=why)
        self._connection = None
        self.why = why
        self._changed()


def _words(error: OSError | UnicodeError) -> str:
    """Say why there is no connection."""
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, socket.gaierror):
        return f"name not found: {error.strerror}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    return f"no connection: {error}"
