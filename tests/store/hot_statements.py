"""The statements that are run again and again, and the index by which each finds its rows."""

from types import ModuleType

import pytest

from whimbrel.store import (
    allowances,
    chains,
    click_reports,
    clicks,
    extra_pairs,
    holdings,
    links,
    mo_messages,
    nodes,
    numbering,
    parts,
    purge,
    queues,
    receipts,
    redelivery,
    report_list,
    reports,
    search_roads,
    short_urls,
    submits,
    tallies,
    timers,
    visits,
)
from whimbrel.store.engine import Statement

WAYS = ModuleType("ways")
"""The statements of the roads by which chains are searched for."""
for _road in search_roads.ROADS:
    setattr(WAYS, f"_{_road.name}_older", _road.older)
    setattr(WAYS, f"_{_road.name}_newer", _road.newer)
MODULES = [
    allowances,
    chains,
    click_reports,
    clicks,
    extra_pairs,
    holdings,
    links,
    mo_messages,
    nodes,
    numbering,
    parts,
    purge,
    queues,
    receipts,
    redelivery,
    report_list,
    reports,
    search_roads,
    WAYS,
    short_urls,
    submits,
    tallies,
    timers,
    visits,
]
STATEMENTS = [
    pytest.param(module, name, id=f"{module.__name__.rpartition('.')[2]}{name}")
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, Statement)
]
_OF_ROADS = {
    "partner_id": "chains_partner",
    "dest_addr": "chains_dest_addr",
    "partner_ref": "chains_partner_ref",
    "error": "links_undelivered",
}
INDEXES = {
    **{
        (WAYS, f"_{road}_{way}"): index
        for road, index in _OF_ROADS.items()
        for way in ("older", "newer")
    },
    (search_roads, "BY_PROVIDER_ID"): "submits_provider_id",
    (search_roads, "BY_DEDUPE_REF"): "chains_dedupe_ref",
    (search_roads, "HELD"): "links_held",
    (search_roads, "LIMBO"): "links_limbo",
    (search_roads, "UNSETTLED"): "links_unsettled",
    (chains, "_BY_REF"): "chains_dedupe_ref",
    (chains, "_BY_CONTENT"): "chains_content_key",
    (chains, "_LANES"): "links_due",
    (chains, "_CLAIM"): "links_due",
    (queues, "_DEPTHS"): "links_due",
    (queues, "_DEAD"): "reports_dead",
    (timers, "_EXPIRED"): "links_unsettled",
    (timers, "_LIMBO"): "links_limbo",
    (timers, "_FALLING"): "links_held",
    (timers, "_BLOCKED"): "links_passable",
    (receipts, "_BY_PROVIDER_ID"): "submits_provider_id",
    (receipts, "_IN_FLIGHT"): "links_limbo",
    (receipts, "_MATCHABLE"): "parked_receipts_received_at",
    (receipts, "_FORGETTABLE"): "parked_receipts_received_at",
    (short_urls, "_SHARED_AGAIN"): "short_urls_shared",
    (reports, "_INSERT"): "reports_open",
    (reports, "_LANES"): "reports_due",
    (reports, "_CLAIM"): "reports_due",
    (reports, "_PROMOTE"): "reports_open",
    (click_reports, "_INSERT"): "reports_open",
    (purge, "_OLD"): "chains_partner",
    (purge, "_OLD_WITH_CONTENT"): "chains_with_content",
    (purge, "_STILL_OPEN"): "reports_open",
    (purge, "_REMOVE_REPORTS"): "reports_link_status",
    (purge, "_FORGET_WHOSE"): "short_urls_chain",
    (purge, "_OLDEST_VISIT"): "clicks_partner",
    (purge, "_REMOVE_VISITS"): "clicks_partner",
    (purge, "_OLDEST_INBOUND"): "mo_messages_received_at",
    (purge, "_REMOVE_INBOUND"): "mo_messages_received_at",
    (mo_messages, "_OF_ALL"): "mo_messages_received_at",
    (mo_messages, "_OF_ONE"): "mo_messages_subscriber",
    (nodes, "_SUBMITTING"): "links_limbo",
    (nodes, "_RELEASE_REPORTS"): "reports_claimed",
    (clicks, "_ENDED"): "short_urls_expires",
    (clicks, "_IDLE"): "short_urls_idle",
    (clicks, "_FORGET_VISITS"): "clicks_uid",
    (reports, "_STEP_BACK"): "reports_open",
    (visits, "_OF_PARTNER"): "clicks_partner",
    (visits, "_OF_SHORT_URL"): "clicks_uid",
    (visits, "_OF_CHAIN"): "short_urls_chain",
    (report_list, "_ANY"): "reports_link_status",
    (report_list, "_DEAD"): "reports_dead_of",
    (report_list, "_OPEN"): "reports_open",
    (redelivery, "_DEAD_LANES"): "reports_dead",
    (redelivery, "_COUNT"): "reports_dead",
    (redelivery, "_DUE"): "reports_due",
    (redelivery, "_DEAD"): "reports_dead",
    (tallies, "_SERIES"): "tallies",
    (tallies, "_TOTALS"): "tallies",
    (tallies, "_OLD"): "tallies",
}
IN_ORDER = [
    *((WAYS, name) for name in vars(WAYS) if name.endswith(("_older", "_newer"))),
    *((search_roads, name) for name in ("HELD", "LIMBO", "UNSETTLED")),
    *((timers, name) for name in ("_EXPIRED", "_LIMBO", "_FALLING", "_BLOCKED")),
    (chains, "_CLAIM"),
    (reports, "_CLAIM"),
    *((report_list, name) for name in ("_ANY", "_DEAD", "_OPEN")),
    (receipts, "_FORGETTABLE"),
    (tallies, "_OLD"),
    *((purge, name) for name in ("_OLD", "_OLD_WITH_CONTENT", "_REMOVE_VISITS", "_REMOVE_INBOUND")),
]
