"""What becomes of a link whose submit had no answer, and of which no receipt told in its grace.

It may have gone, and nobody can tell any more: to send it again may double it, to give it up may
lose it. Which of the two harms less is for its Partner to say, and where it says nothing, for the
link's lifetime (`docs/decisions/0016-unanswered.md`). Pure.
"""

from enum import Enum, StrEnum

from whimbrel.clock import MINUTE


class Unanswered(StrEnum):
    """A Partner's rule for such links."""

    AUTO = "auto"
    """Those of a short lifetime go again, the others fail."""
    RESEND = "resend"
    FAIL = "fail"


SHORT_LIFETIME = 15 * MINUTE
"""Up to this a message counts as a one-time code: as long as Meta lets an authentication live."""
MOST_SILENT = 3
"""So many submits of which nothing was heard are enough, whatever the rule: each may be a copy."""


class Verdict(Enum):
    """What is decided, and why; the value is how operators read it."""

    SHORT = "goes again: its lifetime is short"
    WANTED = "goes again: so its Partner wants it"
    LONG = "fails: its lifetime is not short, and it may have gone"
    UNWANTED = "fails: its Partner wants no copy, and it may have gone"
    SPENT = f"fails: {MOST_SILENT} submits of which nothing was heard are enough"
    NEEDLESS = "is spared: a message before it has arrived"

    @property
    def goes_again(self) -> bool:
        """Tell whether the link is submitted once more."""
        return self in _GO_AGAIN

    @property
    def fails(self) -> bool:
        """Tell whether the link is undelivered, as far as anybody knows."""
        return self in _FAIL


_GO_AGAIN = frozenset({Verdict.SHORT, Verdict.WANTED})
_FAIL = frozenset({Verdict.LONG, Verdict.UNWANTED, Verdict.SPENT})


def judge(rule: Unanswered, lifetime: int, silent: int, *, needless: bool = False) -> Verdict:
    """Decide about a link of this lifetime (milliseconds).

    `silent` counts its submits that had neither an answer nor a receipt, the last one included.
    `needless` says that a link before it has reached its goal: to call this one undelivered would
    be the last that its Partner hears of a message that has arrived.
    """
    is_short = lifetime <= SHORT_LIFETIME
    if needless:
        return Verdict.NEEDLESS
    if rule is Unanswered.FAIL:
        return Verdict.UNWANTED
    if rule is Unanswered.AUTO and not is_short:
        return Verdict.LONG
    if silent >= MOST_SILENT:
        return Verdict.SPENT
    return Verdict.SHORT if rule is Unanswered.AUTO else Verdict.WANTED
