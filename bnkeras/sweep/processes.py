"""Executors on this machine: single-threaded worker processes, or the calling process itself."""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import sys
import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor

from bnkeras.sweep.execute import worker_environment

_ATTEMPTS = 3
_WORKER = "BNKERAS_SWEEP_WORKER"
_starting = threading.Lock()


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

    def _call(self, function, args):
        for _ in range(_ATTEMPTS):
            worker = self._worker()
            try:
                worker.pipe.send((function, args))
                answer, problem = worker.pipe.recv()
            except (EOFError, OSError):
                code = worker.exit_code()
                continue
            self._idle.put(worker)
            if problem:
                raise RuntimeError(problem)
            return answer
        raise WorkerDiedError(f"the worker process died {_ATTEMPTS} times, last with exit code {code}")

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
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _environment({**worker_environment(), _WORKER: "1"}):
            self.process.start()
        theirs.close()

    def wait_until_ready(self):
        try:
            self.pipe.recv()
        except (EOFError, OSError):
            raise BrokenExecutor(
                f"a worker process ended before it was ready (exit code {self.exit_code()}); its own message says why"
            ) from None

    def exit_code(self):
        self.process.join()
        return self.process.exitcode


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


def _serve(pipe):
    """Answers calls until the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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


def _end_with_parent():
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
