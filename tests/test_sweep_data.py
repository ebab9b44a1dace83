"""A record knows its data: another set under the same name is another run, and no worker trains on it unnoticed."""

import re
from dataclasses import dataclass

import numpy as np
import pytest

from bnkeras import datasets, sweep


@dataclass(frozen=True)
class Sum:
    data: str

    def train(self):
        data = datasets.load(self.data)
        return {"epochs": [{"epoch": 1, "sum": int(data.x_train.sum())}], "source": data.source}


@dataclass(frozen=True)
class Other:
    data: object

    def train(self):
        return {"epochs": []}


def provide(folder, value):
    """Puts a set of ten photos whose pixels all have one value into a folder, made where it is missing."""
    folder.mkdir(exist_ok=True)
    x, y = np.full((10, 32, 32, 3), value, "uint8"), np.arange(10)
    np.savez(folder / "cifar10.npz", x_train=x, y_train=y, x_test=x, y_test=y)


def run_all(run, folder, jobs=0):
    return sweep.run_all([run], jobs=jobs, out=folder / "runs", progress=False)[0]


def test_other_data_under_the_same_name_is_another_run(folder, monkeypatch):
    provide(folder / "a", 1)
    provide(folder / "b", 2)
    monkeypatch.setenv("BNKERAS_DATA", str(folder / "a"))
    first = run_all(Sum("cifar10"), folder)
    assert first["data_sha256"] == datasets.load("cifar10").sha256
    assert first["tables"]["epochs"][0]["sum"] == 30720
    monkeypatch.setenv("BNKERAS_DATA", str(folder / "b"))
    second = run_all(Sum("cifar10"), folder)
    assert second["data_sha256"] == datasets.load("cifar10").sha256 != first["data_sha256"]
    assert second["tables"]["epochs"][0]["sum"] == 61440
    monkeypatch.setenv("BNKERAS_DATA", str(folder / "a"))
    assert run_all(Sum("cifar10"), folder) == first


def test_worker_whose_copy_is_another_refuses(folder):
    provide(folder, 1)
    expected = datasets.load("cifar10").sha256
    provide(folder, 2)
    record = run_all(Sum("cifar10"), folder, jobs=1)
    assert record["status"] == "failed"
    assert re.search(rf"data set 'cifar10' has SHA-256 \w{{64}} here, {expected} where", record["error"]["message"])


def test_missing_data_is_found_out_before_anything_is_made(folder):
    (folder / "cifar10.npz").write_bytes(b"")
    with pytest.raises(datasets.DataError, match=r"cifar10.npz"):
        run_all(Sum("cifar10"), folder)
    assert not (folder / "runs").exists()


@pytest.mark.parametrize("data", ["no data set", ("cifar10",), 3, None])
def test_a_setting_that_names_no_data_set(folder, data):
    assert run_all(Other(data), folder)["data_sha256"] is None
