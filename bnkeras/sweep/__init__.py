"""Many runs, on this machine's cores or on a cluster, each trained once and kept.

`run_all` trains a list of runs and returns their records; `finished` reads those that there are; `tables` turns records
into tidy data frames; `cluster_executor` connects to a Dask cluster; `start_keras` is what a run's `train` calls before
it uses Keras.
Importing this module imports neither Keras nor pandas.
"""

from bnkeras.sweep.cluster import ClusterError, cluster_executor
from bnkeras.sweep.frames import tables
from bnkeras.sweep.run import finished, run_all
from bnkeras.sweep.start import start_keras

__all__ = ["ClusterError", "cluster_executor", "finished", "run_all", "start_keras", "tables"]
