"""What was found as CSV (RFC 4180): a row for each message of each chain.

For spreadsheets as they are: a byte order mark, by which Excel knows UTF-8; a semicolon between the
cells where Excel's language wants one; and no cell that a spreadsheet would run as a formula
(OWASP, CSV Injection).
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime

from whimbrel.domain.chain_id import position_of
from whimbrel.domain.spreadsheet import harmless
from whimbrel.store.criteria import FoundChain, FoundLink

SEPARATORS = {"comma": ",", "semicolon": ";"}
_COLUMNS = (
    *("mtNum", "accepted", "partner", "id", "destAddr", "step", "type", "sender", "state"),
    *("errorCode", "attempts", "submitted", "done", "providerId"),
)
_CONTENT = ("text", "imageURL", "extraParam")
_BYTE_ORDER_MARK = "\ufeff"


async def as_csv(
    batches: AsyncIterator[list[FoundChain]], separator: str, *, with_content: bool
) -> AsyncIterator[bytes]:
    """Yield the file, some rows at a time; texts and `extraParam` only with content."""
    heading = [*_COLUMNS, *(_CONTENT if with_content else ())]
    yield (_BYTE_ORDER_MARK + _lines([heading], separator)).encode()
    async for chains in batches:
        rows = [_row(chain, link, with_content) for chain in chains for link in chain.links]
        yield _lines(rows, separator).encode(errors="replace")


def _lines(rows: Iterable[list[object]] | Iterable[list[str]], separator: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\r\n")
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _row(chain: FoundChain, link: FoundLink, with_content: bool) -> list[object]:
    row: list[object] = [
        chain.chain_id,
        _moment(chain.accepted_at),
        chain.login,
        chain.partner_ref,
        chain.dest_addr,
        position_of(link.link_id) + 1,
        link.channel.value,
        link.sender,
        link.state.name,
        link.error_code or None,
        link.attempt,
        _moment(link.submitted_at),
        _moment(link.done_at),
        link.provider_id,
    ]
    return [*row, link.text, link.image_url, chain.extra_param] if with_content else row


def _moment(at: int | None) -> str:
    if at is None:
        return ""
    there = datetime.fromtimestamp(at / 1_000, UTC)
    return f"{there:%Y-%m-%dT%H:%M:%S}.{at % 1_000:03}Z"
