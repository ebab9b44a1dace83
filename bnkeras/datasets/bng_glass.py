"""BNG(glass) (OpenML 265): 137,781 rows drawn from a Bayesian network fitted to UCI Glass Identification.

Nine features (refractive index and the weight percent of eight oxides) tell seven kinds of glass apart.
"""

import functools
import os

import numpy as np

from bnkeras.datasets import cache, common

OPENML_ID = 265
FEATURE_NAMES = ("RI", "Na", "Mg", "Al", "Si", "K", "Ca", "Ba", "Fe")
CLASS_NAMES = (
    "build wind float",
    "build wind non-float",
    "vehic wind float",
    "vehic wind non-float",
    "containers",
    "tableware",
    "headlamps",
)
# Made anew by OpenML's published recipe; OpenML's own rows are others.
REGENERATED_SHA256 = "32ebed3be64df0d7d6f11c1de8a976de2d5952b3c9d49d709870889c2f6f931f"
KEYS = ("x", "y", "feature_names", "class_names")


def load(folder):
    """Load `<folder>/bng_glass.npz`, downloading and caching OpenML data set 265 where it is missing.

    `source` says which data it is: "BNG(glass), regenerated", "BNG(glass), OpenML 265", or the user's own.
    """
    known = {REGENERATED_SHA256: "BNG(glass), regenerated, 137,781 rows"}
    build = functools.partial(table, "bng_glass")
    return cache.load(folder / "bng_glass.npz", KEYS, build, known, "BNG(glass)", _download)


def table(name, arrays, source, sha256):
    """A `TableData` of arrays `x`, `y`, `feature_names`, `class_names`, checked against the names of BNG(glass)."""
    for key, known in (("feature_names", FEATURE_NAMES), ("class_names", CLASS_NAMES)):
        found = common.strings(arrays[key], f"{name}: `{key}`")
        if found != known:
            raise common.DataError(f"{name}: `{key}` must be {', '.join(known)}. Received: {', '.join(found[:20])}")
    return common.TableData(name, arrays["x"], arrays["y"], FEATURE_NAMES, CLASS_NAMES, source, sha256)


def _download(folder):
    arrays = _arrays(*_fetch(folder))
    return arrays, f"BNG(glass), OpenML {OPENML_ID}, {len(arrays['y']):,} rows"


def _fetch(folder):
    """The data set as a `DataFrame`, and the name of its target column, by OpenML's own client."""
    import openml
    import requests

    old_cache, old_switch = openml.config._root_cache_directory, os.environ.get("OPENML_SKIP_PARQUET")
    old_request = requests.Session.request
    try:
        # The client pickles what it downloads, checks ARFF files alone, and would wait for a host without end.
        openml.config.set_root_cache_directory(folder)
        os.environ["OPENML_SKIP_PARQUET"] = "true"
        requests.Session.request = functools.partialmethod(old_request, timeout=cache.TIMEOUT)
        dataset = openml.datasets.get_dataset(OPENML_ID, download_data=True)
        frame, *_ = dataset.get_data()
        return frame, dataset.default_target_attribute
    finally:
        requests.Session.request = old_request
        openml.config.set_root_cache_directory(old_cache)
        os.environ.pop("OPENML_SKIP_PARQUET")
        if old_switch is not None:
            os.environ["OPENML_SKIP_PARQUET"] = old_switch


def _arrays(frame, target):
    """The arrays of a `DataFrame` with the features and a target column of class names."""
    labels = frame[target].astype("object").to_numpy()
    unknown = [row for row, label in enumerate(labels) if label not in CLASS_NAMES]
    if unknown:
        raise common.DataError(f"bng_glass: row {unknown[0]} has the unknown class {labels[unknown[0]]!r}")
    return {
        "x": frame[list(FEATURE_NAMES)].to_numpy("float64"),
        "y": np.array([CLASS_NAMES.index(label) for label in labels], "uint8"),
        "feature_names": np.array(FEATURE_NAMES),
        "class_names": np.array(CLASS_NAMES),
    }
