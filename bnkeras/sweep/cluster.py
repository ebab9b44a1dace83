"""Several hosts: the executor of a running Dask cluster."""

import asyncio
import logging
import pickle
import warnings
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor

from bnkeras.sweep.environment import versions, worker_environment


class ClusterError(ConnectionError):
    """A cluster that cannot be used: nothing answers, or a worker is not like this process. The message is one line."""


def cluster_executor(address, timeout=4):
    """Connects to a Dask scheduler and returns an executor for `run_all`; use it in a `with` statement or as it is.

    Workers need the versions of `bnkeras`, Keras and its backend that this process has, and one thread each:
    `dask worker ADDRESS --nworkers N --nthreads 1`. One that has not imported Keras yet gets the thread settings and
    the backend of a local worker. A worker that comes later and differs fails the runs that it is given.

    Args:
        address: str. Scheduler, such as `"tcp://host:8786"`.
        timeout: float. Seconds to wait for the scheduler's answer, and for a first worker.

    Raises:
        ClusterError: `distributed` is not installed, nothing answers at `address`, or a worker lacks `bnkeras` or has
            other versions; the message names it.

    Warns:
        UserWarning: no worker has come; runs wait for one.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ClusterError("a cluster needs `distributed`: pip install 'bnkeras[cluster]'") from error
    _check_scheduler(address, timeout)
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # it logs what it raises, with a traceback
    client = Client(address, timeout=timeout, set_as_default=False)
    try:
        client.wait_for_workers(1, timeout=timeout)
    except TimeoutError:
        warnings.warn(f"the cluster at {address} has no workers yet; runs wait for the first", stacklevel=2)
    remote = _remote(versions(), worker_environment())
    answers = client.run(remote, pickle.dumps((versions, ())), on_error="return")
    refusals = [f"{worker}: {answer}" for worker, answer in answers.items() if isinstance(answer, Exception)]
    if refusals:
        client.close()
        raise ClusterError("; ".join(refusals))
    return _ClusterExecutor(client, remote)


def _check_scheduler(address, timeout):
    """Raises where no scheduler answers in time; a `Client` waits without end for a server that is silent."""
    from distributed import rpc

    async def identity():
        async with rpc(address) as scheduler:
            await asyncio.wait_for(scheduler.identity(), timeout)

    try:
        with ThreadPoolExecutor(1) as thread:  # a notebook has a loop of its own in this one
            thread.submit(asyncio.run, identity()).result()
    except Exception as error:
        raise ClusterError(f"no Dask scheduler answers. Received: {address=} ({error!r})") from error


def _remote(expected, environment):
    """Returns a function that makes a pickled call in a worker that is like this process, else raises.

    It is defined inside, so that Dask sends it whole: it must run where `bnkeras` is missing.
    """

    def remote(pickled):
        import os
        import pickle
        import platform
        import sys

        if not {"keras", "tensorflow", "jax"} & sys.modules.keys():
            os.environ.update(environment)
        try:
            from bnkeras.sweep.environment import versions

            found = versions()
        except ImportError as error:
            found = {"bnkeras": str(error)}
        if found != expected:
            worker = f"the worker process {os.getpid()} on {platform.node()}"
            raise RuntimeError(f"{worker} has the versions {found}, the sweep needs {expected}")
        function, args = pickle.loads(pickled)
        return function(*args)

    return remote


class _ClusterExecutor(Executor):
    """Calls by a Dask client; unlike its own executor, it lets nobody wait when the scheduler dies."""

    def __init__(self, client, remote):
        self._client, self._remote = client, remote

    def submit(self, function, /, *args):
        theirs, ours = self._client.submit(self._remote, pickle.dumps((function, args)), pure=False), Future()

        def settle(theirs):
            if not ours.set_running_or_notify_cancel():
                return
            try:
                ours.set_result(theirs.result())
            except (OSError, CancelledError) as error:
                ours.set_exception(BrokenExecutor(f"the scheduler is gone: {error!r}"))
            except Exception as error:
                ours.set_exception(error)

        theirs.add_done_callback(settle)
        ours.add_done_callback(lambda ours: ours.cancelled() and theirs.cancel())
        return ours

    def shutdown(self, wait=True, *, cancel_futures=False):
        self._client.close()
