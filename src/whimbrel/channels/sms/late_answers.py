"""What became of one attempt to submit a message, when answers may come after they were given up.

An SMSC under load answers late, and what it has answered must not go again. Knows nothing of the
wire: the session tells which submit an answer belongs to.
"""

from collections.abc import Callable

from whimbrel.channels.connector import LateAnswer, Submission
from whimbrel.channels.sms.pdu import SubmitSm
from whimbrel.channels.sms.submits import REMEMBERED
from whimbrel.domain.chain import PartsTaken


class Attempt:
    """One attempt at a message, and which of its parts the SMSC has taken by now."""

    def __init__(self, submission: Submission, parts: int, began_at: int) -> None:
        self._submission = submission
        self._parts = parts
        self._began_at = began_at
        self._numbers = dict(submission.taken)
        self._known_as: tuple[str, ...] = ()
        self.closed = False
        """Whether its outcome has been told."""

    @property
    def whole(self) -> bool:
        """Tell whether every part was taken."""
        return len(self._numbers) == self._parts

    @property
    def taken(self) -> PartsTaken:
        """What was taken so far, in this attempt and in earlier ones."""
        return PartsTaken(dict(self._numbers), self._parts, self._known_as)

    def take(self, part: int, names: tuple[str, ...]) -> None:
        """Note the number of a part in all its spellings, the canonical one first."""
        self._numbers[part] = names[0]
        self._known_as += names

    def late_answer(self) -> LateAnswer:
        """Return what there is to tell after the outcome has been told."""
        link_id, attempt = self._submission.link_id, self._submission.attempt
        return LateAnswer(link_id, attempt, self._began_at, self.taken)


class LateAnswers:
    """The submits of one connection that were given up."""

    def __init__(self, tell: Callable[[LateAnswer], None]) -> None:
        self._tell = tell
        # By identity, since two submits may be alike; the PDU is held so that it keeps its own.
        self._given_up: dict[int, tuple[SubmitSm, Attempt, int]] = {}

    def expect(self, pdu: SubmitSm, attempt: Attempt, part: int) -> None:
        """Remember a submit whose answer may still come."""
        if len(self._given_up) >= REMEMBERED:
            del self._given_up[next(iter(self._given_up))]
        self._given_up[id(pdu)] = (pdu, attempt, part)

    def answered(self, pdu: SubmitSm, names: tuple[str, ...]) -> None:
        """Take a late answer."""
        known = self._given_up.pop(id(pdu), None)
        if known is None:
            return
        _, attempt, part = known
        attempt.take(part, names)
        if attempt.closed:
            self._tell(attempt.late_answer())

    def forget(self) -> None:
        """Expect nothing more: the connection is another."""
        self._given_up.clear()
