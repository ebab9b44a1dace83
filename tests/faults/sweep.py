"""What a sweep does under faults: a row each of fault, what is expected, what happened.

Kills, signals, full disks, damaged records, planted links, dying workers, broken clusters: it makes them all itself, in
scratch folders, in some minutes. Exit code 1 where anything was silent, showed a traceback or lost what had finished.

    python tests/faults/sweep.py
    python tests/faults/sweep.py kill damage      # only faults whose name contains one of the words
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from faults import cluster, helpers, table
from faults.damages import DAMAGES
from faults.helpers import JOBS, KEPT, PAUSE, RUNS, check, completes, log, one_line, run_all, runs, saved, wait_for
from toy_runs import Toy, events, starts

CHILD = f"""
import signal, sys
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which `nohup` would have left ignored
    print("begun", flush=True)
    try:
        from toy_runs import Toy
        from bnkeras.sweep import run_all
        runs = [Toy(number, sys.argv[2], pause={PAUSE}) for number in range({RUNS})]
        run_all(runs, jobs={JOBS}, out=sys.argv[1], progress=False)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.exit(130)
"""


def child(folder):
    """Starts a sweep in a process group of its own, and returns when its Python runs."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = helpers.python(CHILD, folder / "runs", log(folder), start_new_session=True, **pipes)
    process.stdout.readline()
    return process


def signals(number, times, code, after=0, delay=0.0):
    """A sweep that gets a signal, as from a terminal, after so many lines of the log and seconds."""

    def fault(folder):
        process = child(folder)
        wait_for(lambda: len(events(log(folder))) >= after)
        time.sleep(delay)
        for _ in range(times):
            with contextlib.suppress(ProcessLookupError):
                process.kill() if number == signal.SIGKILL else os.killpg(process.pid, number)
            time.sleep(0.05)
        error = process.communicate(timeout=60)[1]
        check(error == "", error)
        check(process.returncode == code, f"exit code {process.returncode}, expected {code}")
        helpers.workers_gone(folder)
        return f"exit code {code}, {completes(folder)}"

    return fault


def killed_five_times(folder):
    for times in range(5):
        process = child(folder)
        before = len(events(log(folder)))
        wait_for(lambda before=before, times=times: len(events(log(folder))) > before + 2 * times)
        process.kill()
        check(process.communicate(timeout=60)[1] == "", "it said something")
        helpers.workers_gone(folder)
    check(len(starts(log(folder))) <= RUNS + 5 * JOBS, "more was trained again than what was in flight")
    return completes(folder, lost=5 * JOBS)


def damage(name):
    def fault(folder):
        before = run_all(runs(folder, 3), folder)
        paths = [folder / "runs" / "toys" / f"{record['key']}.json" for record in before]
        DAMAGES[name](paths[1], paths[2])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            after = run_all(runs(folder, 3), folder)
        words = [str(warning.message) for warning in caught]
        check(len(words) == 1 and str(paths[1]) in words[0], f"warnings: {words}")
        check([number for _, number, _ in starts(log(folder))] == [0, 1, 2, 1], "not that run alone was trained again")
        check([r["tables"] for r in after] == [r["tables"] for r in before], "other tables")
        return words[0].removeprefix(f"{paths[1]} ")

    return fault


def disk(options, grown, rows):
    """A sweep on a small file system of its own, which then grows."""

    def fault(folder):
        out = folder / "runs"
        out.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", out], capture_output=True).returncode:
            return "not tried: this user may not mount a file system"
        try:
            wide = runs(folder, rows=rows)
            words = one_line(OSError, lambda: run_all(wide, folder))
            kept = saved(folder)
            check(len(kept) == len(helpers.ended(folder)), f"{helpers.ended(folder)} ended, {len(kept)} are kept")
            subprocess.run(["mount", "-o", f"remount,{grown}", out], check=True)
            run_all(wide, folder)
            check(len(starts(log(folder))) == RUNS, "a finished run was trained again")
            return f"{len(kept)} kept: {words}"
        finally:
            subprocess.run(["umount", out], check=True)

    return fault


def planted(suffix):
    """A link to a file of the user's where the sweep is to write."""

    def fault(folder):
        (record,) = run_all(runs(folder, 1), folder / "elsewhere")
        (folder / "mine").write_text("mine")
        (folder / "runs" / "toys").mkdir(parents=True)
        (folder / "runs" / "toys" / f"{record['key']}{suffix}").symlink_to(folder / "mine")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                run_all(runs(folder, 1), folder)
                words = "not followed, the run is saved"
            except OSError as error:
                words = str(error)
        check((folder / "mine").read_text() == "mine", "it was written through")
        return "; ".join([words, *(str(warning.message) for warning in caught)])

    return fault


def worker_dies(folder):
    toys = [Toy(0, log(folder), "die"), Toy(1, log(folder), "die_once"), *runs(folder, 8)[2:]]
    statuses = [record["status"] for record in run_all(toys, folder, jobs=JOBS)]
    counts = [len(starts(log(folder), number)) for number in range(8)]
    check(statuses == ["failed"] + ["finished"] * 7, str(statuses))
    check(counts == [3, 2, 1, 1, 1, 1, 1, 1], f"starts of each run: {counts}")
    return "failed after three deaths; once dead, tried again; no other run started twice"


def thousand_jobs(folder):
    run_all(runs(folder), folder, jobs=1000)
    workers = {pid for _, _, pid in events(log(folder))}
    check(len(workers) <= len(os.sched_getaffinity(0)), f"{len(workers)} workers")
    return f"{len(workers)} workers"


def shared_folder(folder):
    sweeps = [child(folder) for _ in range(3)]
    errors = [process.communicate(timeout=120)[1] for process in sweeps]
    check([process.returncode for process in sweeps] == [0] * 3, "".join(errors))
    check(len(starts(log(folder))) == RUNS, "a run was trained twice")
    return completes(folder)


INT, TERM, HUP, KILL = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL
CTRL_C = f"exit code 130, {KEPT}"
FULL = "one line, all that ended is kept"
FAULTS = {
    **{f"kill at {n}": (KEPT, signals(KILL, 1, -KILL, after=n)) for n in (1, 2, 3, 5, 8, 13, 21, 30, 38, 46)},
    "killed five times": (KEPT, killed_five_times),
    **{f"TERM at {n}": (KEPT, signals(TERM, 1, -TERM, after=n)) for n in (1, 20)},
    **{f"HUP at {n}": (KEPT, signals(HUP, 1, -HUP, after=n)) for n in (1, 20)},
    **{f"Ctrl-C at 20, {n} times": (CTRL_C, signals(INT, n, 130, after=20)) for n in (1, 2, 5)},
    **{f"Ctrl-C after {s} s": (CTRL_C, signals(INT, 1, 130, delay=s)) for s in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)},
    "Ctrl-C after 0.3 s, 5 times": (CTRL_C, signals(INT, 5, 130, delay=0.3)),
    "disk of 512 KiB": ("one line before any run", disk("size=512k", "size=64m", rows=1500)),
    "disk of 2 MiB": (FULL, disk("size=2m", "size=64m", rows=1500)),
    "disk of 3 MiB": (FULL, disk("size=3m", "size=64m", rows=1500)),
    "disk out of inodes": (FULL, disk("size=9m,nr_inodes=9", "nr_inodes=99", rows=3)),
    **{f"damage: {name}": ("named, that run alone trained again", damage(name)) for name in DAMAGES},
    **{f"link planted at *{end}": ("not written through", planted(end)) for end in (".json", ".part", ".lock")},
    "dying worker": ("no other run is harmed", worker_dies),
    "1000 jobs": ("no more workers than cores", thousand_jobs),
    "three sweeps, one folder": ("each run trained once", shared_folder),
    **cluster.FAULTS,
}


if __name__ == "__main__":
    table.main(FAULTS)
