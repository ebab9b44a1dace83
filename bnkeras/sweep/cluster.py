"""Several hosts: the executor of a running Dask cluster."""

import warnings


def cluster_executor(address, timeout=10):
    """Connects to a Dask scheduler and returns an executor for `run_all`; use it in a `with` statement or as it is.

    Workers need `bnkeras` installed, and one thread each: `dask worker ADDRESS --nworkers N --nthreads 1`. One that has
    not imported Keras yet gets the thread settings of a local worker.

    Args:
        address: str. Scheduler, such as `"tcp://host:8786"`.
        timeout: float. Seconds to wait for its answer, and for a first worker.

    Raises:
        ImportError: `distributed` is not installed.
        ConnectionError: nothing answers at `address`.

    Warns:
        UserWarning: no worker has come; runs wait for one.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("a cluster needs `distributed`: pip install 'bnkeras[cluster]'") from error
    try:
        client = Client(address, timeout=timeout, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ConnectionError(f"address: no Dask scheduler answers at {address!r}: {error}") from error
    try:
        client.wait_for_workers(1, timeout=timeout)
    except TimeoutError:
        warnings.warn(f"the cluster at {address} has no workers yet; runs wait for the first", stacklevel=2)
    return client.get_executor(pure=False)
