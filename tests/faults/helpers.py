"""What the faults of sweeps share: toy runs in a folder, their sweep, and checks that say what they found."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import toy_cluster
from toy_runs import Toy, events, starts

from bnkeras import sweep

RUNS, PAUSE, JOBS = 24, 0.05, 2
KEPT = "what is saved stays, the same call trains the rest"


def log(folder):
    return str(folder / "log")


def runs(folder, count=RUNS, **options):
    return [Toy(number, log(folder), pause=PAUSE, **options) for number in range(count)]


def run_all(runs, folder, **options):
    return sweep.run_all(runs, out=folder / "runs", progress=False, **{"jobs": 0, **options})


def saved(folder):
    """Returns the keys of the records in the folder."""
    return {path.stem for path in (folder / "runs").glob("toys/*.json")}


def ended(folder):
    return [number for event, number, _ in events(log(folder)) if event == "end"]


# For the superuser, who may read and write everything otherwise.
UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if not os.geteuid() else ()


def python(code, *arguments, prefix=(), **options):
    """Starts Python on some code that can import the toy runs."""
    command = [*prefix, sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=toy_cluster.python_path(), text=True, **options)


def completes(folder, lost=JOBS):
    """Runs a sweep again: what is saved is not trained again, and the tables are those of an undisturbed one."""
    kept, before = saved(folder), len(starts(log(folder)))
    check(len(ended(folder)) - len(kept) <= lost, f"{len(ended(folder))} runs had ended, {len(kept)} are saved")
    records = run_all(runs(folder), folder, jobs=JOBS)
    again = [number for _, number, _ in starts(log(folder))[before:]]
    number_of = {record["key"]: record["settings"]["number"] for record in records}
    check(not {number_of[key] for key in kept} & {*again}, "a run that was saved was trained again")
    check(len(again) == RUNS - len(kept), f"{len(again)} runs trained for {RUNS - len(kept)} missing records")
    left = [path.name for path in (folder / "runs").rglob("*.*") if path.suffix != ".json"]
    check(not left, f"scratch files are left: {left}")
    with tempfile.TemporaryDirectory() as fresh:
        expected = sweep.run_all(runs(folder), jobs=0, out=fresh, progress=False)
    check([r["tables"] for r in records] == [r["tables"] for r in expected], "other tables than undisturbed")
    return f"{len(kept)} of {RUNS} kept, the rest trained"


def one_line(error_class, action):
    """Returns the message of the error that an action ends with."""
    try:
        action()
    except error_class as error:
        check("\n" not in str(error), "more than one line")
        return str(error)
    raise AssertionError(f"no {error_class.__name__}")


def check(condition, words):
    if not condition:
        raise AssertionError(words)


def wait_for(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited a minute in vain")


def workers_gone(folder):
    """Waits until no process that the log names is alive."""
    wait_for(lambda: not any(alive(pid) for _, _, pid in events(log(folder)) if pid != os.getpid()))


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
