"""BNG(glass) (OpenML 265): 137,781 rows drawn from a Bayesian network fitted to UCI Glass Identification.

Nine features (refractive index and the weight percent of eight oxides) tell seven kinds of glass apart.
"""

import os
import tempfile

import numpy as np

from bnkeras.datasets import common

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
    path = folder / "bng_glass.npz"
    if not path.exists():
        _download(path)
    arrays, stamp = _read(path)
    return table(arrays, _source(common.arrays_sha256(arrays), stamp, path))


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


def _read(path):
    """The arrays of the file, and what the download wrote beside them: `(source, SHA-256)`, or `None`."""
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {key: file[key] for key in KEYS}
            stamp = (str(file["source"]), str(file["sha256"])) if "source" in file else None
    except common.UNREADABLE as error:
        raise common.DataError(
            f"{path} can't be read ({error}); it must hold the arrays {', '.join(KEYS)}; the file's own SHA-256 is "
            f"{common.file_sha256(path)}; delete it or put a whole copy there"
        ) from error
    return arrays, stamp


def _source(sha256, stamp, path):
    if stamp is not None and sha256 != stamp[1]:
        raise common.DataError(
            f"{path} is not the data that was downloaded: expected SHA-256 {stamp[1]}, found {sha256}; it was not used"
        )
    if sha256 == REGENERATED_SHA256:
        return f"BNG(glass), regenerated, {ROWS:,} rows"
    return stamp[0] if stamp else f"BNG(glass), a local file of unknown origin (SHA-256 {sha256[:12]})"


def _download(path):
    advice = f"put bng_glass.npz into {path.parent} or set BNKERAS_DATA to the folder that holds it"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=path.parent, prefix=".bng_glass.")
    except OSError as error:
        raise common.DataError(
            f"bng_glass can't be cached, {path.parent} is not writable ({error}); {advice}"
        ) from error
    with scratch as folder:
        try:
            frame, target = _fetch(folder)
        except ImportError as error:
            raise common.DataError(
                f"bng_glass is not in {path.parent}, and its download needs openml (pip install openml); {advice}"
            ) from error
        except Exception as error:
            raise common.DataError(
                f"bng_glass is not in {path.parent} and its download from OpenML failed ({error}); {advice}"
            ) from error
    arrays = _arrays(frame, target)
    source = f"BNG(glass), OpenML {OPENML_ID}, {len(arrays['y']):,} rows"
    table(arrays, source)
    stamp = {"source": np.array(source), "sha256": np.array(common.arrays_sha256(arrays))}
    common.write_npz(path, {**arrays, **stamp})


def _fetch(cache):
    """The data set as a `DataFrame`, and the name of its target column, by OpenML's own client."""
    import openml

    old_cache, old_switch = openml.config._root_cache_directory, os.environ.get("OPENML_SKIP_PARQUET")
    try:
        # The client pickles what it has downloaded, hence a cache of its own; only the ARFF file has a checksum.
        openml.config.set_root_cache_directory(cache)
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
