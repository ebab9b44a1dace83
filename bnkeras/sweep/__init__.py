"""Many runs, on this machine's cores or on a cluster, each trained once and kept.

`run_all` trains a list of runs and returns their records; `tables` turns records into tidy data frames;
`cluster_executor` connects to a Dask cluster. Importing this module imports neither Keras nor pandas.
"""

from bnkeras.sweep.cluster import cluster_executor
from bnkeras.sweep.frames import tables
from bnkeras.sweep.run import run_all

__all__ = ["cluster_executor", "run_all", "tables"]

from bnkeras.sweep.common_old import start_keras
