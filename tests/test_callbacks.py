"""Percentile and activation loggers against literals, NumPy and undisturbed training."""

import keras
import numpy as np
import pytest
from helpers import noise, value_of
from keras import layers, ops

from bnkeras import ActivationStats, BatchNormLayer, PercentileLogger, training


def constant(value):
    return keras.initializers.Constant(np.array(value, "float32"))


def compiled(model, **options):
    model.compile(keras.optimizers.SGD(options.pop("learning_rate", 0.0)), "mse", **options)
    return model


def identity_dense(activation="sigmoid"):
    """z = x + (0, 10), activation, sum."""
    hidden = layers.Dense(2, activation, kernel_initializer="identity", bias_initializer=constant([0, 10]), name="in")
    out = layers.Dense(1, kernel_initializer="ones", name="out")
    return compiled(keras.Sequential([keras.Input((2,)), hidden, out]))


RAMP = np.arange(5.0).repeat(2).reshape(5, 2)


def log(logger, model, x=None, y=None, **options):
    x = noise(4, *model.input_shape[1:]) if x is None else x
    y = np.zeros((len(x), *model.output_shape[1:])) if y is None else y
    model.fit(x, y, verbose=0, callbacks=[logger], **{"batch_size": 4, **options})
    return logger.result()


def test_percentiles_of_a_dense_layer_by_hand():
    table = log(PercentileLogger(RAMP, percentiles=(0, 25, 50, 100)), identity_dense())
    assert list(table.columns) == ["step", "unit", "percentile", "value"]
    assert table["step"].unique().tolist() == [0]
    wide = table.pivot(index="unit", columns="percentile", values="value")
    np.testing.assert_allclose(wide, [[0, 1, 2, 4], [10, 11, 12, 14]])


@pytest.mark.parametrize("norm", [layers.BatchNormalization, BatchNormLayer])
@pytest.mark.parametrize("mode", ["training", "inference"])
@pytest.mark.parametrize("trainable", [True, False])
def test_percentiles_behind_batch_normalization(norm, mode, trainable):
    moving = {"moving_mean_initializer": constant([1, 2, 3]), "moving_variance_initializer": constant([1, 4, 9])}
    bn = norm(name="bn", trainable=trainable, **moving)
    model = compiled(keras.Sequential([keras.Input((3,)), bn, layers.Activation("tanh"), layers.Dense(1)]))
    x = noise(50, 3) * 2 + 5
    table = log(PercentileLogger(x, mode=mode, percentiles=[30]), model)
    own = mode == "training" and trainable
    mean, variance = (x.mean(0), x.var(0)) if own else (np.array([1, 2, 3]), np.array([1, 4, 9]))
    expected = np.percentile((x - mean) / np.sqrt(variance + 1e-3), 30, axis=0)
    np.testing.assert_allclose(table["value"], expected, rtol=1e-5)


def test_units_of_a_convolution_are_channels():
    conv = layers.Conv2D(3, 2, activation="relu", name="conv")
    model = compiled(keras.Sequential([keras.Input((5, 5, 2)), conv, layers.Flatten(), layers.Dense(1)]))
    x = noise(7, 5, 5, 2)
    table = log(PercentileLogger(x, percentiles=(15, 85)), model)
    z = ops.convert_to_numpy(ops.conv(x, conv.kernel) + conv.bias)
    expected = np.percentile(z.astype("float64"), (15, 85), axis=(0, 1, 2)).T
    np.testing.assert_allclose(table["value"].to_numpy().reshape(3, 2), expected, rtol=1e-4, atol=1e-6)
    by_position = log(PercentileLogger(x, percentiles=[50], axis=1), model)
    assert by_position["unit"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("layer", [layers.ReLU(), layers.LeakyReLU(), layers.PReLU(), layers.ELU()])
def test_activation_layers_log_what_goes_in(layer):
    model = compiled(keras.Sequential([keras.Input((2,)), layer, layers.Dense(1)]))
    table = log(PercentileLogger(-RAMP, percentiles=[0]), model)
    assert table["value"].tolist() == [-4, -4]


class Subclassed(keras.Model):
    """A model of the caller's own, with a model inside of it."""

    def __init__(self):
        super().__init__()
        inner = [layers.Dense(2, "relu", name="deep"), layers.Dense(2, name="flat")]
        self.blocks = [layers.Dense(3, "tanh", name="first"), keras.Sequential(inner)]
        self.last = layers.Dense(4, "softmax", name="last")

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return self.last(x)


@pytest.mark.parametrize(("layer", "units"), [(None, 2), ("first", 3)])
def test_default_layer_is_the_last_hidden_activation(layer, units):
    table = log(PercentileLogger(noise(6, 3), layer), compiled(Subclassed()), noise(4, 3), np.zeros((4, 4)))
    assert table["unit"].nunique() == units


def test_a_shared_layer_pools_its_calls():
    dense = layers.Dense(1, "relu", kernel_initializer="ones", name="shared")
    x = keras.Input((1,))
    model = compiled(keras.Model(x, layers.Dense(1)(dense(dense(x)))))
    table = log(PercentileLogger(np.array([[-1.0], [3.0]]), percentiles=(0, 50, 100)), model)
    # The calls see -1, 3 and then 0, 3.
    assert table["value"].tolist() == [-1, 1.5, 3]


def test_steps():
    x, y = noise(18, 2), np.zeros((18, 1))
    model, logger = identity_dense(), PercentileLogger(RAMP, every=4)

    def steps(**options):
        return log(logger, model, x, y, epochs=3, **options)["step"].unique().tolist()

    assert steps() == [0, 4, 8, 12]
    assert steps(initial_epoch=1) == [8, 12]
    training.fit(model, x, y, batch_size=4, epochs=3, callbacks=[logger])
    assert logger.result()["step"].unique().tolist() == [0, 4, 8, 12]
    compiled(model, steps_per_execution=2)
    assert steps() == [0, 4, 9, 12]


def test_result_before_training_is_empty():
    for logger in (PercentileLogger(RAMP), ActivationStats((RAMP, RAMP))):
        assert logger.result().empty
        assert "step" in logger.result()


def test_values_follow_the_training():
    model = compiled(identity_dense("relu"), learning_rate=0.01)
    logger = PercentileLogger(np.zeros((2, 2)), percentiles=[50], every=3)
    seen = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(value_of(note.model.layers[0].bias))
    )
    model.fit(noise(12, 2), np.ones((12, 1)), batch_size=4, epochs=2, verbose=0, callbacks=[logger, note])
    values = logger.result()["value"].to_numpy().reshape(3, 2)
    np.testing.assert_allclose(values, [[0, 10], seen[2], seen[5]], rtol=1e-6)


def noisy_net():
    keras.utils.set_random_seed(3)
    x = keras.Input((6,))
    h = layers.Dropout(0.5)(layers.Activation("relu")(BatchNormLayer()(layers.Dense(5)(x))))
    h = layers.GaussianNoise(0.1)(layers.BatchNormalization()(h))
    model = keras.Model(x, [layers.Dense(1, name="a")(h), layers.Dense(2, name="b")(layers.ReLU()(h))])
    model.compile(keras.optimizers.SGD(0.1), ["mse", "mse"], metrics=[["mae"], ["mae"]])
    return model


def test_logging_changes_nothing():
    x, y = noise(20, 6), [noise(20, 1), noise(20, 2)]
    states, logs = [], []
    for callbacks in ([], [PercentileLogger(x[:7], every=2), ActivationStats((x[:7], [t[:7] for t in y]), every=3)]):
        model = noisy_net()
        logs.append(model.fit(x, y, batch_size=5, epochs=2, shuffle=False, verbose=0, callbacks=callbacks).history)
        states.append([value_of(v) for v in model.variables + model.optimizer.variables])
    assert logs[0] == logs[1]
    for plain, logged in zip(*states, strict=True):
        np.testing.assert_array_equal(plain, logged)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probe": np.array([[0.0, np.nan]])}, "`probe`.* 1 "),
        ({"probe": np.zeros((0, 2))}, r"`probe`.*\(0, 2\)"),
        ({"percentiles": (15, 101)}, r"percentiles=\(15, 101\)"),
        ({"percentiles": ()}, r"percentiles=\(\)"),
        ({"percentiles": (float("nan"),)}, "percentiles=.*nan"),
        ({"percentiles": 50}, "percentiles=50"),
        ({"axis": 0.5}, "axis=0.5"),
        ({"every": 0}, "every=0"),
        ({"every": 2.5}, "every=2.5"),
        ({"mode": "test"}, "mode='test'"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        PercentileLogger(**{"probe": RAMP, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probe": np.zeros((5, 3))}, r"`probe`.*\(None, 2\).*\(5, 3\)"),
        ({"layer": "hidden"}, r"layer='hidden'.*\['in', 'out'\]"),
        ({"layer": layers.Dense(1)}, "layer=<Dense"),
        ({"axis": 9}, "axis=9"),
        ({"axis": -3}, "axis=-3"),
    ],
)
def test_bad_fit_is_told_before_training(options, message):
    model = compiled(identity_dense(), learning_rate=1.0)
    with pytest.raises(ValueError, match=message):
        log(PercentileLogger(**{"probe": RAMP, **options}), model)
    assert value_of(model.optimizer.iterations) == 0


def test_layers_without_an_activation_are_told():
    model = compiled(keras.Sequential([keras.Input((2,)), BatchNormLayer(name="bn"), layers.Dense(1, name="dense")]))
    with pytest.raises(ValueError, match=r"layer='bn'.*\['dense'\]"):
        log(PercentileLogger(RAMP, layer="bn"), model)
    with pytest.raises(ValueError, match=r"`model`.*\['bn', 'dense'\]"):
        log(PercentileLogger(RAMP), model)


def test_activation_stats_by_hand():
    model = identity_dense("relu")
    model.layers[0].bias.assign([0, 0])
    probe = np.array([[1.0, -1.0], [3.0, -2.0]]), np.zeros((2, 1))
    table = log(ActivationStats(probe, every=2), model, epochs=3)
    assert table["step"].tolist() == [0, 2]
    row = table.iloc[0]
    # a = [[1, 0], [3, 0]], predictions 1 and 3, and dL/da = prediction in each unit.
    assert row["layer"] == "in"
    np.testing.assert_allclose(row[["mean", "std", "dead", "gradient_norm"]].astype(float), [1, 1.5**0.5, 0.5, 20**0.5])


@pytest.mark.parametrize(
    ("activation", "bias", "dead"),
    [("sigmoid", [8, 6], 0.5), ("sigmoid", [-8, -6], 0.5), ("relu", [0, -1], 1.0), ("leaky_relu", [-9, -9], 0.0)],
)
def test_dead_units(activation, bias, dead):
    model = identity_dense(activation)
    model.layers[0].bias.assign(bias)
    probe = np.zeros((3, 2)), np.zeros((3, 1))
    assert log(ActivationStats(probe), model)["dead"].tolist() == [dead]


@pytest.mark.parametrize(("activation", "dead"), [("softmax", np.nan), ("log_softmax", np.nan), ("gelu", 0.0)])
def test_no_unit_is_dead_of_an_activation_that_mixes_units(activation, dead):
    probe = np.array([[1.0, -1.0], [90.0, -2.0]]), np.zeros((2, 1))
    np.testing.assert_array_equal(log(ActivationStats(probe), identity_dense(activation))["dead"], [dead])


def test_activation_stats_names_the_backends_that_it_needs(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    stats = ActivationStats((RAMP, RAMP[:, :1]))
    stats.set_model(identity_dense())
    with pytest.raises(ValueError, match="backend='torch'"):
        stats.on_train_begin()


def test_activation_stats_of_shared_and_convolutional_layers():
    conv = layers.Conv1D(2, 1, activation="relu", kernel_initializer=constant(np.eye(2)[None]), name="conv")
    x = keras.Input((3, 2))
    model = compiled(keras.Model(x, layers.Dense(1, kernel_initializer="ones")(layers.Flatten()(conv(conv(x))))))
    probe = np.array([[[1, -1], [2, 0], [3, -1]]], "float32"), np.array([[5.0]])
    table = log(ActivationStats(probe, layers=["conv"]), model)
    # Both calls give 1, 2, 3 and zeros; prediction 6, dL/da 2 in all 6 entries behind, and 2 where a > 0 before.
    row = table.iloc[0]
    assert row["dead"] == 0.5
    np.testing.assert_allclose([row["mean"], row["gradient_norm"]], [1, (6 * 4 + 3 * 4) ** 0.5])


def test_gradients_through_batch_normalization_match_differences():
    keras.utils.set_random_seed(0)
    bn = BatchNormLayer(epsilon=0.1)
    first, last = layers.Dense(3, "tanh", name="first"), layers.Dense(1)
    model = compiled(keras.Sequential([keras.Input((2,)), first, bn, last]))
    x, y = noise(4, 2), noise(4, 1, seed=1)
    table = log(ActivationStats((x, y)), model)
    w, b = (value_of(v).astype("float64") for v in (last.kernel, last.bias))
    a = ops.convert_to_numpy(first(x)).astype("float64")

    def loss(a):
        normalized = (a - a.mean(0)) / np.sqrt(a.var(0) + 0.1)
        return np.mean((normalized @ w + b - y) ** 2)

    steps = 1e-6 * np.eye(a.size).reshape(-1, *a.shape)
    gradient = [(loss(a + step) - loss(a - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(table["gradient_norm"], np.linalg.norm(gradient), rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probe": RAMP}, "`probe`.*ndarray"),
        ({"probe": (RAMP, RAMP[:2])}, r"`probe`.*\(5, 2\), \(2, 2\)"),
        ({"threshold": -1}, "threshold=-1"),
        ({"layers": "in"}, "layers='in'"),
        ({"layers": []}, r"layers=\[\]"),
        ({"layers": ["nowhere"]}, "layer='nowhere'"),
    ],
)
def test_bad_activation_stats(options, message):
    with pytest.raises(ValueError, match=message):
        log(ActivationStats(**{"probe": (RAMP, RAMP[:, :1]), **options}), identity_dense())
