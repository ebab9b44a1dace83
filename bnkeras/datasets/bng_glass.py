"""BNG(glass) (OpenML 265): 137,781 rows drawn from a Bayesian network fitted to UCI Glass Identification.

Nine features (refractive index and the weight percent of eight oxides) tell seven kinds of glass apart.
"""

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
ROWS = 137_781
# Made anew by OpenML's published recipe; OpenML's own rows are others.
REGENERATED_SHA256 = "32ebed3be64df0d7d6f11c1de8a976de2d5952b3c9d49d709870889c2f6f931f"
KEYS = ("x", "y", "feature_names", "class_names")


def load(folder):
    """Load `<folder>/bng_glass.npz`, downloading and caching OpenML data set 265 where it is missing.

    `source` says which data it is: a file whose checksum is `REGENERATED_SHA256` is "BNG(glass), regenerated", one
    that `load` has downloaded is "BNG(glass), OpenML 265", any other is the user's own.
    """
    known = {REGENERATED_SHA256: f"BNG(glass), regenerated, {ROWS:,} rows"}
    arrays, source, _ = cache.load_stamped(folder / "bng_glass.npz", KEYS, known, "BNG(glass)", _download, "OpenML")
    return table(arrays, source)


def table(arrays, source):
    """A `TableData` of arrays `x`, `y`, `feature_names`, `class_names`, checked against the names of BNG(glass)."""
    for key, known in (("feature_names", FEATURE_NAMES), ("class_names", CLASS_NAMES)):
        found = tuple(map(str, arrays[key]))
        unknown = [name for name in found if name not in known]
        if unknown:
            raise common.DataError(f"bng_glass: {key} has the unknown {unknown[0]!r}; known are {', '.join(known)}")
        if found != known:
            raise common.DataError(f"bng_glass: {key} must be {', '.join(known)}, got {', '.join(found)}")
    return common.TableData(
        name="bng_glass",
        x=arrays["x"],
        y=arrays["y"],
        feature_names=FEATURE_NAMES,
        class_names=CLASS_NAMES,
        source=source,
        sha256=common.arrays_sha256(arrays),
    )


def _download(folder):
    arrays = _arrays(*_fetch(folder))
    source = f"BNG(glass), OpenML {OPENML_ID}, {len(arrays['y']):,} rows"
    table(arrays, source)
    return arrays, source


def _fetch(folder):
    """The data set as a `DataFrame`, and the name of its target column, by OpenML's own client."""
    import openml

    old_cache, old_switch = openml.config._root_cache_directory, os.environ.get("OPENML_SKIP_PARQUET")
    try:
        # The client pickles what it has downloaded, hence a cache of its own; only the ARFF file has a checksum.
        openml.config.set_root_cache_directory(folder)
        os.environ["OPENML_SKIP_PARQUET"] = "true"
        dataset = openml.datasets.get_dataset(OPENML_ID, download_data=True)
        frame, *_ = dataset.get_data()
        return frame, dataset.default_target_attribute
    finally:
        openml.config.set_root_cache_directory(old_cache)
        os.environ.pop("OPENML_SKIP_PARQUET")
        if old_switch is not None:
            os.environ["OPENML_SKIP_PARQUET"] = old_switch


def _arrays(frame, target):
    """The arrays of a `DataFrame` with the features and a target column of class names."""
    missing = [name for name in (*FEATURE_NAMES, target) if name not in frame]
    if missing:
        raise common.DataError(f"bng_glass: OpenML's table lacks the column {missing[0]!r}; it has {list(frame)}")
    labels = frame[target].astype("object").to_numpy()
    codes = {name: code for code, name in enumerate(CLASS_NAMES)}
    for row, label in enumerate(labels):
        if label not in codes:
            raise common.DataError(f"bng_glass: row {row} has the unknown class {label!r}; known are {list(codes)}")
    return {
        "x": frame[list(FEATURE_NAMES)].to_numpy("float64"),
        "y": np.array([codes[label] for label in labels], "uint8"),
        "feature_names": np.array(FEATURE_NAMES),
        "class_names": np.array(CLASS_NAMES),
    }
