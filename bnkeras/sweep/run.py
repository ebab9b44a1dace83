"""The sweep itself: which runs are left, which are in flight, what has come back."""

import contextlib
import signal
import sys
import threading
import time
from collections import Counter, deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, wait

from bnkeras.sweep.environment import most_workers
from bnkeras.sweep.keys import check_spawnable, keyed
from bnkeras.sweep.processes import Processes, in_process
from bnkeras.sweep.records import execute, failed, now
from bnkeras.sweep.store import Store

_POLL = 0.2  # seconds between looks at what another sweep has in progress, and for an interrupt that was dropped
_IN_FLIGHT = 128  # submitted at once to an executor whose size is unknown


def run_all(runs, executor=None, jobs=None, out="data/runs", progress=True):
    """Trains each run once and returns their records, reusing those that are in `out` already.

    A run is an instance of a frozen dataclass, defined at the top of a module, whose fields are its settings and whose
    `train()` returns a dict of tables, lists of flat rows, `"epochs"` among them, and of scalars that hold for the
    whole run, such as its data's `"source"`.

    A record is a dict of `key`, `run` (its class), `settings`, `data_sha256` (of the data set that a setting `data`
    names, else None), `status` ("finished"; "diverged" where a number in `"epochs"` is not finite; "failed"), `error`
    (None, or `type`, `message` and `traceback`), `tables`, `scalars`, `environment`, `seconds` (wall time of the run)
    and `started` (UTC). It is written as its run finishes, to `out/<study>/<key>.json`, with `study` the class
    attribute of that name or the class's name. The key is that of class, settings and data alone: delete the folder
    when code that matters changed.

    Called again, also after a kill, it trains what is missing, failed or, with a warning, not as it was written. Sweeps
    that share a folder share the work. Ctrl-C ends the workers, keeps what finished and raises `KeyboardInterrupt`.

    Args:
        runs: iterable of runs, all different.
        executor: `concurrent.futures.Executor`, such as `cluster_executor` returns. By default processes on this
            machine, of one thread each, whose death costs no other run; after three deaths a run is recorded as failed.
        jobs: int. Runs in flight at once; by default, and at most, as many as cores and free memory allow, or 128 with
            an executor. 0 trains in this process, which gets a worker's threads where Keras is not imported yet.
        out: str or path of the folder of records.
        progress: bool. Whether to show a bar.

    Returns:
        List of records in the order of `runs`.

    Raises:
        TypeError, ValueError: a run is no such dataclass, appears twice or cannot reach a process, its data set cannot
            be loaded, `executor` is no executor, or `jobs` is invalid.
        OSError: `out` cannot be written, or the disk is full; all that finished is kept.
        RuntimeError: the executor takes no more runs, or the workers cannot start.
    """
    from tqdm.auto import tqdm

    _check_executor(executor)
    jobs = _checked_jobs(jobs, executor)
    with _one_interrupt() as interrupted:
        tasks = keyed(runs)
        if executor is None and jobs:
            check_spawnable([run for run, _ in tasks.values()])
        with (
            contextlib.closing(Store(out, tasks)) as store,
            tqdm(total=len(tasks), unit="run", disable=not progress) as bar,
            _entered(executor, jobs) as executor,
        ):
            return _Sweep(tasks, store, bar, interrupted).complete(executor, max(jobs, 1))


def finished(runs, out="data/runs"):
    """Returns the records of those runs that have finished, in their order, and trains nothing; see `run_all`."""
    tasks = keyed(runs)
    with contextlib.closing(Store(out, tasks)) as store:
        records = [store.load(key) for key in tasks]
    return [record for record in records if record and record["status"] != "failed"]


def _check_executor(executor):
    if not isinstance(executor, Executor | None):
        expected = "a `concurrent.futures.Executor`, such as `cluster_executor(address)` returns"
        raise TypeError(f"`executor` must be {expected}. Received: {executor=}")


def _checked_jobs(jobs, executor):
    most, least = (most_workers(), 0) if executor is None else (_IN_FLIGHT, 1)
    if jobs is None:
        return most
    if not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < least:
        raise ValueError(f"`jobs` must be a number of runs, at least {least}. Received: {jobs=}")
    return min(jobs, most) if executor is None else jobs


def _entered(executor, jobs):
    if executor is not None:
        return contextlib.nullcontext(executor)
    return Processes(jobs) if jobs else in_process()


@contextlib.contextmanager
def _one_interrupt():
    """Yields an event that the first Ctrl-C sets. It also raises `KeyboardInterrupt`; later ones disturb no leaving.

    The exception alone is not enough: raised while Python is in a destructor, it is dropped.
    """
    interrupted = threading.Event()

    def interrupt(number, frame):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        interrupted.set()
        raise KeyboardInterrupt

    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupted
        return
    signal.signal(signal.SIGINT, interrupt)
    with _without_words_of_dropped_interrupts():
        try:
            yield interrupted
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def _without_words_of_dropped_interrupts():
    hook = sys.unraisablehook

    def quiet(unraisable):
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            hook(unraisable)

    sys.unraisablehook = quiet
    try:
        yield
    finally:
        sys.unraisablehook = hook


class _Sweep:
    """Bookkeeping of one call of `run_all`."""

    def __init__(self, tasks, store, bar, interrupted):
        self.tasks, self.store, self.bar, self.interrupted = tasks, store, bar, interrupted
        self.begin = now()
        self.left, self.flying, self.records = deque(tasks), {}, {}

    def complete(self, executor, jobs):
        """Trains what is left, at most `jobs` at once, and returns the records."""
        try:
            while self.left or self.flying:
                if self.interrupted.is_set():
                    raise KeyboardInterrupt
                self.dispatch(executor, jobs)
                for future in wait(self.flying, _POLL, FIRST_COMPLETED).done:
                    self.finish(future)
                if self.left and not self.flying:
                    time.sleep(_POLL)
        finally:
            self.abandon()
        return [self.records[key] for key in self.tasks]

    def dispatch(self, executor, jobs):
        """Submits runs while there is room; those that another sweep has claimed stay in `left`."""
        for _ in range(len(self.left)):
            if len(self.flying) == jobs:
                return
            key = self.left.popleft()
            if not self.store.claim(key):
                self.left.append(key)
                continue
            record = self.store.load(key)
            if record and (record["status"] != "failed" or record["started"] >= self.begin):
                self.keep(record)
            else:
                self.flying[executor.submit(execute, *self.tasks[key])] = key

    def finish(self, future):
        """Writes the record of a future that is done."""
        _, head = self.tasks[self.flying[future]]
        record = _answer(future, head)
        self.store.save(record)
        del self.flying[future]
        self.keep(record)

    def keep(self, record):
        """Adds a record to those that are returned and to the bar, and gives the claim on its run back."""
        self.records[record["key"]] = record
        self.store.release(record["key"])
        self.bar.set_postfix(Counter(record["status"] for record in self.records.values()), refresh=False)
        self.bar.update()

    def abandon(self):
        """Leaves in order when interrupted: keeps what has finished, cancels the rest."""
        for future in list(self.flying):
            if not future.cancel() and future.done():
                with contextlib.suppress(OSError, RuntimeError):
                    self.finish(future)


def _answer(future, head):
    try:
        return future.result()
    except (BrokenExecutor, CancelledError) as error:
        raise RuntimeError(f"the executor broke off ({error!r}); what finished is kept, run again to go on") from error
    except Exception as error:
        return failed(head, error)
