"""What the flow asks of a channel, and the closed list of ways in which a submit can fail."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Protocol

from whimbrel.domain.chain import NOTHING_TAKEN, PartsTaken
from whimbrel.domain.content import Content
from whimbrel.domain.status import ErrorCode


class SubmitFault(StrEnum):
    """Why a submit was not taken, told by what is to be done about it."""

    REFUSED = "refused"
    """Final for this link."""
    RETRY = "retry"
    """The channel's own fault, or the network's: it did not go, and may later."""
    NUMBER_THROTTLED = "number throttled"
    """The sender goes too fast."""
    PAIR_THROTTLED = "pair throttled"
    """This subscriber gets too much from this sender."""
    SENDER_BROKEN = "sender broken"
    """Token, account or number: no link of this sender can go until it is mended."""
    NO_ANSWER = "no answer"
    """It may have gone."""


class SubmitError(Exception):
    """A submit that was not taken.

    `code` is the channel's raw code and `detail` its words, both for operators. With `tries`, RETRY
    is worth that many attempts and then final with `error_code`. `pause` is how long the channel
    asks us to wait, in milliseconds, where it says. `taken` holds the parts of a long message that
    the channel has taken all the same: these must not go again.
    """

    def __init__(
        self,
        fault: SubmitFault,
        detail: str,
        *,
        code: str = "",
        error_code: ErrorCode = ErrorCode.UNKNOWN,
        tries: int | None = None,
        pause: int | None = None,
        taken: PartsTaken = NOTHING_TAKEN,
    ) -> None:
        super().__init__(f"{fault}: {code} {detail}")
        self.fault = fault
        self.detail = detail
        self.code = code
        self.error_code = error_code
        self.tries = tries
        self.pause = pause
        self.taken = taken


class Submission(NamedTuple):
    """One attempt to hand a link to a channel."""

    link_id: int
    attempt: int
    sender: str
    dest_addr: str
    """E.164 digits without `+`."""
    content: Content
    lifetime: int
    """How long it may take from here to the subscriber, in milliseconds."""
    taken: Mapping[int, str] = MappingProxyType({})
    """The parts that earlier attempts have brought across, by their place from 1."""


class LateAnswer(NamedTuple):
    """What the channel has taken of a submit that had been given up."""

    link_id: int
    attempt: int
    began_at: int
    taken: PartsTaken
    """All that is known to have been taken."""

    @property
    def whole(self) -> bool:
        """Tell whether nothing of the message need go again."""
        return len(self.taken.provider_ids) == self.taken.parts


class Connector(Protocol):
    """A sender account of a channel; it may serve several senders."""

    @property
    def name(self) -> str:
        """What operators call it."""
        ...

    @property
    def blocked_since(self) -> int | None:
        """Since when it can take nothing, in milliseconds UTC; None: it can."""
        ...

    @property
    def why_blocked(self) -> str:
        """Why it can take nothing, for operators."""
        ...

    def cost(self, content: Content) -> int:
        """Tell how many of the units that the channel counts a message takes."""
        ...

    async def submit(self, submission: Submission) -> PartsTaken:
        """Hand a message over, all of its parts. Raises `SubmitError`."""
        ...
