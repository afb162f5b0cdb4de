"""Who is bound to the SMSC.

Owns the order of a session's life, which smpp34's events may break: they are pulled by several
tasks at once, so a submit may come before the bind of its session, and an unbind too.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

import smpp34

REMEMBERED_SESSIONS = 1_000  # that have ended
_BIND_COMES_WITHIN = 5.0  # seconds; it is under way already


@dataclass(slots=True, eq=False)
class Session:
    """A session; `bound` is set once `esme` is known.

    `unanswered` keeps submits that are never answered: smpp34 would answer one that is let go.
    """

    esme: smpp34.Esme | None = None
    bound: asyncio.Event = field(default_factory=asyncio.Event)
    has_ended: bool = False
    unanswered: list[smpp34.SubmitSmEvent] = field(default_factory=list)


class Sessions:
    """All sessions by id, those that ended lately among them."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._ended: deque[str] = deque()

    def bind(self, esme: smpp34.Esme) -> bool:
        """Take a session up; tell whether it still lives."""
        session = self._session(esme.session_id)
        session.esme = esme
        session.bound.set()
        return not session.has_ended

    def end(self, session_id: str) -> Session:
        """Note that a session has ended, and return it."""
        session = self._session(session_id)
        session.has_ended = True
        session.unanswered.clear()
        self._ended.append(session_id)
        if len(self._ended) > REMEMBERED_SESSIONS:
            self._sessions.pop(self._ended.popleft(), None)
        return session

    async def of(self, session_id: str) -> Session | None:
        """Return the session of a submit, or None for one that never was bound."""
        session = self._session(session_id)
        if not session.bound.is_set():
            try:
                async with asyncio.timeout(_BIND_COMES_WITHIN):
                    await session.bound.wait()
            except TimeoutError:
                return None
        return session

    def _session(self, session_id: str) -> Session:
        session = self._sessions.get(session_id)
        if session is None:
            session = self._sessions[session_id] = Session()
        return session
