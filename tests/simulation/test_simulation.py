"""Whole runs: some fixed seeds keep every promise, and a seed means the same everywhere.

`make simulate`, a part of `make check`, runs hundreds of them, most of them new each time.
"""

import os
import re
import subprocess
import sys

import pytest

from whimbrel.simulation import Fault, UnknownFault, parse_faults, simulate, spell_faults

ALL = frozenset(Fault)
_HASH = re.compile(r"^seed (\d+): ([0-9a-f]{32}) ", re.MULTILINE)


def command(*options: str, hash_seed: str = "0") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "whimbrel", "simulate", *options],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("seed", range(1, 13))
def test_a_troubled_world_gets_what_it_was_promised(seed: int) -> None:
    outcome = simulate(seed, 0.5, ALL)
    assert outcome.violations == []
    assert outcome.simulated > 43_200


def test_a_calm_world_has_no_ambiguity() -> None:
    outcome = simulate(1, 1.0, frozenset())
    assert outcome.violations == []
    assert (outcome.faults, outcome.resent, outcome.counts["kill"]) == (0, 0, 0)
    assert outcome.accepted > 5


@pytest.mark.parametrize("fault", Fault)
def test_each_fault_can_come_alone(fault: Fault) -> None:
    outcome = simulate(3, 0.5, frozenset({fault}))
    assert outcome.violations == []


def test_the_same_seed_is_the_same_trace_in_other_processes() -> None:
    options = ("--seed", "3", "--seeds", "3", "--days", "0.5")
    one = command(*options, hash_seed="1")
    other = command(*options, "--jobs", "2", hash_seed="2")
    assert one.returncode == other.returncode == 0, one.stdout + one.stderr + other.stderr
    hashes = dict(_HASH.findall(one.stdout))
    assert hashes == dict(_HASH.findall(other.stdout))
    assert list(hashes) == ["3", "4", "5"]
    assert len(set(hashes.values())) == 3
    assert hashes["3"] == simulate(3, 0.5, ALL).hash


def test_another_world_has_another_trace() -> None:
    hashes = {
        simulate(3, 0.25, ALL).hash,
        simulate(3, 0.3, ALL).hash,
        simulate(3, 0.25, frozenset({Fault.ERRORS})).hash,
        simulate(4, 0.25, ALL).hash,
    }
    assert len(hashes) == 4


def test_a_new_seed_is_printed() -> None:
    done = command("--days", "0.1", "--faults", "errors,crashes", "--trace")
    assert done.returncode == 0, done.stdout + done.stderr
    seeds = [seed for seed, _ in _HASH.findall(done.stdout)]
    assert len(seeds) == 1
    assert done.stdout.startswith(f"seeds from {seeds[0]}, up to 1; 0.1 days each; ")
    assert "0.000 start" in done.stdout


def test_a_broken_promise_prints_the_command_that_repeats_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from whimbrel.cli.simulate import app  # noqa: PLC0415
    from whimbrel.flow import timers  # noqa: PLC0415

    async def expire(_: object) -> bool:
        return False

    monkeypatch.setattr(timers.Timers, "_expire", expire)
    options = ["--seed", "1", "--faults", "store,errors"]
    with pytest.raises(SystemExit) as end:
        app(options)
    assert end.value.code == 1
    printed = capsys.readouterr().out
    assert "BROKEN lifetimes end" in printed
    assert "  again: whimbrel simulate --seed 1 --days 1 --faults errors,store\n" in printed


def test_faults_are_read_and_written() -> None:
    assert parse_faults("crashes, store") == {Fault.CRASHES, Fault.STORE}
    assert spell_faults(parse_faults("store,crashes")) == "crashes,store"
    assert spell_faults(parse_faults("all")) == "all"
    assert spell_faults(parse_faults("none")) == "none"
    with pytest.raises(UnknownFault, match="timeouts, errors, receipts"):
        parse_faults("crashs")
    assert "whimbrel: --faults" in command("--faults", "crashs").stderr
