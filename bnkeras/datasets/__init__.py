"""Data sets by name: `load("mnist")` finds a local copy, downloads one, or says which file to provide and where."""

from bnkeras.datasets.common import DataError, SplitData, TableData, data_folder
from bnkeras.datasets.folders import load_folder
from bnkeras.datasets.loading import load, names
from bnkeras.datasets.tables import standardize, stratified_split

__all__ = ["DataError", "SplitData", "TableData", "data_folder", "load", "load_folder", "names"]
__all__ += ["standardize", "stratified_split"]
