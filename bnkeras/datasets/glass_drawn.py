"""The stand-in for BNG(glass): rows drawn from the statistics of UCI Glass Identification, class by class."""

import numpy as np

from bnkeras.datasets import common
from bnkeras.datasets.bng_glass import CLASS_NAMES, FEATURE_NAMES

# Rows of each class in BNG(glass).
CLASS_ROWS = (44_669, 48_774, 11_126, 313, 8_428, 6_034, 18_437)
# UCI Glass, by class: examples, then mean and standard deviation of every feature in the order of FEATURE_NAMES.
STATISTICS = {
    "build wind float": (
        70,
        (1.51872, 13.24, 3.55, 1.16, 72.62, 0.45, 8.80, 0.01, 0.06),
        (0.00227, 0.50, 0.25, 0.27, 0.57, 0.21, 0.57, 0.08, 0.09),
    ),
    "build wind non-float": (
        76,
        (1.51862, 13.11, 3.00, 1.41, 72.60, 0.52, 9.07, 0.05, 0.08),
        (0.00380, 0.66, 1.22, 0.32, 0.72, 0.21, 1.92, 0.36, 0.11),
    ),
    "vehic wind float": (
        17,
        (1.51796, 13.44, 3.54, 1.20, 72.40, 0.41, 8.78, 0.01, 0.06),
        (0.00192, 0.51, 0.16, 0.35, 0.51, 0.23, 0.38, 0.04, 0.11),
    ),
    "containers": (
        13,
        (1.51893, 12.83, 0.77, 2.03, 72.37, 1.47, 10.12, 0.19, 0.06),
        (0.00335, 0.78, 1.00, 0.69, 1.28, 2.14, 2.18, 0.61, 0.16),
    ),
    "tableware": (
        9,
        (1.51746, 14.65, 1.31, 1.37, 73.21, 0.00, 9.36, 0.00, 0.00),
        (0.00312, 1.08, 1.10, 0.57, 1.08, 0.00, 1.45, 0.00, 0.00),
    ),
    "headlamps": (
        29,
        (1.51712, 14.44, 0.54, 2.12, 72.97, 0.33, 8.49, 1.04, 0.01),
        (0.00255, 0.69, 1.12, 0.44, 0.94, 0.67, 0.97, 0.67, 0.03),
    ),
}
ROWS = 5_000


def load(folder=None):
    """Load the stand-in: 5,000 rows, classes in the shares of BNG(glass); embedded, so `folder` is not read.

    The features of a row are independent normal draws with its class's mean and standard deviation, cut off at 0, as
    a share of weight can't be negative. UCI Glass has no example of `vehic wind non-float`; its rows are drawn from the
    mean and standard deviation over all classes. The generator's seed is fixed.
    """
    generator = np.random.default_rng(0)
    counts = np.round(ROWS * np.array(CLASS_ROWS) / sum(CLASS_ROWS)).astype(int)
    y = generator.permutation(np.repeat(np.arange(len(counts)), counts)).astype("uint8")
    mean, std = (np.array(rows) for rows in zip(*map(class_statistics, CLASS_NAMES), strict=True))
    x = np.maximum(generator.normal(mean[y], std[y]), 0).astype("float32")
    arrays = {"x": x, "y": y, "feature_names": np.array(FEATURE_NAMES), "class_names": np.array(CLASS_NAMES)}
    return common.TableData(
        name="glass_drawn",
        x=x,
        y=y,
        feature_names=FEATURE_NAMES,
        class_names=CLASS_NAMES,
        source=f"stand-in: {len(y):,} rows drawn from the class statistics of UCI Glass",
        sha256=common.arrays_sha256(arrays),
    )


def class_statistics(name):
    """Mean and standard deviation `[features]` of a class; of all classes together for one without examples."""
    if name in STATISTICS:
        return STATISTICS[name][1:]
    counts, means, stds = map(np.array, zip(*STATISTICS.values(), strict=True))
    weights = counts[:, None] / counts.sum()
    mean = (weights * means).sum(0)
    return mean, np.sqrt((weights * (stds**2 + (means - mean) ** 2)).sum(0))
