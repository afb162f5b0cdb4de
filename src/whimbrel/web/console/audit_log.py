"""The audit log: who changed what, the newest first."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from whimbrel.domain.operator import Right
from whimbrel.store.audit import AuditWish, list_deeds
from whimbrel.store.engine import Store
from whimbrel.web.console.guard import Page, page
from whimbrel.web.pages.rendering import Pages

_PAGE = 50
_NEWEST = (1 << 63) - 1
_NAMES = ("audit_id", "at", "operator", "address", "action", "subject", "details")


class AuditLog:
    """One page, that goes on at `before`."""

    def __init__(self, store: Store, pages: Pages) -> None:
        self._store = store
        self._pages = pages

    def pages(self) -> list[Page]:
        """Return the page."""
        return [page("/console/audit", Right.MANAGE, GET=self.show)]

    async def show(self, request: Request) -> Response:
        """Show some entries, of one operator if `operator` names him."""
        who, before = request.query_params.get("operator", ""), request.query_params.get("before")
        at = int(before) if before and before.isdecimal() and len(before) < 19 else _NEWEST
        rows = await self._store.read(list_deeds, AuditWish(at, who, _PAGE + 1))
        deeds = [_deed(row) for row in rows[:_PAGE]]
        older = deeds[-1]["audit_id"] if len(rows) > _PAGE else None
        return self._pages.answer(
            request, "console/audit.html", deeds=deeds, older=older, who=who, at_start=at == _NEWEST
        )


def _deed(row: tuple[Any, ...]) -> dict[str, Any]:
    deed = dict(zip(_NAMES, row, strict=True))
    deed["details"] = msgspec.json.decode(deed["details"])
    return deed
