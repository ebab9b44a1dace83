"""Sweeps on this machine: records, resuming, failures, sharing a folder, bad input."""

import math
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import toy_runs
from toy_runs import Toy, starts

from bnkeras import sweep
from bnkeras.sweep import environment

TESTS = str(Path(__file__).parent)


def run_all(runs, out, jobs=0, **options):
    return sweep.run_all(runs, jobs=jobs, out=out, progress=False, **options)


@pytest.fixture
def log(tmp_path):
    return str(tmp_path / "log")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "runs"


def script(source, *args, **options):
    """Starts a Python program that can import the toy runs."""
    environment = {**os.environ, "PYTHONPATH": TESTS}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *source, *args], env=environment, **pipes, **options)


def test_record(out, log):
    (record,) = run_all([Toy(1, log)], out)
    assert record["settings"] == {"number": 1, "log": log, "does": "learn", "pause": 0.0, "sizes": (1, 2), "rows": 3}
    assert (record["run"], record["status"], record["error"]) == ("toy_runs.Toy", "finished", None)
    assert record["tables"]["epochs"][1] == {"epoch": 2, "loss": 0.25, "accuracy": 0.75}
    assert record["scalars"] == {"source": "toys"}
    assert record["data_sha256"] is None
    assert 0 < record["seconds"] < 60
    assert record["environment"]["python"].count(".") == 2
    assert record["environment"]["threads"] >= 1
    assert record["started"].endswith("+00:00")
    assert (out / "toys" / f"{record['key']}.json").exists()


def test_records_come_in_the_order_of_the_runs_and_are_reused(out, log):
    runs = [Toy(number, log) for number in (3, 1, 2)]
    first = run_all(runs, out)
    assert [record["settings"]["number"] for record in first] == [3, 1, 2]
    assert run_all(runs[::-1], out) == first[::-1]
    assert len(starts(log)) == 3


def test_tables(out, log):
    tables = sweep.tables(run_all([Toy(0, log), Toy(1, log, sizes=())], out))
    assert list(tables) == ["epochs", "percentiles"]
    epochs = tables["epochs"]
    assert list(epochs) == ["number", "log", "does", "pause", "sizes", "rows", "source", "epoch", "loss", "accuracy"]
    assert list(epochs["loss"]) == [1, 1 / 2, 1 / 3, 1 / 2, 1 / 4, 1 / 6]
    assert list(epochs["sizes"]) == [(1, 2)] * 3 + [()] * 3
    assert tables["percentiles"]["p50"].tolist() == [0.0, 1.0]
    assert tables["percentiles"]["source"].tolist() == ["toys"] * 2


def test_tables_of_failed_runs(out, log):
    records = run_all([Toy(0, log), Toy(1, log, "raise")], out)
    with pytest.warns(UserWarning, match="1 of 2 runs failed, the first with ArithmeticError: run 1 cannot"):
        assert len(sweep.tables(records)["epochs"]) == 3
    with pytest.raises(RuntimeError, match="1 of 2 runs failed"):
        sweep.tables(records, on_failed="raise")
    assert sweep.tables(records[1:], on_failed="ignore")["epochs"].empty
    with pytest.raises(ValueError, match="on_failed='drop'"):
        sweep.tables(records, on_failed="drop")


def test_results_do_not_depend_on_jobs(tmp_path, log):
    runs = [Toy(number, log) for number in range(5)]
    expected = sweep.tables(run_all(runs, tmp_path / "0"))
    records = run_all(runs, tmp_path / "2", jobs=2)
    for name, table in sweep.tables(records).items():
        assert table.equals(expected[name])
    pids = [pid for _, _, pid in starts(log)]
    assert set(pids[:5]) == {os.getpid()}
    assert 1 <= len(set(pids[5:]) - {os.getpid()}) <= 2
    assert records[0]["environment"]["threads"] == 1


def test_threads_as_executor(out, log):
    with ThreadPoolExecutor(2) as executor:
        records = sweep.run_all([Toy(number, log) for number in range(6)], executor, out=out, progress=False)
    assert [record["status"] for record in records] == ["finished"] * 6


def test_failed_run_is_recorded_and_tried_again(out, log, monkeypatch):
    runs = [Toy(0, log), Toy(1, log, "raise"), Toy(2, log)]
    records = run_all(runs, out)
    assert [record["status"] for record in records] == ["finished", "failed", "finished"]
    assert records[1]["error"]["type"] == "ArithmeticError"
    assert "in _raise" in records[1]["error"]["traceback"]
    assert records[1]["tables"] == {}
    monkeypatch.setattr(Toy, "_raise", Toy._learn)
    assert [record["status"] for record in run_all(runs, out)] == ["finished"] * 3
    assert [number for _, number, _ in starts(log)] == [0, 1, 2, 1]


def test_diverged_run_is_a_result(out, log):
    for _ in range(2):
        (record,) = run_all([Toy(4, log, "diverge")], out)
        assert record["status"] == "diverged"
        assert math.isnan(record["tables"]["epochs"][0]["loss"])
    assert len(starts(log)) == 1


@dataclass(frozen=True)
class Returns:
    """Returns what stands below its name."""

    name: str
    values: ClassVar[dict] = {}

    def train(self):
        return self.values[self.name]


def test_numbers_survive_json(out, monkeypatch):
    row = {"a": float("inf"), "b": -np.float32("inf"), "c": np.float64("nan"), "d": np.int64(3), "e": None, "f": "nan"}
    values = {"epochs": [row, {"a": np.array(2.5), "g": np.bool_(True)}], "h": np.float32(0.1), "i": 1e-320, "j": 2**70}
    monkeypatch.setitem(Returns.values, "numbers", values)
    for _ in range(2):  # as it comes from the run, as it comes from the file
        (record,) = run_all([Returns("numbers")], out)
        first, second = record["tables"]["epochs"]
        assert math.isnan(first.pop("c"))
        assert first == {"a": math.inf, "b": -math.inf, "d": 3, "e": None, "f": "nan"}
        assert second == {"a": 2.5, "g": True}
        assert record["scalars"] == {"h": 0.10000000149011612, "i": 1e-320, "j": 2**70}
        assert {type(value) for value in [*first.values(), *second.values()]} == {float, int, bool, str, type(None)}


@pytest.mark.parametrize(
    ("value", "status", "message"),
    [
        ({"epochs": [{"epoch": 1, "anything": math.inf}]}, "diverged", None),
        ({"epochs": [{"epoch": 1, "missing": None, "word": "nan"}], "roc": [{"fpr": math.nan}]}, "finished", None),
        ({"epochs": [], "rate": math.nan}, "finished", None),
        ({"roc": []}, "failed", "Received: ['roc']"),
        (None, "failed", "Received: None"),
        ({"epochs": {"loss": [1]}}, "failed", "Received: ['epochs']"),
        ({"epochs": [[1]]}, "failed", "Received in 'epochs': [1]"),
        ({"epochs": [{"loss": [1, 2]}]}, "failed", "Received: loss=[1, 2] (list)"),
        ({"epochs": [{3: 1}]}, "failed", "Received: 3=1 (int)"),
        ({"epochs": [], "curves": {"loss": []}}, "failed", "Received: curves={'loss': []} (dict)"),
        ({"epochs": [], "sizes": np.ones(3)}, "failed", "(ndarray)"),
    ],
)
def test_what_train_returns(out, monkeypatch, value, status, message):
    monkeypatch.setitem(Returns.values, "value", value)
    (record,) = run_all([Returns("value")], out)
    assert record["status"] == status
    assert message is None or message in record["error"]["message"]


@pytest.mark.parametrize(
    ("value", "name"),
    [({"epochs": [{"name": 1}]}, "name"), ({"epochs": [{}], "name": 1}, "name"), ({"epochs": [{"x": 1}], "x": 1}, "x")],
)
def test_names_that_clash_in_a_table(out, monkeypatch, value, name):
    monkeypatch.setitem(Returns.values, "clash", value)
    with pytest.raises(ValueError, match=rf"'epochs' must not share names. Received: \['{name}'\]"):
        sweep.tables(run_all([Returns("clash")], out))


def test_dead_workers_cost_no_other_run(out, log):
    runs = [Toy(0, log, "die"), Toy(1, log, "die_once"), *(Toy(number, log) for number in range(2, 6))]
    records = run_all(runs, out, jobs=2)
    assert [record["status"] for record in records] == ["failed"] + ["finished"] * 5
    assert "worker process died 3 times, last with exit code -9" in records[0]["error"]["message"]
    assert [len(starts(log, number)) for number in range(6)] == [3, 2, 1, 1, 1, 1]


def test_libraries_are_heard_only_where_they_end_the_worker(out, log, capfd):
    (record,) = run_all([Toy(0, log, "abort")], out, jobs=1)
    assert record["error"]["message"].endswith("exit code 7\nCHECK failed: a library's last words")
    assert capfd.readouterr() == ("", "")


def test_bar_only_where_asked_for(tmp_path, log, capfd):
    run_all([Toy(1, log)], tmp_path / "quiet")
    assert capfd.readouterr() == ("", "")
    sweep.run_all([Toy(1, log)], jobs=0, out=tmp_path / "bar")
    assert "1/1" in capfd.readouterr().err


def test_two_threads_share_a_folder(out, log):
    runs = [Toy(number, log, pause=0.01) for number in range(10)]
    threads = [threading.Thread(target=run_all, args=(order, out)) for order in (runs, runs[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(number for _, number, _ in starts(log)) == list(range(10))


def test_importing_imports_neither_keras_nor_pandas():
    heavy = "{'keras', 'tensorflow', 'jax', 'numpy', 'pandas', 'tqdm'}"
    process = script(["-c", f"import sys, bnkeras.sweep; print({heavy} & sys.modules.keys())"])
    assert process.communicate(timeout=60)[0] == "set()\n"


@dataclass(frozen=True)
class Environment:
    name: str

    def train(self):
        return {"epochs": [{"value": os.environ.get(self.name), "keras": "keras" in sys.modules}]}


def test_workers_have_one_thread_before_anything_is_imported(out, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/nowhere")
    names = ["OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "XLA_FLAGS"]
    records = run_all([Environment(name) for name in names], out, jobs=1)
    flags = "--xla_dump_to=/nowhere --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    assert [record["tables"]["epochs"][0]["value"] for record in records] == ["1", "1", "1", flags]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ or os.environ["TF_NUM_INTRAOP_THREADS"]


def test_this_process_gets_them_too_where_keras_is_not_imported_yet(out, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    for name in ("keras", "tensorflow", "jax"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (record,) = run_all([Environment("OMP_NUM_THREADS")], out)
    assert record["tables"]["epochs"][0]["value"] == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    (record,) = run_all([Environment("OMP_NUM_THREADS")], out.parent / "later")
    assert record["tables"]["epochs"][0]["value"] == "7"


@pytest.mark.parametrize(("cores", "gib", "workers"), [(3, 64, 3), (64, 2.9, 2), (64, 0.1, 1), (64, math.inf, 64)])
def test_cores_and_memory_allow_so_many_workers(monkeypatch, cores, gib, workers):
    monkeypatch.setattr(environment, "available_cores", lambda: cores)
    monkeypatch.setattr(environment, "free_memory", lambda: gib * 2**30)
    assert environment.most_workers() == workers


@pytest.mark.parametrize(("cores", "runs", "workers"), [(2, 6, 2), (64, 3, 3)])
def test_no_more_workers_than_allowed_and_runs(out, log, monkeypatch, cores, runs, workers):
    monkeypatch.setattr(environment, "available_cores", lambda: cores)
    run_all([Toy(number, log, pause=0.2) for number in range(runs)], out, jobs=1000)
    assert len({pid for _, _, pid in starts(log)}) <= workers


def test_free_memory_is_what_this_machine_has():
    assert environment.free_memory() > 2**20


@dataclass
class Thawed(Toy.__bases__[0]):
    number: int

    train = Toy.train


@dataclass(frozen=True)
class Holds:
    value: object

    def train(self):
        raise AssertionError("must not start")


@pytest.mark.parametrize(
    ("runs", "error", "message"),
    [
        ([3], TypeError, "instance of a dataclass with a `train` method. Received: 3"),
        ([Toy], TypeError, "instance of a dataclass with a `train` method"),
        ([Thawed(1)], TypeError, "must be frozen: @dataclass"),
        ([Holds([1])], TypeError, r"Received: Holds.value=\[1\] \(list\)"),
        ([Holds({"a": 1})], TypeError, r"Received: Holds.value=\{'a': 1\} \(dict\)"),
        ([Holds((1, (2, {3})))], TypeError, r"Received: Holds.value=\{3\} \(set\)"),
        ([Holds(np.float32(1))], TypeError, r"\(float32\)"),
        ([Holds(float("nan"))], ValueError, "must not be NaN. Received: Holds.value=nan"),
        ([Holds(1), Holds(2), Holds(1)], ValueError, r"Received twice: Holds\(value=1\)"),
        ([Holds(1), Holds(1.0)], ValueError, r"1 and 1.0 being the same. Received twice: Holds\(value=1\)"),
    ],
)
def test_bad_runs(out, runs, error, message):
    with pytest.raises(error, match=message):
        run_all(runs, out)
    assert not out.exists()


@pytest.mark.parametrize("jobs", [-1, 2.5, "2", True])
def test_bad_jobs(out, jobs):
    with pytest.raises(ValueError, match=f"`jobs` must be a number of runs, at least 0. Received: jobs={jobs!r}"):
        run_all([Holds(1)], out, jobs=jobs)


@pytest.mark.parametrize("executor", ["dask", "tcp://127.0.0.1:8786", ThreadPoolExecutor, 2, False])
def test_bad_executors(out, executor):
    with pytest.raises(TypeError, match="`executor` must") as told:
        sweep.run_all([Holds(1)], executor, out=out, progress=False)
    assert str(told.value).endswith(f"Received: executor={executor!r}")
    assert not out.exists()


def test_run_that_cannot_reach_a_process(out, log):
    @dataclass(frozen=True)
    class Local(Toy):
        pass

    with pytest.raises(TypeError, match="runs must pickle; define their class at the top of a module"):
        run_all([Local(1, log)], out, jobs=1)
    assert run_all([Local(1, log)], out)[0]["status"] == "finished"


def test_executor_that_was_shut_down(out, log):
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        sweep.run_all([Toy(1, log)], executor, out=out, progress=False)
    assert run_all([Toy(1, log)], out)[0]["status"] == "finished"


@pytest.mark.parametrize("folder", ["file/runs", "/proc/runs"])
def test_unwritable_folder(tmp_path, log, folder):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="`out`: cannot write records in"):
        run_all([Toy(1, log)], tmp_path / folder)
    assert not starts(log)


def test_disk_that_fills_up(out, log, monkeypatch):
    failed = []

    def fsync(handle, sync=os.fsync):
        if not failed and len(list(out.glob("toys/*.json"))) == 3:
            failed.append(handle)
            raise OSError(28, "No space left on device")
        sync(handle)

    runs = [Toy(number, log) for number in range(6)]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(OSError, match=r"the sweep stopped; what finished is in .* No space left on device"):
            run_all(runs, out)
    assert len(list(out.glob("toys/*.json"))) == 4, "the run at hand had finished"
    assert len(run_all(runs, out)) == 6
    assert [number for _, number, _ in starts(log)] == list(range(6))


UNGUARDED = """
from toy_runs import Toy
from bnkeras.sweep import run_all
run_all([Toy(1, {log!r})], jobs=1, out={out!r}, progress=False)
"""
AT_THE_PROMPT = """
from toy_runs import Toy
from bnkeras.sweep import run_all
class Mine(Toy): pass
run_all([Mine(1, {log!r})], jobs=1, out={out!r}, progress=False)
"""


@dataclass(frozen=True)
class PressesCtrlC:
    """Has Ctrl-C pressed while Python is in a destructor, which drops the exception."""

    log: str
    study: ClassVar[str] = "toys"

    def train(self):
        Destroyed()
        return {"epochs": [{"epoch": 1, "loss": 1.0}]}


class Destroyed:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


@pytest.fixture
def interruptible():
    """Ctrl-C raises as at a terminal, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_no_interrupt_is_lost(out, log, capfd):
    with pytest.raises(KeyboardInterrupt):
        run_all([PressesCtrlC(log), *(Toy(number, log) for number in range(3))], out)
    assert starts(log) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert capfd.readouterr().err == ""
    assert len(run_all([Toy(number, log) for number in range(3)], out)) == 3


def test_script_without_main_guard(tmp_path, out, log):
    path = tmp_path / "script.py"
    path.write_text(UNGUARDED.format(log=log, out=str(out)))
    error = script([str(path)]).communicate(timeout=60)[1]
    assert "call it under `if __name__ == '__main__':`" in error
    assert "a worker process ended before it was ready" in error


def test_class_of_a_notebook(out, log):
    error = script(["-c", AT_THE_PROMPT.format(log=log, out=str(out))]).communicate(timeout=60)[1]
    assert "cannot load a class that is defined in a notebook or at the prompt" in error


def test_script_from_standard_input(out, log):
    process = script(["-"], stdin=subprocess.PIPE)
    error = process.communicate(UNGUARDED.format(log=log, out=str(out)), timeout=60)[1]
    assert "worker processes cannot load the main script '<stdin>'" in error


def test_key_depends_on_class_and_settings_alone(out, log):
    record = run_all([Toy(1, log)], out)[0]
    assert run_all([Toy(1, log, sizes=(1, 2))], out)[0] == record
    for other in (replace(Toy(1, log), number=2), Toy(1, log, sizes=(2, 1)), toy_runs.Toy(1, log, pause=1e-9)):
        assert run_all([other], out)[0]["key"] != record["key"]
