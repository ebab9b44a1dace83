"""A Dask cluster of processes that tests start, break and kill."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parent


def python_path(*folders):
    """Returns an environment in which Python finds `bnkeras`, the toy runs and, before them, `folders`."""
    paths = [*map(str, folders), str(TESTS.parent), str(TESTS)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def start_with(folder, code):
    """Returns an environment whose Python processes begin with `code`."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    return python_path(folder)


NO_BNKERAS = "import sys; sys.modules['bnkeras'] = None"
OLD_KERAS = """
from importlib import metadata
version = metadata.version
metadata.version = lambda name: "3.0.0" if name == "keras" else version(name)
"""


class Cluster:
    """A scheduler at `address`, and workers of one thread each."""

    def __init__(self, folder):
        self.file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard")
        self.workers = []
        while not self.file.exists() or not self.file.read_text():
            time.sleep(0.05)
        self.address = json.loads(self.file.read_text())["address"]

    def add_worker(self, environment=None):
        """Starts a worker and waits until the scheduler knows it."""
        from distributed import Client

        self.workers.append(self._start("worker", "--nthreads", "1", "--no-dashboard", environment=environment))
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(sum(worker.poll() is None for worker in self.workers), timeout=60)

    def remove_worker(self, index=-1):
        """Ends a worker and waits for its end."""
        self.workers[index].terminate()
        self.workers.pop(index).wait(30)

    def _start(self, kind, *options, environment=None):
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", str(self.file), *options]
        environment = {**(environment or python_path()), "PYTHONWARNINGS": "default"}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=environment, **quiet)


@contextlib.contextmanager
def cluster(folder, workers=2):
    """Yields a `Cluster` with some workers and ends it."""
    folder.mkdir(exist_ok=True)
    result = Cluster(folder)
    try:
        for _ in range(workers):
            result.add_worker()
        yield result
    finally:
        for process in [*result.workers, result.scheduler]:
            process.terminate()
        for process in [*result.workers, result.scheduler]:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()
