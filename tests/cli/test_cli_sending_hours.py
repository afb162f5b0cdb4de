"""`whimbrel message show`: a schedule in words."""

import pytest

from tests.cli.conftest import Cli, Keep
from tests.support import builders
from tests.support.clock import START
from whimbrel.cli.sending_hours import describe_schedule
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.schedule import Schedule, ZoneReason

pytestmark = pytest.mark.usefixtures("made")

R = ZoneReason
BY_DAY = {"begins": 10 * HOUR, "ends": 20 * HOUR}
EVERY_DAY = "Mon Tue Wed Thu Fri Sat Sun"
MANY = ("Asia/Tokyo", "Asia/Seoul", "Asia/Omsk", "Asia/Tomsk", "Asia/Chita", "Asia/Baku", "UTC")


@pytest.mark.parametrize(
    ("schedule", "hours", "why", "opening"),
    [
        (Schedule(**BY_DAY),
         f"10:00 to 20:00 on {EVERY_DAY} in UTC+3", "no zone was asked for",
         "2026-11-23 10:00:00+0300 (UTC+3)"),
        (Schedule(**BY_DAY, weekdays=(2, 7), zones=("Asia/Omsk",), zone_reason=R.PARTNER),
         "10:00 to 20:00 on Tue Sun in Asia/Omsk", "the Partner's own",
         "2026-11-24 10:00:00+0600 (Asia/Omsk)"),
        (Schedule(begins=22 * HOUR, ends=26 * HOUR + 30 * SECOND,
                  zones=("Asia/Chita", "Asia/Tokyo"), zone_reason=R.REGISTRY),
         f"22:00 to 02:00:30 on {EVERY_DAY} in Asia/Chita + Asia/Tokyo",
         "the subscriber's, by the numbering registry",
         "2026-11-23 22:00:00+0900 (Asia/Chita)"),
        (Schedule(begins=9 * HOUR, zones=MANY, zone_reason=R.PREFIX),
         f"09:00 to 24:00 on {EVERY_DAY} in {' + '.join(MANY[:6])} + 1 more",
         "the subscriber's, by the number's prefix",
         "2026-11-23 18:00:00+0900 (Asia/Tokyo)"),
        (Schedule(**BY_DAY, zones=("Europe/Moscow",), zone_reason=R.CAPITAL),
         f"10:00 to 20:00 on {EVERY_DAY} in Europe/Moscow",
         "the capital's, for the subscriber's zones have no hours in common",
         "2026-11-23 10:00:00+0300 (Europe/Moscow)"),
        (Schedule(**BY_DAY, zone_reason=R.NO_COUNTRY),
         f"10:00 to 20:00 on {EVERY_DAY} in UTC+3", "the number belongs to no country",
         "2026-11-23 10:00:00+0300 (UTC+3)"),
    ],
)  # fmt: skip
def test_sending_hours_in_words(schedule: Schedule, hours: str, why: str, opening: str) -> None:
    told = f"sending hours: {hours} ({why})"
    stored = schedule.to_json()
    assert list(describe_schedule(stored, START, waiting=False)) == [told]
    assert list(describe_schedule(stored, START, waiting=True)) == [
        told,
        f"next opening: {opening}",
    ]


def test_a_deadline_in_words() -> None:
    stored = Schedule(deadline_at=START + DAY).to_json()
    assert list(describe_schedule(stored, START, waiting=True)) == [
        "deadline: 2026-11-24 02:13:20.000Z",
        "next opening: 2026-11-23 05:13:20+0300 (UTC+3)",
    ]


def test_hours_that_never_come_in_words() -> None:
    stored = Schedule(**BY_DAY, deadline_at=START + MINUTE).to_json()
    assert list(describe_schedule(stored, START, waiting=True))[1:] == [
        "deadline: 2026-11-23 02:14:20.000Z",
        "next opening: none",
    ]


def test_every_reason_has_its_words() -> None:
    for reason in ZoneReason:
        stored = Schedule(begins=HOUR, zone_reason=reason).to_json()
        [line] = describe_schedule(stored, START, waiting=False)
        assert line.endswith(")")


def test_they_are_shown_with_the_message(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")
    hours = Schedule(**BY_DAY, zones=("Asia/Omsk",), zone_reason=ZoneReason.REGISTRY)
    keep(lambda store: builders.accept(store, builders.a_chain(schedule=hours.to_json())))

    shown = cli.good("message", "show", "1")

    assert "in Asia/Omsk (the subscriber's, by the numbering registry)" in shown.row("hours:")
    assert "+0600 (Asia/Omsk)" in shown.row("next opening:")
