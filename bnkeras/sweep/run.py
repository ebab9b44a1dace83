"""The sweep itself: which runs are left, which are in flight, what has come back."""

import contextlib
import time
from collections import Counter, deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, wait

from bnkeras.sweep.execute import available_cores, described, execute, new_task, outcome
from bnkeras.sweep.keys import check_spawnable, keyed, run_name, settings
from bnkeras.sweep.processes import InProcess, Processes
from bnkeras.sweep.store import Store

_POLL = 0.2  # seconds between looks at runs that another sweep has in progress
_IN_FLIGHT = 128  # submitted at once to an executor whose size is unknown


def run_all(runs, executor=None, jobs=None, out="data/runs", progress=True):
    """Trains each run once and returns their records, reusing those that are in `out` already.

    A run is an instance of a frozen dataclass, defined at the top of a module, whose fields are its settings and whose
    `train()` returns a dict of tables: a list of flat rows under `"epochs"`, one per epoch, and any others by name.
    `"diverged": True` among them, or a loss in `"epochs"` that is not finite, marks a diverged run. Where runs have an
    attribute `cost`, the dearest start first.

    A record is a dict of `key`, `run` (its class), `settings`, `status` ("finished", "diverged" or "failed"), `error`
    (None, or `type`, `message` and `traceback`), `tables`, `environment`, `seconds` (`total`, and of the rows' column
    `seconds` the `first_epoch`, which compiles, and the `rest`) and `started` (UTC).

    Each record is written as its run finishes, to `out/<study>/<key>.json`, with `study` the class attribute of that
    name or the class's name, and a key of class and settings alone: delete the folder when code that matters changed.
    Called again, also after a kill, it trains what is missing or failed. Sweeps that share a folder share the work.

    Args:
        runs: iterable of runs, all different.
        executor: `concurrent.futures.Executor`, such as `dask.distributed.Client(...).get_executor(pure=False)`. By
            default processes on this machine, of one thread each, whose death costs no other run; a run is given up
            as failed when its process has died three times.
        jobs: int. Runs in flight at once; 0 trains in this process. Defaults to the number of cores, or to 128 with an
            executor.
        out: str or path of the folder of records.
        progress: bool. Whether to show a bar.

    Returns:
        List of records in the order of `runs`.

    Raises:
        TypeError, ValueError: a run is no such dataclass, appears twice or cannot reach a process; `jobs` is invalid.
        OSError: `out` cannot be written, or the disk is full; all that finished is kept.
        RuntimeError: the executor takes no more runs, or the workers cannot start.
    """
    runs = keyed(runs)
    jobs = _checked_jobs(jobs, executor)
    if executor is None and jobs:
        check_spawnable(runs.values())
    with contextlib.closing(Store(out, runs)) as store, _bar(len(runs), progress) as bar:
        sweep = _Sweep(runs, store, bar)
        if sweep.left:
            with _own(jobs) if executor is None else contextlib.nullcontext(executor) as executor:
                sweep.complete(executor, max(jobs, 1))
    return [sweep.records[key] for key in runs]


def _checked_jobs(jobs, executor):
    if jobs is None:
        return available_cores() if executor is None else _IN_FLIGHT
    if not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < (executor is not None):
        raise ValueError(f"jobs must be a number of runs, at least {int(executor is not None)}, got {jobs!r}")
    return jobs


@contextlib.contextmanager
def _own(jobs):
    executor = Processes(jobs) if jobs else InProcess()
    try:
        yield executor
    finally:
        executor.kill()


def _bar(total, progress):
    if not progress:
        return contextlib.nullcontext()
    from tqdm.auto import tqdm

    return tqdm(total=total, unit="run")


class _Sweep:
    """Bookkeeping of one call of `run_all`."""

    def __init__(self, runs, store, bar):
        self.runs, self.store, self.bar = runs, store, bar
        self.records, self.flying, self.stale = {}, {}, {}
        self.counts = Counter()
        self.left = deque()
        for key in sorted(runs, key=lambda key: -getattr(runs[key], "cost", 0)):
            record = store.load(key)
            if record and record["status"] != "failed":
                self.keep(record)
            else:
                self.stale[key] = record
                self.left.append(key)

    def complete(self, executor, jobs):
        """Trains what is left, at most `jobs` at once."""
        try:
            while self.left or self.flying:
                self.dispatch(executor, jobs)
                full = len(self.flying) == jobs or not self.left
                for future in self.landed(None if full else _POLL):
                    self.finish(future)
        finally:
            self.abandon()

    def dispatch(self, executor, jobs):
        """Submits runs while there is room; those that another sweep has claimed stay in `left`."""
        for _ in range(len(self.left)):
            if len(self.flying) == jobs:
                return
            key = self.left.popleft()
            if not self.store.claim(key):
                self.left.append(key)
            elif (record := self.store.load(key)) and record != self.stale[key]:
                self.store.release(key)
                self.keep(record)
            else:
                self.flying[_submit(executor, self.runs[key])] = key

    def landed(self, timeout):
        """Returns the futures that are done, after at most `timeout` seconds."""
        if self.flying:
            return wait(self.flying, timeout, FIRST_COMPLETED).done
        if self.left:
            time.sleep(timeout)
        return ()

    def finish(self, future):
        """Writes the record of a future that is done."""
        key = self.flying[future]
        run = self.runs[key]
        head = {"key": key, "run": run_name(run), "settings": settings(run)}
        try:
            self.keep(self.store.save(key, {**head, **_outcome(future)}))
        except OSError:
            del self.flying[future]
            raise
        del self.flying[future]
        self.store.release(key)

    def keep(self, record):
        """Adds a record to those that are returned, and to the bar."""
        self.records[record["key"]] = record
        if self.bar is not None:
            self.counts[record["status"]] += 1
            self.bar.set_postfix(self.counts, refresh=False)
            self.bar.update()

    def abandon(self):
        """Leaves in order when interrupted: keeps what has finished, cancels the rest."""
        for future in list(self.flying):
            if not future.cancel() and future.done():
                with contextlib.suppress(OSError, RuntimeError):
                    self.finish(future)


def _submit(executor, run):
    try:
        return executor.submit(execute, run, new_task())
    except RuntimeError as error:
        raise RuntimeError(f"the executor takes no runs ({error}); what finished is kept") from error


def _outcome(future):
    try:
        return future.result()
    except (BrokenExecutor, CancelledError) as error:
        raise RuntimeError(f"the executor broke off ({error!r}); what finished is kept, run again to go on") from error
    except Exception as error:
        return outcome("failed", described(error))
