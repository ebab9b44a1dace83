"""The same run is the same run everywhere: in this process, in workers, on a cluster, whoever draws random numbers."""

import random

import numpy as np
import pytest
import toy_cluster
from toy_nets import Net
from toy_runs import Toy

from bnkeras import sweep

RUNS = [Net(seed) for seed in range(6)]


def tables(out, jobs=None, executor=None):
    return [record["tables"] for record in sweep.run_all(RUNS, executor, jobs, out, progress=False)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The tables of the runs, trained in this process."""
    result = tables(tmp_path_factory.mktemp("expected"), jobs=0)
    assert len({str(table) for table in result}) == len(RUNS), "different seeds give different runs"
    return result


@pytest.mark.slow
@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("jobs", [0, 1, 4])
def test_here(tmp_path, monkeypatch, expected, jobs, noisy):
    if noisy:
        monkeypatch.setenv("TOY_NOISE", "1")
    assert tables(tmp_path, jobs=jobs) == expected


@pytest.mark.slow
def test_on_a_cluster(tmp_path, monkeypatch, expected):
    pytest.importorskip("distributed")
    monkeypatch.setenv("TOY_NOISE", "1")
    with toy_cluster.cluster(tmp_path / "cluster") as cluster:
        for attempt in range(3):
            with sweep.cluster_executor(cluster.address) as executor:
                assert tables(tmp_path / str(attempt), executor=executor) == expected


@pytest.mark.parametrize("jobs", [0, 2])
def test_sweep_leaves_the_global_generators_alone(tmp_path, jobs):
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    sweep.run_all([Toy(number, str(tmp_path / "log")) for number in range(4)], jobs=jobs, out=tmp_path)
    assert before == (random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002
