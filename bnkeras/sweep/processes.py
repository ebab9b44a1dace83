"""Executors on this machine: worker processes of one thread each, or the calling process itself."""

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from multiprocessing import connection, resource_tracker

from bnkeras.sweep.environment import worker_environment

_ATTEMPTS = 3
_WORKER = "BNKERAS_SWEEP_WORKER"
_starting = threading.Lock()


def in_worker():
    """Returns whether this is a process of `Processes`."""
    return _WORKER in os.environ


class WorkerDiedError(RuntimeError):
    """The process of a run ended before it answered, `_ATTEMPTS` times."""


class _InProcess(Executor):
    def submit(self, function, /, *args):
        future = Future()
        future.set_result(function(*args))
        return future


@contextlib.contextmanager
def in_process():
    """Yields an executor that calls at once, in this thread; with a worker's settings if Keras is not imported yet."""
    late = {"keras", "tensorflow", "jax"} & sys.modules.keys()
    late = late or threading.current_thread() is not threading.main_thread()
    with _environment({} if late else worker_environment()):
        yield _InProcess()


class Processes(ThreadPoolExecutor):
    """Spawned processes of one thread each, each driven by a thread of its own.

    A call whose process dies, for want of memory for example, is tried again in a new process and harms no other
    call. Workers end when their parent does, however it ends; leaving the `with` statement ends them at once.

    Args:
        jobs: int. Number of processes; each starts with the first call that finds no other idle.
    """

    def __init__(self, jobs):
        if in_worker():
            raise RuntimeError(
                "run_all was called while a worker process loads the main script; call it under "
                "`if __name__ == '__main__':`"
            )
        resource_tracker.ensure_running()  # its start would let interrupts through in the thread that needs it first
        super().__init__(jobs, initializer=_hold_interrupts)
        self._mine, self._workers, self._stopped = threading.local(), [], False

    def submit(self, function, /, *args):
        """Schedules `function(*args)` in a worker process."""
        return super().submit(self._call, function, args)

    def __exit__(self, *exception):
        with _starting:
            self._stopped = True
            for worker in self._workers:
                worker.process.kill()
        self.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.close()

    def _call(self, function, args):
        for _ in range(_ATTEMPTS):
            worker = self._worker()
            try:
                worker.pipe.send((function, args))
                answer, problem = worker.pipe.recv()
            except (EOFError, OSError):
                self._mine.worker = None
                continue
            if problem:
                raise RuntimeError(problem)
            return answer
        raise WorkerDiedError(f"the worker process died {_ATTEMPTS} times, last with {worker.last_words()}")

    def _worker(self):
        """Returns the worker of this thread, started where there is none."""
        if not getattr(self._mine, "worker", None):
            with _starting:
                if self._stopped:
                    raise BrokenExecutor("the sweep was stopped")
                self._mine.worker = _Worker()
                self._workers.append(self._mine.worker)
            self._mine.worker.wait_until_ready()
        return self._mine.worker


def _hold_interrupts():
    """Keeps Ctrl-C from the processes that this thread starts: the sweep ends them."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


class _Worker:
    """One spawned process, the pipe to it, and a file of what its libraries write."""

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.log = tempfile.NamedTemporaryFile(delete=False)  # noqa: SIM115 - the worker deletes its name
        self.process = context.Process(target=_serve, args=(theirs, self.log.name), daemon=True)
        with _environment({**worker_environment(), _WORKER: "1"}):
            self.process.start()
        theirs.close()

    def wait_until_ready(self):
        try:
            self.pipe.recv()
        except (EOFError, OSError):
            os.unlink(self.log.name)
            raise BrokenExecutor(
                f"a worker process ended before it was ready ({self.last_words()}); its own message says why"
            ) from None

    def last_words(self):
        """Waits for the end of the process and returns its exit code and what its libraries wrote last."""
        self.process.join()
        lines = self.log.read().decode(errors="replace").splitlines()[-5:]
        return "\n".join([f"exit code {self.process.exitcode}", *lines])

    def close(self):
        self.process.join()
        self.log.close()
        self.pipe.close()


@contextlib.contextmanager
def _environment(values):
    """Inside, these variables are set, for libraries that are imported and processes that start."""
    before = {name: os.environ[name] for name in values if name in os.environ}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]
        os.environ.update(before)


def _serve(pipe, log):
    """Answers calls until the parent ends. What libraries write past Python goes to `log`; Python keeps stderr."""
    from tqdm import tqdm

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stderr = open(os.dup(2), "w", buffering=1, closefd=False)  # noqa: SIM115
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), 2)
    os.unlink(log)
    # Keras and TensorFlow are a million objects that stay; the default looks through them again and again.
    gc.set_threshold(100_000, 50, 50)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    tqdm.set_lock(threading.RLock())  # its own lock has a name, which a worker that is killed would leave behind
    with contextlib.suppress(OSError):  # of the pipe, whose other end the parent took along
        pipe.send("ready")
        while True:
            pipe.send(_answer(pipe))
            gc.collect()


def _answer(pipe):
    """Takes a call from the pipe and returns `(answer, problem)`."""
    try:
        function, args = pipe.recv()
        return function(*args), None
    except EOFError:
        sys.exit()
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


def _end_with_parent():
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
