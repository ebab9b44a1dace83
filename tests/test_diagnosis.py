"""What `diagnose` finds in models with a known illness, and that it finds nothing in healthy ones."""

import inspect

import keras
import numpy as np
import pytest
from helpers import noise
from ill_models import cnn, compiled, finding, images, mlp, table, trained, weights
from keras import layers

from bnkeras import BatchNormLayer, batch_statistics, diagnose, estimate_population_statistics
from bnkeras.diagnosis import steps_to_settle

NORMS = pytest.mark.parametrize("norm", [layers.BatchNormalization, BatchNormLayer])


@pytest.mark.slow
@NORMS
def test_a_healthy_model_has_nothing_wrong(norm):
    x, y = images(256)
    model = trained(cnn(norm, momentum=0.9), x, y)
    before = weights(model)
    result = diagnose(model, x, y, batch_size=32)
    assert result.findings == ()
    assert result.healthy
    assert "nothing is wrong" in str(result)
    assert list(result.table.index) == ["norm_1", "norm_2"]
    assert list(result.losses.index) == ["training", "batch", "population", "inference"]
    assert (result.examples, result.batch_size) == (256, 32)
    for old, new in zip(before, weights(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_steps_to_settle_by_hand():
    # 0.99^458 = 0.01002, 0.99^459 = 0.00992
    assert steps_to_settle(1.0, 0.99, 0.01) == 459
    assert steps_to_settle(10.0, 0.9, 0.1) == 44
    assert steps_to_settle(0.8, 0.5, 0.1) == 3
    assert steps_to_settle(0.1, 0.99) == 0
    assert steps_to_settle(3.0, 0.0) == 1
    assert steps_to_settle(3.0, 1.0) == steps_to_settle(np.inf, 0.9) == np.inf
    for bad in ({"gap": -1}, {"momentum": 1.1}, {"tolerance": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(bad))}="):
            steps_to_settle(**{"gap": 1.0, "momentum": 0.9, "tolerance": 0.1, **bad})


@NORMS
def test_gaps_and_steps_of_a_layer_by_hand(norm):
    x = np.array([[1.0], [3.0]] * 4)  # mean 2, variance 1
    model = keras.Sequential([keras.Input((1,)), norm(epsilon=0.0, momentum=0.9, name="norm")])
    model.layers[0].moving_mean.assign([5.0])
    model.layers[0].moving_variance.assign([3.0])
    row = diagnose(model, x, batch_size=8).table.loc["norm"]
    assert row.mean_gap == pytest.approx(3.0)
    assert row.variance_gap == pytest.approx(2.0)
    assert row.steps == 33  # 3 * 0.9^32 = 0.103, 3 * 0.9^33 = 0.093
    model.compile(keras.optimizers.SGD(0.0), "mse")
    for steps, settled in ((32, False), (1, True)):
        model.fit(np.tile(x, (steps, 1)), np.zeros(8 * steps), batch_size=8, shuffle=False, verbose=0)
        after = diagnose(model, x, batch_size=8).table.loc["norm"]
        assert (after.steps == 0) == settled


def test_steps_with_accumulated_statistics():
    """The averages move once in four steps."""
    norm = BatchNormLayer(epsilon=0.0, momentum=0.9, accumulation_steps=4, name="norm")
    model = keras.Sequential([keras.Input((1,)), norm])
    norm.moving_mean.assign([5.0])
    row = diagnose(model, np.array([[1.0], [3.0]] * 4), batch_size=8).table.loc["norm"]
    assert row.steps == 4 * 33


def test_constant_channels():
    x = noise(64, 6)
    x[:, 2] = 7
    model = keras.Sequential([keras.Input((6,)), layers.BatchNormalization(name="norm")])
    estimate_population_statistics(model, x)
    result = diagnose(model, x)
    assert result.causes == ["constant channels"]
    assert result.table.constant["norm"] == pytest.approx(1 / 6)


def test_epsilon_against_variance():
    x = noise(64, 6) * [1, 1, 1, 0.005, 0.005, 0.005]  # the last have a variance of about 2.5e-5, epsilon is 1e-3
    model = keras.Sequential([keras.Input((6,)), layers.BatchNormalization(name="norm")])
    estimate_population_statistics(model, x)
    result = diagnose(model, x)
    assert result.causes == ["epsilon too large"]
    assert result.table.hidden_by_epsilon["norm"] == 0.5
    assert diagnose(model, x * 4).table.hidden_by_epsilon["norm"] == 0


@pytest.mark.slow
@NORMS
def test_small_batches(norm):
    x, _ = table(64)
    model = mlp(norm)
    estimate_population_statistics(model, x)
    assert finding(diagnose(model, x, batch_size=2), "small batches").severity == "high"
    alone = finding(diagnose(model, x, batch_size=1), "small batches")
    assert "beta" in alone.sentence
    assert diagnose(model, x, batch_size=1).table["values"]["norm"] == 1
    assert "small batches" not in diagnose(model, x, batch_size=32).causes


@pytest.mark.skipif("renorm" not in inspect.signature(layers.BatchNormalization).parameters, reason="not in this Keras")
def test_renormalization_is_no_small_batch_and_has_no_estimate():
    x, _ = table(64)
    result = diagnose(mlp(renorm=True), x, batch_size=4)
    assert result.causes == ["lagging averages"]
    assert result.findings[0].call == ""


def test_groups_count_as_batches():
    x, _ = table(64)
    model = mlp(BatchNormLayer, group_size=4)
    assert diagnose(model, x, batch_size=32).table["values"]["norm"] == 4


@pytest.mark.slow
def test_noisy_averages():
    x, _ = table(256)
    model = mlp(momentum=0.0)
    model.fit(x, np.zeros(256), batch_size=8, epochs=2, verbose=0)
    assert "noisy averages" in diagnose(model, x, batch_size=8).causes
    assert "noisy averages" not in diagnose(mlp(momentum=0.99), x, batch_size=8).causes


@pytest.mark.slow
def test_frozen_statistics_under_weights_that_move():
    x, y = table(256)
    model = mlp()
    model.get_layer("norm").trainable = False
    model.layers[0].kernel.assign(3 * model.layers[0].kernel)
    assert "frozen statistics" in diagnose(compiled(model), x, y).causes
    model.layers[0].trainable = False
    assert finding(diagnose(compiled(model), x, y), "frozen statistics").severity == "low"
    estimate_population_statistics(model, x)
    assert diagnose(compiled(model), x, y).healthy


def test_statistics_that_move_under_frozen_weights():
    x, y = table(256)
    model = mlp()
    estimate_population_statistics(model, x)
    model.layers[0].trainable = False
    assert diagnose(compiled(model), x, y).causes == ["statistics move under frozen weights"]
    model.get_layer("norm").trainable = False
    assert diagnose(compiled(model), x, y).healthy


@pytest.mark.slow
def test_trainable_changed_after_compile():
    x, y = table(256)
    model = trained(mlp(), x, y, epochs=1)
    estimate_population_statistics(model, x)
    model.get_layer("norm").trainable = False
    assert "trainable changed after compile" in diagnose(model, x, y).causes
    assert "trainable changed after compile" not in diagnose(compiled(model), x, y).causes


@pytest.mark.parametrize(("policy", "cause"), [("mixed_float16", "float16 overflow"), ("float32", None)])
def test_overflow(policy, cause):
    options = {"dtype": policy}
    dense = layers.Dense(4, kernel_initializer="ones", **options)
    model = keras.Sequential([keras.Input((8,)), dense, layers.BatchNormalization(name="norm", **options)])
    x = 1e4 + 1e3 * noise(64, 8)  # sums of about 8e4
    assert ("float16 overflow" in diagnose(model, x).causes) == (cause is not None)


def test_values_and_statistics_that_are_not_finite():
    x, _ = table(64)
    model = mlp()
    x[3, 2] = np.nan
    result = diagnose(model, x)
    assert result.causes[0] == "values not finite"
    model.get_layer("norm").moving_variance.assign(np.full(16, np.inf))
    x[3, 2] = 0
    assert "statistics not finite" in diagnose(model, x).causes


class AlwaysDropping(keras.Model):
    def __init__(self):
        super().__init__()
        self.norm, self.drop = layers.BatchNormalization(), layers.Dropout(0.5)

    def call(self, x):
        return self.drop(self.norm(x), training=True)


def test_random_answers():
    model, (x, _) = AlwaysDropping(), table(64)
    model(x[:1])
    estimate_population_statistics(model, x)
    assert diagnose(model, x).causes == ["random answers"]


def test_a_model_without_normalization_is_told_so():
    x, y = table(64)
    plain = compiled(keras.Sequential([layers.Dense(3, name="only")]))
    result = diagnose(plain, x, y)
    assert result.causes == ["no batch normalization"]
    assert "'only'" in result.findings[0].sentence
    assert result.table.empty
    assert result.losses["inference"] == pytest.approx(plain.evaluate(x, y, verbose=0)[0], rel=1e-5)
    assert len(result.figure().axes) == 2


class Idle(keras.Model):
    """Has a layer that it does not call."""

    def __init__(self):
        super().__init__()
        self.dense, self.spare = layers.Dense(3, name="out"), layers.BatchNormalization(name="spare")
        self.spare.build((None, 3))

    def call(self, x):
        return self.dense(x)


def test_a_layer_that_is_not_called_is_named():
    x, y = table(64)
    result = diagnose(compiled(Idle()), x, y)
    assert result.causes == ["layers not called"]
    assert result.findings[0].layers == ("spare",)


class Hiding(keras.Model):
    """Calls a layer that Keras does not find, and, if `known`, one that it does."""

    def __init__(self, norm, known):
        super().__init__()
        hidden = norm(name="out_of_sight")
        self.function = lambda x: hidden(x)
        self.known = layers.BatchNormalization(name="known") if known else layers.Activation("linear")
        self.dense = layers.Dense(3, name="out")

    def call(self, x):
        return self.dense(self.known(self.function(x)))


@NORMS
@pytest.mark.parametrize("known", [False, True])
def test_a_call_that_hides_its_layers_is_told_so_and_the_rest_is_diagnosed(norm, known):
    x, y = table(64)
    model = compiled(Hiding(norm, known))
    result = diagnose(model, x + 5, y)
    assert "no batch normalization" not in result.causes
    hidden = finding(result, "hidden layers")
    assert hidden.severity == "high"
    assert len(hidden.layers) == 1
    assert "out_of_sight" in hidden.layers[0]
    assert list(result.table.index) == (["known"] if known else [])
    assert result.losses["inference"] == pytest.approx(model.evaluate(x + 5, y, verbose=0)[0], rel=1e-4)


class Late(keras.Model):
    """Makes its layers when it is built."""

    def build(self, shape):
        self.norm, self.dense = layers.BatchNormalization(name="late"), layers.Dense(3)
        self.norm.build(shape)
        self.dense.build(shape)

    def call(self, x):
        return self.dense(self.norm(x))


@pytest.mark.parametrize("make", [Late, lambda: keras.Sequential([layers.BatchNormalization(name="late")])])
def test_a_model_that_is_not_built_is_built(make):
    x, _ = table(64)
    model = make()
    model.compile("sgd", "mse")
    result = diagnose(model, x + 5)
    assert model.built
    assert list(result.table.index) == ["late"]
    assert result.causes == ["lagging averages"]


def test_a_backend_that_cannot_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(ValueError, match="Received: 'torch'"):
        diagnose(mlp(), table(64)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": noise(0, 6)}, r"\(0, 6\)"),
        ({"x": noise(1, 6)}, "Received: 1 at layer 'norm'"),
        ({"x": noise(8, 5)}, r"`x`.*\(8, 5\)"),
        ({"y": np.zeros(5)}, r"`y`.*\(5,\)"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"steps": 0}, "steps=0"),
        ({"seed": -1}, "seed=-1"),
        ({"x": iter([noise(8, 6)])}, "`steps`"),
        ({"x": iter([noise(8, 6)]), "steps": 2}, "`x`.*2.*Received: 1"),
        ({"x": iter([noise(8, 6)]), "steps": 1, "batch_size": 4}, "batch_size=4"),
        ({"y": np.zeros(8)}, "`model`.*compiled"),
    ],
)
def test_bad_arguments(options, message):
    model = keras.Sequential([keras.Input((6,)), layers.BatchNormalization(name="norm")])
    with pytest.raises(ValueError, match=message):
        diagnose(model, **{"x": noise(8, 6), **options})


class Cell(layers.Layer):
    def __init__(self):
        super().__init__()
        self.state_size, self.norm = 4, layers.BatchNormalization(name="inside")
        self.norm.build((None, 4))

    def call(self, x, states, training=None):
        y = self.norm(x + states[0], training=training)
        return y, [y]


def test_a_layer_inside_of_a_cell_is_refused_by_name():
    x = keras.Input((3, 4))
    with pytest.raises(ValueError, match="'inside'"):
        diagnose(keras.Model(x, layers.RNN(Cell())(x)), noise(8, 3, 4))


def test_bad_types():
    with pytest.raises(TypeError, match="model='model'"):
        diagnose("model", noise(8, 6))
    with pytest.raises(TypeError, match="`x`"):
        diagnose(mlp(), np.full((8, 6), "a"))


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y, size):
        super().__init__()
        self.x, self.y, self.size = x, y, size

    def __len__(self):
        return len(self.x) // self.size

    def __getitem__(self, i):
        part = slice(i * self.size, (i + 1) * self.size)
        return self.x[part], self.y[part]


def test_batches_are_as_good_as_arrays():
    x, y = table(128)
    model = mlp()
    batches = Batches(x, y, 32)
    results = [diagnose(model, batches), diagnose(model, ((x, y) for _ in range(3)), steps=1)]
    assert [(result.examples, result.batch_size) for result in results] == [(128, 32), (128, 128)]
    expected = model.evaluate(x, y, verbose=0)[0]
    for result in results:
        assert result.losses["inference"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_losses_are_those_of_keras_and_the_tools():
    x, y = table(96)
    model = trained(mlp(), x, y)
    losses = diagnose(model, x, y, batch_size=96).losses
    assert losses["inference"] == pytest.approx(model.evaluate(x, y, verbose=0)[0], rel=1e-5)
    with batch_statistics(model):
        own = model.evaluate(x, y, batch_size=96, verbose=0)[0]
    assert losses["batch"] == losses["training"] == pytest.approx(own, rel=1e-4)
    estimate_population_statistics(model, x, batch_size=96)
    assert losses["population"] == pytest.approx(model.evaluate(x, y, verbose=0)[0], rel=1e-4)


def test_nested_and_shared_layers_masks_and_several_inputs():
    inner = keras.Sequential([keras.Input((4,)), layers.BatchNormalization(name="inside")], name="inner")
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    model = keras.Model({"a": a, "b": b}, layers.Dense(1)(inner(a) + inner(b)))
    x = {"a": noise(64, 4), "b": noise(64, 4, seed=1) + 4}
    row = diagnose(model, x).table.loc["inside"]
    # Each of the two calls is a batch of its own: means 0 and 4 within, variance 1. Nearer is the whole: 2 and 5.
    assert row["values"] == 32
    assert row.mean_gap == pytest.approx(2 / 5**0.5, abs=0.05)
    assert row.variance_gap == pytest.approx(4 / 5, abs=0.05)


def test_figure_and_words():
    x, y = table(64)
    result = diagnose(mlp(), x + 5)
    figure = result.figure()
    assert len(figure.axes) == 1
    assert "lagging averages" in figure.get_suptitle()
    assert "estimate_population_statistics(model, x, batch_size=32)" in str(result)
    assert repr(result) == str(result)
    assert len(diagnose(mlp(), x, y).figure().axes) == 2
