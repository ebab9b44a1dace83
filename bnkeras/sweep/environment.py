"""What a process has and may use: versions, backend, device, threads, cores, memory."""

import math
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import bnkeras
from bnkeras.devices import backend

_XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
_WORKER_MEMORY = 1 << 30  # bytes that a worker with Keras, a compiled model and a data set takes


def worker_environment():
    """Returns the variables of a worker: one thread, a GPU's memory only as needed, and this process's backend."""
    flags = os.environ.get("XLA_FLAGS", "")
    return {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "NPROC": "1",
        "XLA_FLAGS": flags if _XLA_FLAGS in flags else f"{flags} {_XLA_FLAGS}".strip(),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "KERAS_BACKEND": backend(),
    }


def versions():
    """Returns the installed versions of what decides a run's numbers, by name; None for what is not installed."""
    return {"bnkeras": bnkeras.__version__, **{name: _version(name) for name in ("keras", backend())}}


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def environment():
    """Returns versions, backend, device and threads of this process; None for what Keras would say where not loaded."""
    keras, name = sys.modules.get("keras"), backend()
    threads = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return {
        "python": platform.python_version(),
        "bnkeras": bnkeras.__version__,
        "numpy": metadata.version("numpy"),
        "keras": keras.__version__ if keras else None,
        "backend": name,
        "backend_version": getattr(sys.modules.get(name), "__version__", None),
        "device": _device(name) if keras else None,
        "processor": _said_by("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "threads": int(threads) if threads.isdigit() else available_cores(),
    }


def _device(name):
    if name == "jax":
        return sys.modules["jax"].devices()[0].device_kind
    config = getattr(sys.modules.get("tensorflow"), "config", None)
    for gpu in config.list_physical_devices("GPU") if name == "tensorflow" else ():
        return config.experimental.get_device_details(gpu).get("device_name", "GPU")
    return "cpu"


def _said_by(path, name):
    """Returns what a file of Linux's `/proc` says after `name:`; None where there is no such file or line."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), None)


def available_cores():
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def most_workers():
    """Returns how many workers cores and free memory allow, at least one."""
    return int(max(1, min(available_cores(), free_memory() // _WORKER_MEMORY)))


def free_memory():
    """Returns the bytes that Linux has free for new programs, at most a container's limit; infinity elsewhere."""
    available = _said_by("/proc/meminfo", "MemAvailable")
    free = int(available.split()[0]) * 1024 if available else math.inf
    try:
        return min(free, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no container, or one whose limit is the word "max"
        return free
