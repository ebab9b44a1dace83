"""Sweeps on a Dask cluster of two worker processes: equal results, deaths, and clusters that cannot be used."""

import os
import socket
import sys
import threading
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import toy_cluster
from toy_runs import Toy, starts

from bnkeras import sweep

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with toy_cluster.cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.mark.slow
def test_run_that_kills_every_worker_is_recorded_as_failed(cluster, tmp_path):
    log = str(tmp_path / "log")
    runs = [Toy(0, log, "die"), Toy(1, log)]
    with sweep.cluster_executor(cluster.address) as executor:
        dead, fine = sweep.run_all(runs, executor, out=tmp_path / "runs", progress=False)
    assert (dead["status"], fine["status"]) == ("failed", "finished")
    assert dead["error"]["type"] == "KilledWorker"


@dataclass(frozen=True)
class Environment:
    names: tuple

    def train(self):
        return {"epochs": [{name: os.environ.get(name) for name in self.names}]}


@pytest.mark.slow
def test_workers_get_the_threads_and_the_backend_of_the_caller(cluster, tmp_path, monkeypatch):
    config = SimpleNamespace(backend=lambda: "jax")
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(config=config))
    with sweep.cluster_executor(cluster.address) as executor:
        runs = [Environment(("TF_NUM_INTRAOP_THREADS", "KERAS_BACKEND"))]
        (record,) = sweep.run_all(runs, executor, out=tmp_path, progress=False)
    assert record["tables"]["epochs"] == [{"TF_NUM_INTRAOP_THREADS": "1", "KERAS_BACKEND": "jax"}]


@pytest.mark.slow
def test_late_worker_that_differs_fails_its_runs_and_they_are_trained_by_the_next_call(cluster, tmp_path):
    log = str(tmp_path / "log")
    runs = [Toy(number, log, pause=0.05) for number in range(8)]
    with sweep.cluster_executor(cluster.address) as executor:
        cluster.add_worker(toy_cluster.start_with(tmp_path / "site", toy_cluster.OLD_KERAS))
        late = sweep.run_all(runs, executor, out=tmp_path / "runs", progress=False)
    cluster.remove_worker()
    failed = [record for record in late if record["status"] == "failed"]
    assert all("'keras': '3.0.0'" in record["error"]["message"] for record in failed)
    assert len(starts(log)) == 8 - len(failed)
    with sweep.cluster_executor(cluster.address) as executor:
        again = sweep.run_all(runs, executor, out=tmp_path / "runs", progress=False)
    assert [record["status"] for record in again] == ["finished"] * 8
    assert len(starts(log)) == 8


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "tcp://no.such.host.invalid:8786", "nonsense://x", "", None])
def test_nobody_at_the_address(address):
    with pytest.raises(sweep.ClusterError, match=r"no Dask scheduler answers\. Received: address=") as caught:
        sweep.cluster_executor(address, timeout=0.5)
    assert repr(address) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_silent():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(sweep.ClusterError, match=f"Received: address='{address}'"):
            sweep.cluster_executor(address, timeout=0.5)


def test_without_distributed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(sweep.ClusterError, match="a cluster needs `distributed`"):
        sweep.cluster_executor("tcp://127.0.0.1:9")


@pytest.mark.slow
def test_cluster_without_workers(tmp_path):
    with toy_cluster.cluster(tmp_path / "cluster", workers=0) as cluster:
        with pytest.warns(UserWarning, match="has no workers yet; runs wait for the first"):
            executor = sweep.cluster_executor(cluster.address, timeout=1)
        late = threading.Timer(0, cluster.add_worker)
        late.start()
        with executor:
            (record,) = sweep.run_all([Toy(1, str(tmp_path / "log"))], executor, out=tmp_path, progress=False)
        late.join()
    assert record["status"] == "finished"
