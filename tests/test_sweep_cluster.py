"""Sweeps on a Dask cluster of two worker processes, one of which is killed on the way."""

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from toy_runs import Toy, events, starts

from bnkeras import sweep

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    options = {"dashboard_address": None, "host": "127.0.0.1", "silence_logs": "CRITICAL"}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **options) as cluster:
        yield cluster


def kill_a_worker(log, after):
    """Kills the worker that started a run last, once the log shows `after` starts."""
    while len(starts(log)) < after:
        time.sleep(0.01)
    os.kill(starts(log)[-1][2], signal.SIGKILL)


def test_worker_killed_during_the_sweep(cluster, tmp_path):
    log = str(tmp_path / "log")
    runs = [Toy(number, log, pause=0.1) for number in range(20)]
    killer = threading.Thread(target=kill_a_worker, args=(log, 5), daemon=True)
    killer.start()
    with sweep.cluster_executor(cluster.scheduler_address) as executor:
        records = sweep.run_all(runs, executor, out=tmp_path / "cluster", progress=False)
    killer.join()
    history = events(log)
    assert len({pid for _, _, pid in history}) in (2, 3)
    assert os.getpid() not in {pid for _, _, pid in history}
    assert sorted({number for event, number, _ in history if event == "end"}) == list(range(20))
    expected = sweep.tables(sweep.run_all(runs, jobs=0, out=tmp_path / "here", progress=False))
    for name, table in sweep.tables(records).items():
        assert table.equals(expected[name])
    assert len(list((tmp_path / "cluster").glob("toys/*.json"))) == 20


def test_run_that_kills_every_worker_is_recorded_as_failed(cluster, tmp_path):
    log = str(tmp_path / "log")
    runs = [Toy(0, log, "die"), Toy(1, log)]
    with sweep.cluster_executor(cluster.scheduler_address) as executor:
        dead, fine = sweep.run_all(runs, executor, out=tmp_path / "runs", progress=False)
    assert (dead["status"], fine["status"]) == ("failed", "finished")
    assert dead["error"]["type"] == "KilledWorker"


@dataclass(frozen=True)
class Environment:
    names: tuple

    def train(self):
        return {"epochs": [{name: os.environ.get(name) for name in self.names}]}


def test_workers_get_the_threads_and_the_backend_of_the_caller(cluster, tmp_path, monkeypatch):
    config = SimpleNamespace(backend=lambda: "jax")
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(config=config))
    with sweep.cluster_executor(cluster.scheduler_address) as executor:
        runs = [Environment(("TF_NUM_INTRAOP_THREADS", "KERAS_BACKEND"))]
        (record,) = sweep.run_all(runs, executor, out=tmp_path, progress=False)
    assert record["tables"]["epochs"] == [{"TF_NUM_INTRAOP_THREADS": "1", "KERAS_BACKEND": "jax"}]


def test_nobody_at_the_address():
    with pytest.raises(ConnectionError, match=r"no Dask scheduler answers at 'tcp://127.0.0.1:9'"):
        sweep.cluster_executor("tcp://127.0.0.1:9", timeout=0.5)
