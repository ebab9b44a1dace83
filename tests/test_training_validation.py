"""Training with validation: learning rates on plateaus, the end, losses, divergence; functions timed in turn."""

import keras
import numpy as np
import pytest

from bnkeras import BatchNormLayer
from bnkeras.training.evaluation import score
from bnkeras.training.timing import epochs_in_turn, seconds_in_turn
from bnkeras.training.validation import plateau_callbacks, train_and_validate

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")
DATA, VALIDATION = (X[:32], Y[:32], X[44:], Y[44:]), (X[32:44], Y[32:44])
STILL = tuple(np.zeros_like(array) for array in DATA), tuple(np.zeros_like(array) for array in VALIDATION)


def compiled(rate=0.1, bn=False, penalty=None):
    initializer = keras.initializers.RandomNormal(seed=0)
    layers = [keras.Input((4,)), *[BatchNormLayer(momentum=0.5)] * bn]
    layers.append(keras.layers.Dense(2, kernel_initializer=initializer, kernel_regularizer=penalty, use_bias=False))
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"])
    return model


def trained(model, data=DATA, validation=VALIDATION, epochs=3, **options):
    return train_and_validate(model, data, validation, batch_size=16, epochs=epochs, seed=0, **options)


def rates(rate, **options):
    """Learning rates of the epochs of a model whose accuracy never changes."""
    _, curves = trained(compiled(rate), *STILL, epochs=60, callbacks=plateau_callbacks(**options))
    return [pytest.approx(row["rate"], rel=1e-6) for row in curves]


def test_the_rate_is_halved_after_5_epochs_without_a_gain_and_20_are_the_end():
    assert rates(0.01) == [0.01] * 6 + [0.005] * 5 + [0.0025] * 5 + [0.00125] * 5


def test_the_rate_never_falls_below_the_least():
    assert rates(3e-4) == [3e-4] * 6 + [1.5e-4] * 5 + [1e-4] * 10


def test_other_plateaus():
    assert rates(0.8, factor=0.25, patience=2, least=0.1, stop_after=6) == [0.8] * 3 + [0.2] * 2 + [0.1] * 2
    with pytest.raises(ValueError, match="factor"):
        plateau_callbacks(factor=1.0)


def test_rows_and_curves():
    rows, curves = trained(compiled(bn=True))
    assert [row["epoch"] for row in curves] == [1, 2, 3]
    assert [row["rate"] for row in curves] == pytest.approx([0.1] * 3)
    assert [row["inference"] for row in rows] == ["moving averages", "population"]
    assert {(row["epoch"], row["step"]) for row in rows} == {(3, 6)}
    assert all(row["seconds"] > 0 for row in rows)
    assert all(rows[0][name] == value for name, value in curves[-1].items())
    assert rows[0]["test_loss"] != rows[1]["test_loss"]


def test_the_same_seed_gives_the_same():
    first, second = (trained(compiled()) for _ in range(2))
    assert first[1] == second[1]
    assert first[0][0]["test_loss"] == second[0][0]["test_loss"]


def test_accuracies_and_losses_are_those_of_the_data_without_penalties():
    model = compiled(rate=1e-9, penalty=keras.regularizers.L2(3.0))
    rows, curves = trained(model)
    assert float(model.losses[0]) > 1e-3
    for part, (x, y) in {"train": DATA[:2], "validation": VALIDATION, "test": DATA[2:]}.items():
        expected = score(np.asarray(model.predict(x, verbose=0), "float64"), y)
        found = {name: rows[0][f"{part}_{name}"] for name in expected}
        assert found == pytest.approx(expected, rel=1e-4)
    assert curves[-1]["validation_loss"] == rows[0]["validation_loss"]


@pytest.mark.parametrize("bn", [False, True])
def test_a_run_that_diverges_ends_and_has_no_accuracy(bn):
    rows, curves = trained(compiled(float("inf"), bn=bn), epochs=9, callbacks=plateau_callbacks())
    assert len(curves) == 1
    assert not np.isfinite(curves[-1]["train_loss"])
    assert [(row["inference"], row["test_accuracy"]) for row in rows] == [("none", None)]


def test_functions_are_timed_in_turn():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in ("a", "b", "c")}
    rows = seconds_in_turn(functions, rounds=3)
    assert calls == [*"abc", *"abc", *"bca", *"cab"]
    assert [(row["round"], row["name"]) for row in rows] == [
        (1, "a"), (1, "b"), (1, "c"), (2, "b"), (2, "c"), (2, "a"), (3, "c"), (3, "a"), (3, "b"),
    ]  # fmt: skip
    assert all(row["seconds"] >= 0 for row in rows)


@pytest.mark.parametrize("rounds", [0, -1, 2.0, None])
def test_rounds_that_are_no_positive_integer(rounds):
    with pytest.raises(ValueError, match=f"`rounds`.*Received: rounds={rounds!r}"):
        seconds_in_turn({}, rounds)


def test_epochs_are_timed_with_the_options_of_fit():
    models = {"base": compiled(), "bn": compiled(bn=True)}
    before = [model.get_weights()[-1].copy() for model in models.values()]
    rows = epochs_in_turn(models, X, Y, 2, batch_size=20)
    assert [(row["round"], row["name"]) for row in rows] == [(1, "base"), (1, "bn"), (2, "bn"), (2, "base")]
    assert [int(model.optimizer.iterations) for model in models.values()] == [9, 9]  # an epoch more, which compiles
    assert all(np.any(model.get_weights()[-1] != weight) for model, weight in zip(models.values(), before, strict=True))
