"""What the study of placement takes from each run: stuck or not, stable or not, how soon."""

import numpy as np
import pandas as pd

RUN = ["data", "model", "placement", "before_pool", "augment", "learning_rate", "seed"]
STUCK = 0.95
STEADY = 5.0
SHARE = 0.99


def summary(tables):
    """A row per run: how it ended, and when it had learned.

    Returns:
        A `DataFrame` with the columns `RUN` and `source`, and

        - `accuracy`, `population`: test accuracy after the last epoch in percent, with moving averages and with the
          population's statistics;
        - `stuck`: the training loss of the last epoch is not below `STUCK` of the labels' entropy, which a network
          reaches without looking at its input, or is not finite;
        - `fall`: the most that test accuracy lost, in points, against an earlier epoch of the second half;
        - `stable`: not stuck, and `fall` at most `STEADY` points;
        - `epochs_test`, `epochs_train`: the first epoch with `SHARE` of the final accuracy, on test and on training
          images, NaN where stuck. The final accuracy is the mean over the last quarter of the epochs.
    """
    rows = tables["epochs"].sort_values("epoch").groupby(RUN, sort=False).apply(_run_row).reset_index()
    final = tables["final"][[*RUN, "entropy", "population_accuracy"]]
    rows = rows.merge(final, on=RUN, validate="one_to_one")
    stuck = ~(rows.loss < STUCK * rows.entropy)
    epochs = {name: rows[name].where(~stuck) for name in ("epochs_test", "epochs_train")}
    rows = rows.assign(stuck=stuck, stable=~stuck & (rows.fall <= STEADY), **epochs)
    return rows.assign(population=100 * rows.population_accuracy)


def _run_row(epochs):
    test, train = 100 * epochs.test_accuracy.to_numpy(), epochs.train_accuracy.to_numpy()
    half = test[len(test) // 2 :]
    return pd.Series(
        {
            "source": epochs.source.iloc[0],
            "accuracy": test[-1],
            "loss": epochs.train_loss.iloc[-1],
            "fall": float(np.max(np.maximum.accumulate(half) - half)),
            "epochs_test": _epochs_to_final(test),
            "epochs_train": _epochs_to_final(train),
        }
    )


def _epochs_to_final(accuracy):
    final = accuracy[-max(len(accuracy) // 4, 1) :].mean()
    return float(np.argmax(accuracy >= SHARE * final) + 1)


def plain(runs, **settings):
    """The runs without augmentation and with batch normalization after the pool, and of the `settings` given."""
    runs = runs[~runs.augment.astype(bool) & ~runs.before_pool.astype(bool)]
    for name, value in settings.items():
        runs = runs[runs[name] == value]
    return runs
