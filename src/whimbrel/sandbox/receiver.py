"""A Partner's end of the line, for demonstrations: takes delivery reports and prints them.

Knows the form of a report as the Partner protocol tells it, and nothing else of the gateway.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

KEPT_REPORTS = 1_000
_STATUS_WORDS = {0: "sent", 2: "delivered", 5: "undelivered", 9: "read"}


class Receiver:
    """Takes a POST on any path, answers 200 and hands one readable line of it to `printer`.

    `reports` keeps the last ones, oldest first, as they came.
    """

    def __init__(self, printer: Callable[[str], object]) -> None:
        self.reports: deque[dict[str, Any]] = deque(maxlen=KEPT_REPORTS)
        self.app = Starlette(routes=[Route("/{path:path}", self._take, methods=["POST"])])
        self._printer = printer

    async def _take(self, request: Request) -> Response:
        try:
            report = msgspec.json.decode(await request.body(), type=dict[str, Any])
        except msgspec.DecodeError:
            self._printer("a body that is not a JSON object")
            return Response(status_code=400)
        self.reports.append(report)
        self._printer(line_of(report))
        return Response(status_code=200)


def line_of(report: dict[str, Any]) -> str:
    """Return a report in one line. The text is left out: it may hold a one-time code."""
    if "transactionId" in report:
        return f"message  from={report.get('sourceAddr')}  to={report.get('destAddr')}"
    status = report.get("status")
    parts = [
        f"mtNum={report.get('mtNum')}",
        f"id={report['id']}" if "id" in report else "",
        f"{report.get('type', '')}",
        f"status={status} {_STATUS_WORDS.get(status, '')}".rstrip(),  # type: ignore[arg-type]
        f"errorCode={report.get('errorCode')}" if status == 5 else "",
        f"doneDate={report['doneDate']}" if report.get("doneDate") else "",
    ]
    return "report  " + "  ".join(part for part in parts if part)
