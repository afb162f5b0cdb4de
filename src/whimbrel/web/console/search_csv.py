"""What was found as CSV: a row for each message of each chain."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from whimbrel.domain.chain_id import position_of
from whimbrel.store.criteria import FoundChain, FoundLink
from whimbrel.web.console.csv_file import BYTE_ORDER_MARK, csv_lines

_COLUMNS = (
    *("mtNum", "accepted", "partner", "id", "destAddr", "step", "type", "sender", "state"),
    *("errorCode", "attempts", "submitted", "done", "providerId"),
)
_CONTENT = ("text", "imageURL", "extraParam")


async def as_csv(
    batches: AsyncIterator[list[FoundChain]], separator: str, *, with_content: bool
) -> AsyncIterator[bytes]:
    """Yield the file, some rows at a time; texts and `extraParam` only with content."""
    heading = [*_COLUMNS, *(_CONTENT if with_content else ())]
    yield (BYTE_ORDER_MARK + csv_lines([heading], separator)).encode()
    async for chains in batches:
        rows = [_row(chain, link, with_content) for chain in chains for link in chain.links]
        yield csv_lines(rows, separator).encode(errors="replace")


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
