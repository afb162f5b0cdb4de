"""What is measured, as Prometheus metrics.

One object, made by the composition root and handed to whoever counts; nothing here knows what it
counts for.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SLOW = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 86_400)


class Metrics:
    """Every counter, gauge and histogram of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.accepts = self._counter("accepts", "Requests by the code of their answer.", "code")
        self.accept_seconds = self._histogram(
            "accept_seconds", "From a request's arrival to its answer.", _QUICK
        )
        self.checks = self._counter("checks", "Dry runs by the code of their answer.", "code")
        self.check_seconds = self._histogram(
            "check_seconds", "From a dry run's arrival to its answer.", _QUICK
        )
        self.submits = self._counter(
            "submits", "Attempts to hand a link over, by sender and outcome.", "sender", "outcome"
        )
        self.submit_seconds = self._histogram(
            "submit_seconds", "From a submit's start to its answer.", _QUICK
        )
        self.ambiguous = self._counter(
            "ambiguous_submits", "Submits that had no answer and may have gone.", "sender"
        )
        self.interrupted = self._counter(
            "interrupted_submits",
            "Submits that had no answer since their process had died, or was too slow.",
        )
        self.resubmits = self._counter(
            "ambiguous_resubmits",
            "Links queued again since nothing was heard of their submit, by channel and by why: "
            "short (lifetime) or wanted (by the Partner).",
            "channel",
            "reason",
        )
        self.given_up = self._counter(
            "ambiguous_failures",
            "Links failed since nothing was heard of their submit, by channel and by why: long "
            "(lifetime), unwanted (by the Partner) or spent (too many such submits).",
            "channel",
            "reason",
        )
        self.receipts = self._counter(
            "receipts",
            "Receipts by state and by what became of them: matched, repeated or parked.",
            "state",
            "verdict",
        )
        self.late = self._counter(
            "late_deliveries", "Links delivered or read after they were told undelivered."
        )
        self.fall_throughs = self._counter(
            "cascade_fall_throughs",
            "Links that got their turn, by why the one before missed its goal: failed, expired, "
            "unread or blocked.",
            "reason",
        )
        self.overlaps = self._counter(
            "cascade_overlaps",
            "Links that had been sent when one before them reached its goal after all.",
        )
        self.expired = self._counter("expired_links", "Links whose lifetime or deadline passed.")
        self.webhooks = self._counter(
            "webhooks", "Webhook calls by account and HTTP status.", "account", "status"
        )
        self.webhook_updates = self._counter(
            "webhook_updates",
            "Updates in webhooks that were neither receipts nor answers.",
            "account",
            "kind",
        )
        self.reports = self._counter(
            "reports",
            "Attempts to deliver a report: acknowledged, failed or dead.",
            "outcome",
        )
        self.report_seconds = self._histogram(
            "report_seconds", "From a report's start to the receiver's answer.", _QUICK
        )
        self.report_age_seconds = self._histogram(
            "report_age_seconds", "From the state to its report's acknowledgement.", _SLOW
        )
        self.queue_depth = self._gauge("queue_depth", "What waits, by queue.", "queue")
        self.queue_age_seconds = self._gauge(
            "queue_oldest_age_seconds", "Age of the oldest that waits, by queue.", "queue"
        )
        self.sender_paused = self._gauge(
            "sender_paused", "1 while a sender rests because it is broken.", "sender"
        )
        self.sender_rate = self._gauge(
            "sender_rate", "Messages a second that a sender may send now; 0: no limit.", "sender"
        )

        self.uids_in_use = self._gauge(
            "short_uids_in_use_ratio",
            "How much of the short URLs' UIDs of a length are in use; above 0.01 longer ones are "
            "given out.",
            "length",
        )

        self.redirects = self._counter(
            "redirects",
            "Requests for short URLs: clicked, uncounted (crawlers, prefetches), head, unknown, "
            "throttled, unavailable or method.",
            "outcome",
        )
        self.visits_waiting = self._gauge(
            "short_url_visits_waiting", "Visits that are not in the store yet."
        )
        self.visits_lost = self._counter(
            "short_url_visits_lost", "Visits that the store could not take in time."
        )
        self.tallies_lost = self._counter(
            "tallies_lost", "What was counted for the overview and could not be written."
        )
        self.short_urls_removed = self._counter(
            "short_urls_removed", "Short URLs that were removed because they had ended."
        )
        self.retention_removed = self._counter(
            "retention_removed",
            "What was removed because of its age: content (of so many chains), chains, visits or "
            "inbound.",
            "kind",
        )
        self.retention_behind_seconds = self._gauge(
            "retention_behind_seconds",
            "By how much the oldest that is still to be removed is too old, at the Partner where "
            "it is worst; 0: nothing is.",
            "kind",
        )

    def exposition(self) -> bytes:
        """Return the text that Prometheus scrapes."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"whimbrel_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"whimbrel_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"whimbrel_{name}", text, buckets=buckets, registry=self.registry)
