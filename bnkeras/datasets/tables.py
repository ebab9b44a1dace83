"""What a study does to a table before training: a stratified split, and features of mean 0 and variance 1."""

from bnkeras.datasets.common import DataError


def stratified_split(table, test_size=0.2, seed=0):
    """Split a table so that every class keeps its share in both parts (scikit-learn).

    Args:
        table: a `TableData`.
        test_size: share of the rows, between 0 and 1, or number of rows for the test part.
        seed: of the shuffle.

    Returns:
        `(x_train, y_train, x_test, y_test)`.

    Raises:
        DataError: naming a class with fewer than two rows, which can't be in both parts.
    """
    import numpy as np
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
