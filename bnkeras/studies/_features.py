"""A table with its features decorrelated, as they are, or correlated."""

import functools

import numpy as np

LEVELS = ("decorrelated", "standardized", "correlated")
COMMON_PART = 2.0
TEST_ROWS = 20_000


@functools.lru_cache(maxsize=4)
def table(name, examples, features, seed):
    """A table split by seed, its features transformed: `(arrays, source, mean absolute correlation)`."""
    from bnkeras import datasets

    data = datasets.load(name)
    test = min(TEST_ROWS, len(data.y) - examples)
    x_train, y_train, x_test, y_test = datasets.stratified_split(data, test_size=test, seed=seed)
    x_train, y_train = x_train[:examples], y_train[:examples]
    x_train, x_test = datasets.standardize(x_train, x_test, feature_names=data.feature_names)
    x_train, x_test = transform(x_train, x_test, features)
    source = f"{data.source}, {len(x_train):,} of them for training"
    return (x_train, y_train, x_test, y_test), source, mean_correlation(x_train)


def transform(x_train, x_test, features):
    """Standardized features as they are, or with less or more correlation and again of variance 1.

    `"decorrelated"`: rotated to the principal components of the training part, each scaled to variance 1.
    `"correlated"`: twice the sum of all features over the square root of their number, added to each of them, which
    can be undone: no information is lost.
    """
    if features == "standardized":
        return x_train, x_test
    count = x_train.shape[1]
    matrix = np.eye(count) + COMMON_PART / np.sqrt(count)
    if features == "decorrelated":
        _, matrix = np.linalg.eigh(np.cov(x_train.astype("float64").T))
    x_train, x_test = x_train @ matrix, x_test @ matrix
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    return [((x - mean) / std).astype("float32") for x in (x_train, x_test)]


def mean_correlation(x):
    """Mean absolute correlation between two different features."""
    correlation = np.abs(np.corrcoef(x.T))
    return float(correlation[~np.eye(len(correlation), dtype=bool)].mean())
