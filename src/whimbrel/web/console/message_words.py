"""How one message's states, reasons and answers are named on its page.

The texts are the catalogue's: the template shows them by `_`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from whimbrel.domain.schedule import ZoneReason
from whimbrel.domain.status import Status
from whimbrel.domain.unanswered import Verdict
from whimbrel.store.reports import ReportState
from whimbrel.web.console.state_names import Name

V, Z = Verdict, ZoneReason


REPORT_STATES: Mapping[ReportState, Name] = MappingProxyType(
    {
        ReportState.HELD: Name("waits", "quiet"),
        ReportState.DUE: Name("to be sent", "busy"),
        ReportState.ACKNOWLEDGED: Name("acknowledged", "good"),
        ReportState.DEAD: Name("given up", "bad"),
    }
)
STATUSES: Mapping[int, str] = MappingProxyType(
    {
        int(Status.HANDED_OVER): "handed over",
        int(Status.DELIVERED): "delivered",
        int(Status.UNDELIVERED): "undelivered",
        int(Status.READ): "read",
    }
)
OUTCOMES: Mapping[str, Name] = MappingProxyType(
    {
        "submitted": Name("The channel took it", "good"),
        "refused": Name("The channel refused it", "bad"),
        "not sent": Name("Not sent; it goes again", "warn"),
        "no answer": Name("No answer: it may have gone", "warn"),
    }
)
"""By what the store calls the outcome of a submit."""
ZONES: Mapping[ZoneReason, str] = MappingProxyType(
    {
        Z.DEFAULT: "no zone was asked for, so that it is UTC+3",
        Z.PARTNER: "the Partner's own zone",
        Z.REGISTRY: "the subscriber's zone, by the numbering registry",
        Z.PREFIX: "the subscriber's zone, by the number's prefix",
        Z.CAPITAL: "the zone of the country's capital, since the subscriber's zones have no hours "
        "in common",
        Z.NO_COUNTRY: "the number belongs to no country, so that it is UTC+3",
    }
)
VERDICTS: Mapping[Verdict, str] = MappingProxyType(
    {
        V.SHORT: "it goes again, since its lifetime is short",
        V.WANTED: "it goes again, as its Partner wants it",
        V.LONG: "it fails, since its lifetime is not short and it may have gone",
        V.UNWANTED: "it fails, since its Partner wants no copy",
        V.SPENT: "it fails, after three submits of which nothing was heard",
        V.NEEDLESS: "nothing more is done: a message before it has arrived",
    }
)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
REGISTERED: Mapping[int, str] = MappingProxyType(
    {0: "none", 1: "all", 2: "only that it is undelivered"}
)
"""Which reports were asked for, by `registeredDelivery`."""
