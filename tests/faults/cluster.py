"""Faults of sweeps on a cluster: nobody there, a worker that differs, comes late or is killed."""

import os
import signal
import socket
import subprocess
import time

import toy_cluster
from faults import helpers
from faults.helpers import JOBS, KEPT, RUNS, check, completes, log, one_line, run_all, runs
from toy_runs import events

from bnkeras import sweep

KILLER = """
import os, signal, sys, time
from toy_runs import events, starts
while len(events(sys.argv[1])) < 10:
    time.sleep(0.01)
os.kill(int(sys.argv[2]) or starts(sys.argv[1])[-1][2], int(sys.argv[3]))
"""


def refused(address):
    def fault(folder):
        begin = time.perf_counter()
        words = one_line(sweep.ClusterError, lambda: sweep.cluster_executor(address))
        check(time.perf_counter() - begin < 10, "it took more than ten seconds")
        return words

    return fault


def silent_server(folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        return refused(f"tcp://127.0.0.1:{server.getsockname()[1]}")(folder)


def without_distributed(folder):
    code = (
        "import sys; sys.modules['distributed'] = None; from bnkeras import sweep; sweep.cluster_executor('tcp://x:1')"
    )
    error = helpers.python(code, stderr=subprocess.PIPE).communicate(timeout=60)[1].splitlines()[-1]
    check("bnkeras.sweep.cluster.ClusterError: " in error, error)
    return error.split(": ", 1)[1]


def different_worker(code):
    def fault(folder):
        with toy_cluster.cluster(folder / "cluster", workers=1) as cluster:
            cluster.add_worker(toy_cluster.start_with(folder / "site", code))
            return refused(cluster.address)(folder)

    return fault


def late_worker(folder):
    with toy_cluster.cluster(folder / "cluster", workers=1) as cluster:
        executor = sweep.cluster_executor(cluster.address)
        cluster.add_worker()
        with executor:
            run_all(runs(folder), folder, executor=executor, jobs=None)
    check(len({pid for _, _, pid in events(log(folder))}) == 2, "it got no runs")
    return completes(folder)


def stopped(which, number=signal.SIGKILL):
    """A sweep whose scheduler, worker or own process gets a signal on the way."""

    def fault(folder):
        with toy_cluster.cluster(folder / "cluster") as cluster, sweep.cluster_executor(cluster.address) as executor:
            pid = {"scheduler": cluster.scheduler.pid, "worker": 0, "sweep": os.getpid()}[which]
            killer = helpers.python(KILLER, log(folder), pid, int(number))
            try:
                run_all(runs(folder), folder, executor=executor, jobs=None)
                words = "the sweep went on"
            except (RuntimeError, KeyboardInterrupt) as error:
                words = f"{type(error).__name__} {error}"
            check(killer.wait(30) == 0, "nothing was killed")
        # What ends after the scheduler or the sweep has nobody to report to: it cannot be kept.
        return f"{words}; {completes(folder, lost=JOBS if which == 'worker' else RUNS)}"

    return fault


FAULTS = {
    "cluster: nobody there": ("one line", refused("tcp://127.0.0.1:9")),
    "cluster: no such host": ("one line", refused("tcp://no.such.host.invalid:8786")),
    "cluster: no address": ("one line", refused("")),
    "cluster: silent server": ("one line", silent_server),
    "cluster: distributed missing": ("one line", without_distributed),
    "cluster: worker without bnkeras": ("one line that names it", different_worker(toy_cluster.NO_BNKERAS)),
    "cluster: worker with another Keras": ("one line that names it", different_worker(toy_cluster.OLD_KERAS)),
    "cluster: late worker": ("it takes part", late_worker),
    "cluster: killed worker": (KEPT, stopped("worker")),
    "cluster: killed scheduler": (KEPT, stopped("scheduler")),
    "cluster: Ctrl-C": (KEPT, stopped("sweep", signal.SIGINT)),
}
