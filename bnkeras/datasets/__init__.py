"""Data sets by name: `load("mnist")` finds a local copy, downloads one, or says which file to provide and where."""

from bnkeras.datasets.common import DataError, SplitData, TableData, data_folder
from bnkeras.datasets.folders import load_folder
from bnkeras.datasets.loading import load, names
from bnkeras.datasets.preparing import prepared, prepared_table
from bnkeras.datasets.standardizing import standardized
from bnkeras.datasets.subsets import subset
from bnkeras.datasets.tables import mean_correlation, standardize, stratified_split, transform

__all__ = ["DataError", "SplitData", "TableData", "data_folder", "load", "load_folder", "mean_correlation", "names"]
__all__ += ["prepared", "prepared_table", "standardize", "standardized", "stratified_split", "subset", "transform"]
