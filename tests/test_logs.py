"""Logs: JSON on standard error, without secrets, and never a reason to stop."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from whimbrel.logs import configure_logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_an_object_with_level_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    structlog.get_logger().warning("sender_paused", sender="ШОП")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["sender"]) == ("sender_paused", "warning", "ШОП")
    assert line["timestamp"].endswith("Z")


def test_a_logger_that_was_used_before_is_heard_after_another_set_up() -> None:
    configure_logs("info")
    used = structlog.get_logger()
    used.info("first")
    configure_logs("info")
    with capture_logs() as logs:
        used.info("second")
    assert [log["event"] for log in logs] == ["second"]


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("warning")
    structlog.get_logger().info("request_refused")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["password", "token", "app_secret", "signing_secret", "text"])
def test_secrets_and_texts_are_censored(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    structlog.get_logger().warning("something", **{name: "hush"})
    assert "hush" not in capsys.readouterr().err


def test_a_fault_is_told_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    try:
        {}["what went wrong"]
    except KeyError:
        structlog.get_logger().exception("request_failed")
    assert "KeyError: 'what went wrong'" in json.loads(capsys.readouterr().err)["exception"]


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def write(self, _: str) -> None:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    configure_logs("info")
    monkeypatch.setattr(sys, "stderr", Closed())
    structlog.get_logger().error("nobody_reads_this")


def test_what_a_library_says_is_a_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    gone = ConnectionResetError("gone")
    logging.getLogger("asyncpg.pool").warning("floor %d", 1, exc_info=gone)
    logging.getLogger("asyncio").error("never retrieved", exc_info=gone)
    warning, error = map(json.loads, capsys.readouterr().err.splitlines())
    assert warning.pop("timestamp")
    assert warning == {
        "event": "library_says",
        "level": "warning",
        "library": "asyncpg.pool",
        "message": "floor 1",
        "why": "gone",
    }
    assert error["level"] == "error"
    assert "ConnectionResetError: gone" in error["exception"]
