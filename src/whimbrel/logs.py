"""Logs: one JSON object a line on standard error.

No secret and no text of a message is ever passed to a logger; `_censored` is the second lock.
"""

import contextlib
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

_SECRET_NAMES = frozenset(
    {"password", "token", "app_secret", "verify_token", "signing_secret", "text", "authorization"}
)


def configure_logs(level: str) -> None:
    """Set the logs up for a process; `level` is debug, info, warning or error."""
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=lambda *_: _StandardError(),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()], force=True)


class _Libraries(logging.Handler):
    """Writes what libraries have to say as lines of ours; the traceback of a fault alone."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        fault = record.exc_info if record.levelno >= logging.ERROR else None
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().log(
            record.levelno,
            "library_says",
            library=record.name,
            message=record.getMessage(),
            exc_info=fault,
            **({"why": str(error) or type(error).__name__} if error else {}),
        )


class _StandardError:
    """Writes lines; one that cannot be written is lost, for no message may stop because of it."""

    def info(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a broken pipe, a full disk, a closed file
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - that is what it is for

    debug = warning = error = critical = info


def _censored(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name in _SECRET_NAMES.intersection(event):
        event[name] = "***"
    return event


# One list, whoever sets the logs up again: a logger that was used keeps the one of its first line.
_PROCESSORS: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    _censored,
    structlog.processors.JSONRenderer(ensure_ascii=False),
]
