"""What a study does to a table before training: a stratified split, scaling, and features more or less correlated."""

import numpy as np

from bnkeras.datasets.common import DataError

CORRELATIONS = ("decorrelated", "standardized", "correlated")
_COMMON_PART = 2.0


def stratified_split(table, test_size=0.2, seed=0):
    """Split a `TableData` so that every class keeps its share in both parts (scikit-learn).

    Args:
        table: a `TableData`.
        test_size: share of the rows, between 0 and 1, or number of rows for the test part. Defaults to `0.2`.
        seed: Integer, of the shuffle. Defaults to `0`.

    Returns:
        `(x_train, y_train, x_test, y_test)`.

    Raises:
        DataError: naming a class with fewer than two rows, which can't be in both parts.
    """
    from sklearn.model_selection import train_test_split

    classes, counts = np.unique(table.y, return_counts=True)
    if counts.min() < 2:
        name = table.class_names[classes[counts.argmin()]]
        raise DataError(f"{table.name}: class {name!r} has {counts.min()} row, which can't be split")
    x_train, x_test, y_train, y_test = train_test_split(
        table.x, table.y, test_size=test_size, stratify=table.y, random_state=seed
    )
    return x_train, y_train, x_test, y_test


def standardize(x_train, *others, feature_names=None):
    """Scale every feature to mean 0 and variance 1 over the training part, and other parts with the same numbers.

        z = (x - mean(x_train)) / std(x_train)

    Args:
        x_train: features `[n, features]`; mean and (biased) standard deviation are taken over its rows in float64.
        others: further parts, such as the test part, scaled alike.
        feature_names: names for the error.

    Returns:
        A list of float32 arrays, `x_train` first.

    Raises:
        DataError: naming a feature that is constant over the training part.
    """
    mean, std = x_train.mean(axis=0, dtype="float64"), x_train.std(axis=0, dtype="float64")
    names = feature_names or range(x_train.shape[1])
    for name, column in zip(names, x_train.T, strict=True):
        if column.min() == column.max():
            raise DataError(f"feature {name!r} is constant over the training part, {column[0]}")
    return [((x.astype("float64") - mean) / std).astype("float32") for x in (x_train, *others)]


def transform(x_train, x_test, features):
    """Standardized features as they are, or with less or more correlation and again of variance 1.

    Args:
        x_train, x_test: standardized features `[n, features]`, float32.
        features: `"standardized"`, as they are; `"decorrelated"`, rotated to the principal components of the training
            part, each scaled to variance 1; or `"correlated"`, twice the sum of all features over the square root of
            their number added to each of them, which can be undone: no information is lost.
    """
    if features not in CORRELATIONS:
        raise DataError(f"`features` must be one of {', '.join(CORRELATIONS)}. Received: features={features!r}")
    if features == "standardized":
        return x_train, x_test
    count = x_train.shape[1]
    matrix = np.eye(count) + _COMMON_PART / np.sqrt(count)
    if features == "decorrelated":
        _, matrix = np.linalg.eigh(np.cov(x_train.astype("float64").T))
    x_train, x_test = x_train @ matrix, x_test @ matrix
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    return [((x - mean) / std).astype("float32") for x in (x_train, x_test)]


def mean_correlation(x):
    """Mean absolute correlation between two different features of `x` `[n, features]`."""
    correlation = np.abs(np.corrcoef(x.T))
    return float(correlation[~np.eye(len(correlation), dtype=bool)].mean())
