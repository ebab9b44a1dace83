"""Executors on this machine: single-threaded worker processes, or the calling process itself."""

import contextlib
import gc
import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import sys
import tempfile
import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor

from bnkeras.sweep.execute import worker_environment

_ATTEMPTS = 3
_WORKER = "BNKERAS_SWEEP_WORKER"
_starting = threading.Lock()


def in_worker():
    """Returns whether this is a process of `Processes`."""
    return _WORKER in os.environ


class WorkerDiedError(RuntimeError):
    """The process of a run ended before it answered, `_ATTEMPTS` times."""


class InProcess(Executor):
    """Calls at once, in the calling thread: for debugging, and for runs defined in a notebook."""

    def submit(self, function, /, *args):
        """Returns a future that is done."""
        future = Future()
        future.set_result(function(*args))
        return future

    def kill(self):
        """Does nothing."""


class Processes(ThreadPoolExecutor):
    """Spawned processes of one thread each, each driven by a thread of its own.

    A call whose process dies, for want of memory for example, is tried again in a new process and harms no other
    call. Workers end when their parent does, however it ends.

    Args:
        jobs: int. Number of processes.
    """

    def __init__(self, jobs):
        if os.environ.get(_WORKER):
            raise RuntimeError(
                "run_all was called while a worker process loads the main script; call it under "
                "`if __name__ == '__main__':`"
            )
        super().__init__(jobs)
        self._idle = queue.SimpleQueue()
        self._workers = []
        self._killed = False

    def submit(self, function, /, *args):
        """Schedules `function(*args)` in a worker process."""
        return super().submit(self._call, function, args)

    def kill(self):
        """Ends all workers at once, whatever they do."""
        with _starting:
            self._killed = True
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
                words = worker.last_words()
                continue
            self._idle.put(worker)
            if problem:
                raise RuntimeError(problem)
            return answer
        raise WorkerDiedError(f"the worker process died {_ATTEMPTS} times, last with {words}")

    def _worker(self):
        with contextlib.suppress(queue.Empty):
            return self._idle.get_nowait()
        with _starting:
            if self._killed:
                raise BrokenExecutor("the sweep was stopped")
            worker = _Worker()
            self._workers.append(worker)
        worker.wait_until_ready()
        return worker


class _Worker:
    """One spawned process and the pipe to it. Its environment must be right before it imports anything."""

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        log, self.log_name = tempfile.mkstemp()
        self.log = open(log, "rb")  # noqa: SIM115
        self.process = context.Process(target=_serve, args=(theirs, self.log_name), daemon=True)
        with _environment({**worker_environment(), _WORKER: "1"}):
            self.process.start()
        theirs.close()

    def wait_until_ready(self):
        try:
            self.pipe.recv()
        except (EOFError, OSError):
            raise BrokenExecutor(
                f"a worker process ended before it was ready ({self.last_words()}); its own message says why"
            ) from None
        finally:
            os.unlink(self.log_name)

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
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(pipe, log):
    """Answers calls until the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _divert_libraries(log)
    # Keras and TensorFlow are a million objects that stay; the default looks through them again and again.
    gc.set_threshold(100_000, 50, 50)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pipe.send("ready")
    while True:
        try:
            function, args = pipe.recv()
            answer = function(*args), None
        except EOFError:
            sys.exit()
        except Exception as error:
            answer = None, f"{type(error).__name__}: {error}"
        pipe.send(answer)
        gc.collect()
        gc.freeze()


def _divert_libraries(log):
    """Sends to a file what libraries write past Python, such as TensorFlow's start-up lines; Python keeps stderr."""
    sys.stderr = open(os.dup(2), "w", buffering=1, closefd=False)  # noqa: SIM115
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 2)
    os.close(file)


def _end_with_parent():
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
