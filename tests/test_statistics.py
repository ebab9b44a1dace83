"""Batch and population statistics against literals and NumPy in float64."""

import contextlib
import warnings

import keras
import numpy as np
import pytest
from helpers import Traced, noise, traces, value_of
from keras import layers, ops

from bnkeras import BatchNormLayer, batch_statistics, estimate_population_statistics, training

NORMS = pytest.mark.parametrize("norm", [layers.BatchNormalization, BatchNormLayer])


def statistics(layer):
    return value_of(layer.moving_mean), value_of(layer.moving_variance)


def single(norm=BatchNormLayer, shape=(1,), **options):
    return keras.Sequential([keras.Input(shape), norm(**options)])


def deep(norm=BatchNormLayer, dropout=0.5):
    """BN, dense, dropout, then a nested model with dense, BN and ReLU, then dense; compiled."""
    keras.utils.set_random_seed(1)
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(6), norm(name="second"), layers.ReLU()])
    blocks = [norm(name="first"), layers.Dense(8, "tanh"), layers.Dropout(dropout), inner, layers.Dense(3)]
    model = keras.Sequential([keras.Input((5,)), *blocks])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model, blocks[0], inner.layers[1]


X = noise(48, 5) * 3 + 7
Y = np.arange(48) % 3


def test_pooling_by_hand():
    model = single()
    estimate_population_statistics(model, np.array([[1.0], [3.0], [8.0]]), batch_size=2)
    mean, variance = statistics(model.layers[0])
    np.testing.assert_allclose([mean[0], variance[0]], [4, 26 / 3], rtol=1e-6)


@NORMS
@pytest.mark.parametrize("shape", [(4,), (7, 4), (3, 5, 4)])
def test_first_layer_is_exact_for_every_batch_size(norm, shape):
    x = noise(33, *shape) * np.array([1, 10, 0.1, 1]) + np.array([0, 1000, -3, 1e4])
    model = single(norm, shape)
    expected = x.astype("float32").astype("float64").reshape(-1, 4)
    std = expected.std(0)
    for batch_size in (8, 16, 100):
        estimate_population_statistics(model, x, batch_size=batch_size)
        mean, variance = statistics(model.layers[0])
        np.testing.assert_allclose(mean / std, expected.mean(0) / std, rtol=1e-7, atol=1e-6)
        np.testing.assert_allclose(variance, std**2, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_channels_first_and_mixed_precision(dtype):
    x = noise(20, 3, 4, 4) + 5
    model = single(shape=(3, 4, 4), axis=1, dtype=dtype)
    estimate_population_statistics(model, x, batch_size=7)
    seen = x.astype(dtype.removeprefix("mixed_")).astype("float64")
    np.testing.assert_allclose(statistics(model.layers[0]), [seen.mean((0, 2, 3)), seen.var((0, 2, 3))], rtol=1e-5)


def test_many_values_far_from_zero_keep_their_digits():
    x = noise(2, 400, 400, 1) + 1000
    model = single(shape=(400, 400, 1))
    estimate_population_statistics(model, x)
    mean, variance = statistics(model.layers[0])
    np.testing.assert_allclose(mean, x.astype("float64").mean(), rtol=1e-7)
    np.testing.assert_allclose(variance, x.astype("float64").var(), rtol=1e-5)


@NORMS
def test_masked_positions_do_not_count(norm):
    model = keras.Sequential([keras.Input((4, 2)), layers.Masking(), norm()])
    x = noise(9, 4, 2)
    x[::2, 1:] = 0
    x[1] = 0
    estimate_population_statistics(model, x, batch_size=2)
    kept = x[np.any(x != 0, axis=-1)].astype("float64")
    mean, variance = statistics(model.layers[1])
    np.testing.assert_allclose(mean, kept.mean(0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(variance, kept.var(0), rtol=1e-5)


def second_input(model, normalized):
    """What reaches the second BN layer of `deep`, in float64."""
    _, dense, _, inner, _ = model.layers
    w, b, v, c = (value_of(p).astype("float64") for p in (dense.kernel, dense.bias, *inner.layers[0].weights))
    return np.tanh(normalized @ w + b) @ v + c


@NORMS
@pytest.mark.parametrize("sequential", [False, True])
def test_deep_layers_see_batches_as_in_training_or_all_data_at_once(norm, sequential):
    model, *norms = deep(norm)
    estimate_population_statistics(model, X, batch_size=10, sequential=sequential)
    x = X.astype("float64")
    batches = [x] if sequential else [x[i : i + 10] for i in range(0, 48, 10)]
    z = np.concatenate([second_input(model, (b - b.mean(0)) / np.sqrt(b.var(0) + 1e-3)) for b in batches])
    for layer, seen in zip(norms, (x, z), strict=True):
        mean, variance = statistics(layer)
        np.testing.assert_allclose(mean, seen.mean(0), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(variance, seen.var(0), rtol=1e-4)


def test_a_shared_layer_pools_its_calls():
    norm = BatchNormLayer()
    a, b = keras.Input((2,)), keras.Input((2,))
    model = keras.Model([a, b], layers.Add()([norm(a), norm(b)]))
    x, y = noise(11, 2), noise(11, 2, seed=1) + 3
    estimate_population_statistics(model, [x, y], batch_size=4)
    both = np.concatenate([x, y]).astype("float64")
    np.testing.assert_allclose(statistics(norm), [both.mean(0), both.var(0)], rtol=1e-5)


class InBatches(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return X[12 * i : 12 * i + 12], Y[12 * i : 12 * i + 12]


def test_every_kind_of_data_gives_the_same():
    model, first, second = deep()
    estimate_population_statistics(model, X, batch_size=12)
    expected = [*statistics(first), *statistics(second)]
    for x, steps in ((InBatches(), None), ((InBatches()[i] for i in range(9)), 4), (iter([(X[:12],)] * 4), 1)):
        estimate_population_statistics(model, x, steps=steps)
        found = [*statistics(first), *statistics(second)]
        if steps != 1:
            np.testing.assert_array_equal(np.concatenate(found), np.concatenate(expected))
        else:
            np.testing.assert_allclose(found[0], X[:12].mean(0), rtol=1e-6)


@pytest.mark.tensorflow
def test_tf_data():
    import tensorflow as tf

    model, first, _ = deep()
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(10)
    for x, steps in ((data, None), (data.filter(lambda *_: True), None), (data.repeat(), 5)):
        first.moving_mean.assign(np.zeros(5))
        estimate_population_statistics(model, x, steps=steps)
        np.testing.assert_allclose(statistics(first)[0], X.mean(0), rtol=1e-6)
    with pytest.raises(ValueError, match="`steps`"):
        estimate_population_statistics(model, data.repeat())
    with pytest.raises(ValueError, match=r"`x`.*Received: 0"):
        estimate_population_statistics(model, data.filter(lambda *_: False))


@NORMS
def test_estimating_touches_nothing_but_moving_statistics(norm):
    model, first, second = deep(norm)
    model.fit(X, Y, batch_size=16, verbose=0)
    model.evaluate(X, Y, verbose=0)
    moving = {id(v) for layer in (first, second) for v in (layer.moving_mean, layer.moving_variance)}
    others = [v for v in model.variables + model.optimizer.variables if id(v) not in moving]
    before = [value_of(v) for v in others]
    estimate_population_statistics(model, X, batch_size=16)
    for old, variable in zip(before, others, strict=True):
        np.testing.assert_array_equal(old, value_of(variable))
    # What was compiled before uses the new statistics.
    logits = ops.convert_to_numpy(model(X)).astype("float64")
    expected = np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(48), Y])
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0)[0], expected, rtol=1e-4)


def test_layers_left_out_keep_and_use_their_statistics():
    model, first, second = deep()
    estimate_population_statistics(model, X, batch_size=10, layers=[second])
    np.testing.assert_array_equal(statistics(first), [np.zeros(5), np.ones(5)])
    seen = second_input(model, X.astype("float64") / np.sqrt(1 + 1e-3))
    np.testing.assert_allclose(statistics(second), [seen.mean(0), seen.var(0)], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (X[:0], {}, r"`x`.*\(0, 5\)"),
        (X[:1], {}, "Received: 1 at layer 'first'"),
        (X, {"batch_size": 48, "steps": 3}, "`x`.* 3 .*Received: 1"),
        (InBatches(), {"steps": 5}, "`x`.* 5 .*Received: 4"),
        (iter([X, X]), {"steps": 3}, "`x`.* 3 .*Received: 2"),
        (iter([]), {"steps": 3}, "`x`.* 3 .*Received: 0"),
        (iter([X]), {}, "`steps`"),
        (iter([X]), {"steps": 1, "sequential": True}, "`sequential=True`"),
        (InBatches(), {"batch_size": 3}, "batch_size=3"),
        (X, {"batch_size": 0}, "batch_size=0"),
        (X[:, :4], {}, r"`x`.*\[\(None, 5\)\].*\[\(32, 4\)\]"),
        (np.where(X > 12, np.nan, X), {}, "`x`.*'first'"),
        ([X, X[:3]], {}, r"`x`.*\(48, 5\), \(3, 5\)"),
        (np.full((3, 5), "a"), {}, "`x`"),
    ],
)
def test_bad_data_leaves_the_statistics_as_they_are(x, options, message):
    model, first, _ = deep()
    with pytest.raises((ValueError, TypeError), match=message):
        estimate_population_statistics(model, x, **options)
    np.testing.assert_array_equal(statistics(first), [np.zeros(5), np.ones(5)])


def test_bad_models():
    plain = keras.Sequential([keras.Input((5,)), layers.Dense(2, name="only")])
    for tool in (lambda m: estimate_population_statistics(m, X), lambda m: batch_statistics(m).__enter__()):
        with pytest.raises(ValueError, match=r"`model`.*\['only'\]"):
            tool(plain)
        with pytest.raises(TypeError, match="model='model'"):
            tool("model")
    # Releases of Keras without the argument refuse it themselves.
    with pytest.raises(ValueError, match="renorm"):
        estimate_population_statistics(single(layers.BatchNormalization, (5,), renorm=True), X)
    with pytest.raises(ValueError, match=r"`layers`.*layers=\[<BatchNormLayer"):
        estimate_population_statistics(single(shape=(5,)), X, layers=[BatchNormLayer()])


def test_a_last_batch_of_one_value_warns():
    model, _, _ = deep()
    with pytest.warns(UserWarning, match="one value per channel"):
        estimate_population_statistics(model, X[:13], batch_size=4)


def by_batches(model, x, batch_size):
    return np.concatenate(
        [ops.convert_to_numpy(model(x[i : i + batch_size], training=True)) for i in range(0, len(x), batch_size)]
    )


@NORMS
@pytest.mark.parametrize("trainable", [True, False])
def test_batch_statistics_equal_training_without_dropout(norm, trainable):
    model, first, second = deep(norm)
    first.gamma.assign([1, 2, -3, 4, 5])
    twin, *_ = deep(norm, dropout=0.0)
    twin.set_weights(model.get_weights())
    expected = by_batches(twin, X, 12)
    model.predict(X, batch_size=12, verbose=0)
    model.evaluate(X, Y, batch_size=12, verbose=0)
    second.trainable = first.trainable = trainable
    before = [value_of(v) for v in model.variables]
    with batch_statistics(model) as same:
        assert same is model
        predicted = model.predict(X, batch_size=12, verbose=0)
        _, accuracy = model.evaluate(X, Y, batch_size=12, verbose=0)
        called = ops.convert_to_numpy(model(X[:12]))
    np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(called, expected[:12], rtol=1e-4, atol=1e-5)
    assert accuracy == pytest.approx(np.mean(expected.argmax(1) == Y))
    metrics = {id(v) for v in model.metrics_variables}
    for old, variable in zip(before, model.variables, strict=True):
        assert id(variable) in metrics or np.array_equal(old, value_of(variable))


def test_everything_is_restored_after_nesting_and_exceptions():
    model, _, _ = deep(layers.BatchNormalization)
    inner = model.layers[3]
    usual, usual_inner = model.predict(X, verbose=0), inner.predict(noise(6, 8), verbose=0)
    with batch_statistics(model):
        own = model.predict(X, verbose=0)
        assert not np.allclose(inner.predict(noise(6, 8), verbose=0), usual_inner)
        with batch_statistics(inner), batch_statistics(model):
            np.testing.assert_array_equal(model.predict(X, verbose=0), own)
        with contextlib.suppress(ZeroDivisionError), batch_statistics(model):
            raise ZeroDivisionError
        np.testing.assert_array_equal(model.predict(X, verbose=0), own)
    assert not np.allclose(own, usual)
    np.testing.assert_array_equal(model.predict(X, verbose=0), usual)
    np.testing.assert_allclose(ops.convert_to_numpy(model(X)), usual, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(inner.predict(noise(6, 8), verbose=0), usual_inner)


def test_compiling_inside_of_the_context_lasts():
    model, _, _ = deep()
    model.evaluate(X, Y, verbose=0)
    with batch_statistics(model):
        model.compile("sgd", model.loss, metrics=[])
        model.evaluate(X, Y, verbose=0)
    logits = ops.convert_to_numpy(model(X)).astype("float64")
    expected = np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(48), Y])
    logs = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert set(logs) == {"loss"}
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)


def test_each_context_compiles_for_itself_and_nothing_is_compiled_afterwards():
    model = keras.Sequential([keras.Input((5,)), BatchNormLayer(), Traced(1)])
    model.compile("sgd", "mse")
    data = {"validation_data": (X, X[:, :1]), "batch_size": 12}
    uses = [
        lambda: model.predict(X, verbose=0),
        lambda: model.evaluate(X, X[:, :1], verbose=0),
        lambda: model.fit(X, X[:, :1], verbose=0, **data),
        lambda: training.fit(model, X, X[:, :1], **data),
    ]

    assert all(map(traces, uses))
    with batch_statistics(model):
        assert all(map(traces, uses))
        assert not any(map(traces, uses))
    assert not any(map(traces, uses))


def test_training_inside_of_the_context():
    model = single(shape=(5,))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    norm, y = model.layers[0], np.zeros_like(X)
    options = {"batch_size": 12, "validation_data": (X, y), "jit": "auto" if keras.config.backend() == "jax" else False}
    normalized = (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-3)
    moving = [0, 0]
    for context, of_batch in ((contextlib.nullcontext(), False), (batch_statistics(model), True)):
        with context:
            own = training.fit(model, X, y, validation_batch_size=48, **options).history["val_loss"][0]
            assert (own == pytest.approx(np.mean(normalized**2), rel=1e-4)) == of_batch
        moving.append(statistics(norm)[0][0])
    # The moving statistics are updated as ever: 4 steps each, of momentum 0.99.
    np.testing.assert_allclose(moving[2:], (1 - 0.99 ** np.array([4, 8])) * X.mean(0)[0], rtol=0.05)
    own = training.fit(model, X, y, **options).history["val_loss"][0]
    assert own == pytest.approx(model.evaluate(X, y, verbose=0), rel=1e-4)


@NORMS
def test_a_batch_of_one_warns(norm):
    model, _, _ = deep(norm)
    model.predict(X[:4], batch_size=2, verbose=0)
    with batch_statistics(model):
        with pytest.warns(UserWarning, match="one value per channel"):
            model.predict(X[:2], batch_size=1, verbose=0)
        with pytest.warns(UserWarning, match="one value per channel"):
            model.evaluate(X[:5], Y[:5], batch_size=2, verbose=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.evaluate(X[:4], Y[:4], batch_size=2, verbose=0)


def test_keras_masks_reach_the_batch_statistics():
    x = noise(6, 4, 2)
    x[::2, 2:] = 0
    kept = np.any(x != 0, axis=-1)
    for norm in (layers.BatchNormalization, BatchNormLayer):
        model = keras.Sequential([keras.Input((4, 2)), layers.Masking(), norm()])
        with batch_statistics(model):
            y = model.predict(x, verbose=0)
        seen = x[kept].astype("float64")
        expected = (seen - seen.mean(0)) / np.sqrt(seen.var(0) + 1e-3)
        np.testing.assert_allclose(y[kept], expected, rtol=1e-4, atol=1e-5)


class WithSpare(keras.Model):
    def __init__(self):
        super().__init__()
        self.norm, self.spare = BatchNormLayer(), BatchNormLayer(name="spare")

    def build(self, input_shape):
        self.norm.build(input_shape)
        self.spare.build(input_shape)
        self.built = True

    def call(self, x):
        return self.norm(x)


def test_a_layer_that_is_not_called_is_told():
    model = WithSpare()
    model.build((None, 5))
    for sequential in (False, True):
        with pytest.raises(ValueError, match="Received: 0 at layer 'spare'"):
            estimate_population_statistics(model, X, sequential=sequential)
    np.testing.assert_array_equal(statistics(model.norm)[0], np.zeros(5))


def test_statistics_again_are_of_the_weights_and_data_at_hand():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), BatchNormLayer(), keras.layers.Dense(2)])
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    dense, norm = model.layers[:2]
    for scale in (1.0, 3.0):  # the second time with what was compiled the first time
        dense.set_weights([scale * np.ones((3, 4), "float32"), np.zeros(4, "float32")])
        estimate_population_statistics(model, scale * x, progress=False)
        np.testing.assert_allclose(norm.moving_mean, np.full(4, scale**2 * x.sum(1).mean()), rtol=1e-4)
    model.add(BatchNormLayer())
    estimate_population_statistics(model, x, progress=False)
    z = model.layers[2](norm(dense(x)))
    np.testing.assert_allclose(model.layers[3].moving_variance, np.var(z, axis=0), rtol=1e-4)
