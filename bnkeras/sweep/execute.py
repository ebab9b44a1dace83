"""One run, trained in whichever process this is, and what is recorded of it."""

import importlib.metadata
import math
import os
import platform
import sys
import time
import traceback
import uuid
from datetime import UTC, datetime
from pathlib import Path

import bnkeras
from bnkeras.sweep.jsonable import scalar

THREADS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "NPROC": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}
"""Environment of a worker: one thread each, and a GPU's memory taken only as needed."""

_XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
_PROCESS = uuid.uuid4().hex


def worker_environment(backend=None):
    """Returns `THREADS`, added to the XLA flags there are, and the backend to use, by default the caller's."""
    flags = os.environ.get("XLA_FLAGS", "")
    result = {**THREADS, "XLA_FLAGS": flags if _XLA_FLAGS in flags else f"{flags} {_XLA_FLAGS}".strip()}
    return {**result, "KERAS_BACKEND": backend} if (backend := backend or _backend()) else result


def new_task():
    """Returns what `execute` needs to know of its caller, with a label that no other task has."""
    return {"label": uuid.uuid4().hex, "process": _PROCESS, "backend": _backend()}


def execute(run, task):
    """Trains a run and returns its outcome, the part of a record that the settings do not say.

    An exception becomes an outcome of status "failed". In a process other than the one that asked, such as a worker of
    a cluster, the thread settings are made unless Keras is there already.
    """
    if task["process"] != _PROCESS and not {"keras", "tensorflow", "jax"} & sys.modules.keys():
        os.environ.update(worker_environment(task["backend"]))
    started, begin = datetime.now(UTC).isoformat(timespec="milliseconds"), time.perf_counter()
    tables, error, diverged = {}, None, False
    try:
        tables = dict(run.train())
        diverged = bool(tables.pop("diverged", False))
        scalars = {k: v for k, v in tables.items() if not isinstance(v, (list, tuple))}
        tables = {k: [{**row, **scalars} for row in v] for k, v in tables.items() if isinstance(v, (list, tuple))}
        tables = checked_tables(tables)
    except (Exception, SystemExit) as exception:
        tables, error = {}, described(exception)
    status = "failed" if error else "diverged" if diverged or _has_bad_loss(tables["epochs"]) else "finished"
    seconds = _seconds(time.perf_counter() - begin, tables.get("epochs", []))
    return outcome(status, error, tables, environment(), seconds, started)


def outcome(status, error=None, tables=None, environment=None, seconds=None, started=None):
    """Returns the part of a record that training decides, also for a run whose worker never answered."""
    return {
        "status": status,
        "error": error,
        "tables": tables or {},
        "environment": environment or {},
        "seconds": seconds or {"total": None, "first_epoch": None, "rest": None},
        "started": started,
    }


def described(exception):
    """Returns an exception as a dict of `type`, `message` and the last frames of its `traceback`."""
    frames = traceback.format_exception(exception)
    return {"type": type(exception).__name__, "message": str(exception), "traceback": "".join(frames[-6:])}


def checked_tables(tables):
    """Returns what `train` gave with plain Python scalars in its rows; raises where it is no dict of lists of rows."""
    if "epochs" not in tables:
        raise TypeError(f"`train` must return a dict with a list of rows under 'epochs', got keys {list(tables)}")
    result = {}
    for name, rows in tables.items():
        if not isinstance(rows, (list, tuple)) or not all(isinstance(row, dict) for row in rows):
            raise TypeError(f"`train` must return lists of dicts, got {name!r} of type {type(rows).__name__}")
        result[str(name)] = [{str(column): scalar(value) for column, value in row.items()} for row in rows]
    return result


def _has_bad_loss(rows):
    return any("loss" in column and not math.isfinite(_number(row[column])) for row in rows for column in row)


def _number(value):
    return value if isinstance(value, (int, float)) else 0.0


def _seconds(total, rows):
    epochs = [row["seconds"] for row in rows if row.get("seconds") is not None]
    first = epochs[0] if epochs else None
    return {"total": total, "first_epoch": first, "rest": sum(epochs[1:]) if epochs else None}


def environment():
    """Returns versions, backend, device and threads of this process; None for what Keras would say where not loaded."""
    keras, backend = sys.modules.get("keras"), _backend()
    return {
        "python": platform.python_version(),
        "bnkeras": bnkeras.__version__,
        "numpy": importlib.metadata.version("numpy"),
        "keras": keras.__version__ if keras else None,
        "backend": backend,
        "backend_version": getattr(sys.modules.get(backend), "__version__", None),
        "device": _device(backend),
        "processor": _processor(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0] or available_cores()),
    }


def available_cores():
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _backend():
    return sys.modules["keras"].config.backend() if "keras" in sys.modules else os.environ.get("KERAS_BACKEND")


def _device(backend):
    if "keras" not in sys.modules:
        return None
    if backend == "jax":
        return sys.modules["jax"].devices()[0].device_kind
    if backend == "tensorflow":
        config = sys.modules["tensorflow"].config
        for gpu in config.list_physical_devices("GPU"):
            return config.experimental.get_device_details(gpu).get("device_name", "GPU")
    return "cpu"


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
