"""A sweep that is killed again and again ends with the table of one that never was."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_runs import Toy, events

from bnkeras import sweep

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL")

SWEEP = """
import sys
from toy_runs import Toy
from bnkeras.sweep import run_all
if __name__ == "__main__":
    runs = [Toy(number, sys.argv[2], pause=0.02) for number in range(40)]
    run_all(runs, jobs=2, out=sys.argv[1], progress=False)
"""
JOBS = 2


def start(out, log):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.Popen([sys.executable, "-c", SWEEP, str(out), log], env=environment)


def saved(out):
    return {path.stem for path in out.glob("toys/*.json")}


def kill_after(process, log, count, delay):
    """Kills a sweep `delay` seconds after the log has grown by `count` lines."""
    count += len(events(log))
    for _ in range(6000):
        if len(events(log)) >= count:
            break
        time.sleep(0.005)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait(60)


def wait_for_silence(log):
    """Waits until the orphans of a killed sweep are gone, which takes them milliseconds."""
    before = None
    while before != (before := len(events(log))):
        time.sleep(0.2)


def test_killed_five_times(tmp_path):
    chance = random.Random(5)
    out, log = tmp_path / "runs", str(tmp_path / "log")
    kept = []
    for _ in range(5):
        process = start(out, log)
        kill_after(process, log, chance.randrange(1, 12), chance.uniform(0, 0.03))
        assert process.returncode == -signal.SIGKILL
        wait_for_silence(log)
        kept.append((saved(out), len(events(log))))
    assert start(out, log).wait(60) == 0

    runs = [Toy(number, log, pause=0.02) for number in range(40)]
    history = events(log)
    records = sweep.run_all(runs, jobs=0, out=out, progress=False)
    assert events(log) == history, "a finished run was trained again"
    _check_repeats(runs, records, history, kept)
    _check_equal(records, runs, tmp_path)


def _check_repeats(runs, records, history, kept):
    assert 0 < len(kept[0][0]) <= len(kept[-1][0]) < len(runs)
    number_of = {record["key"]: run.number for record, run in zip(records, runs, strict=True)}
    for keys, length in kept:
        later = {number for event, number, _ in history[length:] if event == "start"}
        assert not later & {number_of[key] for key in keys}, "a run that was saved was repeated"
    started = [number for event, number, _ in history if event == "start"]
    assert set(started) == {run.number for run in runs}
    assert len(started) - len(runs) <= JOBS * len(kept), "more was repeated than what was in flight"


def _check_equal(records, runs, tmp_path):
    expected = sweep.run_all(runs, jobs=0, out=tmp_path / "uninterrupted", progress=False)
    assert {record["status"] for record in records} == {"finished"}
    for name, table in sweep.tables(expected).items():
        assert sweep.tables(records)[name].equals(table)
