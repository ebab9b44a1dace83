"""Batch normalization: values worked out by hand, closed forms, gradients, options beyond Keras's, bad input."""

import re

import keras
import numpy as np
import pytest
from keras import ops

from bnkeras.layers import BatchNormLayer, _fused, _fused_groups

to_numpy = ops.convert_to_numpy
COLUMN = np.array([[1.0], [3.0]], "float32")


def draw(*shape, seed=0, dtype="float32"):
    return np.random.default_rng(seed).normal(1, 2, shape).astype(dtype)


def built(shape, seed=1, **kwargs):
    """A layer and Keras's own with the same drawn weights."""
    shared = {k: v for k, v in kwargs.items() if k not in ("group_size", "inference")}
    ours, theirs = BatchNormLayer(**kwargs), keras.layers.BatchNormalization(**shared)
    for layer in (ours, theirs):
        layer.build(shape)
    weights = [np.abs(draw(*w.shape, seed=seed + i)) for i, w in enumerate(ours.weights)]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


def test_two_values_by_hand():
    layer = BatchNormLayer(epsilon=0.0, momentum=0.75)
    np.testing.assert_allclose(to_numpy(layer(COLUMN, training=True)), [[-1], [1]])
    assert to_numpy(layer.moving_mean) == 0.75 * 0 + 0.25 * 2
    assert to_numpy(layer.moving_variance) == 0.75 * 1 + 0.25 * 1
    layer.set_weights(np.array([[2.0], [1.0], [5.0], [4.0]]))
    np.testing.assert_allclose(to_numpy(layer(COLUMN, training=True)), [[-1], [3]])
    layer.set_weights(np.array([[2.0], [1.0], [5.0], [4.0]]))
    np.testing.assert_allclose(to_numpy(layer(COLUMN)), [[2 * (1 - 5) / 2 + 1], [2 * (3 - 5) / 2 + 1]])
    assert to_numpy(layer.moving_mean) == 5


def test_mask_by_hand():
    layer = BatchNormLayer(epsilon=0.0, momentum=0.0)
    y = layer(np.array([[1.0], [3.0], [8.0]], "float32"), training=True, mask=np.array([True, True, False]))
    np.testing.assert_allclose(to_numpy(y), [[-1], [1], [6]], rtol=1e-6)
    np.testing.assert_allclose(to_numpy(layer.moving_mean), 2, rtol=1e-6)


def test_masked_nan_does_not_spread():
    x, mask = draw(4, 2, 3), np.ones((4, 2), bool)
    x[1, 1], mask[1, 1] = np.nan, False
    layer = BatchNormLayer()
    assert np.isfinite(to_numpy(layer(x, training=True, mask=mask))[mask]).all()
    assert np.isfinite(layer.get_weights()).all()


@pytest.mark.parametrize(("shape", "axis"), [((8, 3, 5, 4), 1), ((4, 3, 3, 3, 8), -1)])
def test_output_has_mean_beta_and_the_variance_that_epsilon_leaves(shape, axis):
    layer, _ = built(shape, axis=axis, epsilon=0.1)
    x = draw(*shape).astype("float64")
    y = np.moveaxis(to_numpy(layer(x, training=True)).astype("float64"), axis, -1).reshape(-1, shape[axis])
    gamma, beta, *_ = (w.astype("float64") for w in layer.get_weights())
    variance = np.moveaxis(x, axis, -1).reshape(-1, shape[axis]).var(0)
    np.testing.assert_allclose(y.mean(0), beta, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(y.var(0), gamma**2 * variance / (variance + 0.1), rtol=1e-5)


@pytest.mark.tensorflow
def test_blind_to_the_scale_of_the_weights():
    import tensorflow as tf

    x, w = tf.constant(draw(8, 4, dtype="float64")), tf.constant(draw(4, 3, seed=1, dtype="float64"))
    layer = BatchNormLayer(epsilon=0.0, dtype="float64")
    results = []
    for a in (1.0, 7.0):
        with tf.GradientTape() as tape:
            aw = a * w
            tape.watch([x, aw])
            y = layer(x @ aw, training=True)
            loss = tf.reduce_sum(y**3)
        results.append([y, *tape.gradient(loss, [x, aw])])
    (y, dx, dw), (y_a, dx_a, dw_a) = results
    np.testing.assert_allclose(y_a, y, rtol=1e-10)
    np.testing.assert_allclose(dx_a, dx, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(dw_a, dw / 7, rtol=1e-8, atol=1e-10)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("shape", "kwargs", "masked"),
    [
        ((5, 3), {}, False),
        ((4, 2, 3), {"axis": 1}, False),
        ((4, 3, 2), {}, True),
        ((6, 2, 2), {"group_size": 3}, False),
        ((6, 2, 2), {"group_size": 2}, True),
    ],
)
def test_numeric_gradients(shape, kwargs, masked):
    import tensorflow as tf

    layer, _ = built(shape, dtype="float64", **kwargs)
    mask = np.arange(np.prod(shape[:-1])).reshape(shape[:-1]) % 3 > 0 if masked else None
    weighting = draw(*shape, seed=5, dtype="float64")

    def loss(x, gamma, beta):
        with keras.StatelessScope([(layer.gamma, gamma), (layer.beta, beta)]):
            return tf.reduce_sum(layer(x, training=True, mask=mask) * weighting)

    arguments = [tf.constant(a) for a in (draw(*shape, dtype="float64"), *layer.get_weights()[:2])]
    analytic, numeric = tf.test.compute_gradient(loss, arguments, delta=1e-5)
    for a, n in zip(analytic, numeric, strict=True):
        np.testing.assert_allclose(a, n, rtol=1e-6, atol=1e-7)


@pytest.mark.tensorflow
@pytest.mark.parametrize("training", [True, False])
def test_second_derivatives_of_the_fused_kernel(monkeypatch, training):
    import tensorflow as tf

    monkeypatch.setattr(_fused, "_pays_on_cpu", lambda *args: True)
    x = tf.constant(draw(4, 3, 3, 4))
    results = []
    for layer in built(x.shape):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                loss = tf.reduce_sum(layer(x, training=training) ** 3)
            penalty = tf.reduce_sum(inner.gradient(loss, x) ** 2)
        results.append(outer.gradient(penalty, [x, layer.gamma.value]))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())


def graph_of(shape, signature=None, training=True, **kwargs):
    import tensorflow as tf

    layer = BatchNormLayer(**kwargs)
    layer.build(shape)
    function = tf.function(lambda x: layer(x, training=training))
    return function.get_concrete_function(tf.TensorSpec(signature or shape, layer.compute_dtype)).graph


def is_fused(*args, **kwargs):
    return "FusedBatchNormV3" in {operation.type for operation in graph_of(*args, **kwargs).get_operations()}


@pytest.mark.tensorflow
def test_fused_kernel_where_it_pays_on_a_processor(monkeypatch):
    monkeypatch.setattr(_fused, "has_accelerator", lambda: False)
    assert is_fused((64, 8, 8, 64))
    assert is_fused((64, 8, 8, 64), (None, None, None, 64))
    assert is_fused((64, 8, 8, 64), training=False)
    assert is_fused((64, 8, 8, 64), epsilon=0.0)
    for kwargs in ({"axis": 1}, {"dtype": "float64"}, {"group_size": 2}, {"synchronized": True}):
        assert not is_fused((64, 8, 8, 64), **kwargs)
    assert not is_fused((64, 8, 8, 63))
    assert not is_fused((64, 10))
    assert is_fused((1024, 256))
    assert not is_fused((1024, 256), training=False)
    assert [is_fused((64, 8, 8, 40), training=training) for training in (True, False)] == [True, False]
    assert [is_fused((16, 8, 8, 64), dtype=dtype) for dtype in ("float32", "mixed_bfloat16")] == [False, True]
    assert not is_fused((64, 8, 8, 40), dtype="mixed_bfloat16")
    for dtype in ("float32", "mixed_bfloat16"):
        assert is_fused((64, 8, 8, 64), dtype=dtype, group_size=8)


@pytest.mark.tensorflow
def test_fused_kernel_wherever_it_applies_on_an_accelerator(monkeypatch):
    monkeypatch.setattr(_fused, "has_accelerator", lambda: True)
    for dtype in ("float32", "mixed_float16", "mixed_bfloat16"):
        assert is_fused((4, 3, 3, 3), dtype=dtype)
    assert not is_fused((64, 8, 8, 64), epsilon=1e-6)


@pytest.mark.tensorflow
@pytest.mark.parametrize("training", [True, False])
def test_fused_kernel_takes_half_precision_as_it_is(training):
    operations = graph_of((64, 8, 8, 64), training=training, dtype="mixed_bfloat16").get_operations()
    images = {t.dtype.name for operation in operations for t in operation.outputs if t.shape.rank == 4}
    assert images == {"bfloat16"}


@pytest.mark.tensorflow
@pytest.mark.parametrize("shape", [(12, 4, 4, 8), (12, 8, 8)])
@pytest.mark.parametrize("known", [True, False])
def test_fused_groups_are_separate_operations(monkeypatch, shape, known):
    import tensorflow as tf

    monkeypatch.setattr(_fused, "_pays_on_cpu", lambda *args: True)
    x, weights = tf.constant(draw(*shape)), tf.constant(draw(*shape))
    results = []
    for least in (0, 10**9):
        for name in ("MIN_GROUP_ELEMENTS", "MIN_LOOPED_ELEMENTS"):
            monkeypatch.setattr(_fused_groups, name, least)
        layer = BatchNormLayer(group_size=4, momentum=0.5)
        layer.build(shape)
        layer.gamma.assign(np.linspace(0.5, 2, 8))

        @tf.function(input_signature=[tf.TensorSpec(shape if known else (None, *shape[1:]))], autograph=False)
        def step(x, layer=layer):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=True)
                loss = tf.reduce_sum(y * weights)
            return y, *tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])

        graph = step.get_concrete_function().graph
        fused = [op for op in graph.as_graph_def().library.function if "fused" in op.signature.name.lower()]
        kernels = [
            op.type for op in graph.get_operations() if op.type in ("FusedBatchNormV3", "While", "StatelessWhile")
        ]
        assert bool(kernels or fused) == (least == 0)
        results.append([*step(x), layer.moving_mean.value, layer.moving_variance.value])
    for fast, plain in zip(*results, strict=True):
        np.testing.assert_allclose(fast, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.tensorflow
def test_fused_groups_have_second_derivatives(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(_fused_groups, "MIN_GROUP_ELEMENTS", 0)
    monkeypatch.setattr(_fused, "_pays_on_cpu", lambda *args: True)
    x, results = tf.constant(draw(8, 3, 3, 4)), []
    for size in (8, None):
        layer = BatchNormLayer(group_size=size)
        layer.build(x.shape)
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                loss = tf.reduce_sum(layer(x, training=True) ** 3)
            penalty = tf.reduce_sum(inner.gradient(loss, x) ** 2)
        results.append(outer.gradient(penalty, x))
    np.testing.assert_allclose(*results, rtol=1e-3, atol=1e-4 * np.abs(results[1]).max())


@pytest.mark.tensorflow
def test_no_fused_kernel_under_xla(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(_fused, "kernel", None)
    ours, theirs = built((64, 8, 8, 64))
    x = draw(64, 8, 8, 64)
    y = tf.function(ours, jit_compile=True)(x, training=True)
    np.testing.assert_allclose(y, theirs(x, training=True), rtol=1e-5, atol=1e-5)


def test_takes_keras_weights_and_configuration():
    theirs = keras.layers.BatchNormalization(axis=1, momentum=0.5, gamma_regularizer="l2", name="bn")
    theirs.build((None, 3, 4))
    ours = BatchNormLayer.from_config(theirs.get_config())
    ours.build((None, 3, 4))
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    weights = [draw(3, seed=i) for i in range(4)]
    ours.set_weights(weights)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_array_equal(theirs.get_weights(), weights)


def test_save_load_and_clone(tmp_path):
    inputs = keras.Input((6, 3))
    outputs = BatchNormLayer(axis=1, beta_constraint="non_neg", group_size=2, inference="batch")(inputs)
    model = keras.Model(inputs, BatchNormLayer(name="last")(outputs))
    model.layers[-1].set_weights([np.abs(draw(3, seed=i)) for i in range(4)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[1].get_config() == model.layers[1].get_config()
    x = draw(4, 6, 3)
    np.testing.assert_allclose(to_numpy(loaded(x)), to_numpy(model(x)), rtol=1e-6)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_allclose(to_numpy(clone(x)), to_numpy(model(x)), rtol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_keeps_statistics_in_float32(policy):
    layer = BatchNormLayer(momentum=0.0, dtype=policy)
    y = layer(np.array([[-60000.0], [60000.0]], "float32"), training=True)
    assert keras.backend.standardize_dtype(y.dtype) == policy.removeprefix("mixed_")
    assert {w.dtype for w in layer.weights} == {"float32"}
    np.testing.assert_allclose(to_numpy(ops.cast(y, "float32")), [[-1], [1]], rtol=1e-2)
    np.testing.assert_allclose(to_numpy(layer.moving_variance), 3.6e9, rtol=1e-2)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_integer_inputs_as_in_keras(dtype):
    x = np.array([[0, 1], [1, 1], [1, 0]], dtype)
    ours, theirs = built(x.shape)
    np.testing.assert_allclose(to_numpy(ours(x, training=True)), to_numpy(theirs(x, training=True)), rtol=1e-6)


def test_groups_by_hand():
    layer = BatchNormLayer(epsilon=0.0, momentum=0.0, group_size=2)
    y = layer(np.array([[1.0], [3.0], [10.0], [16.0]], "float32"), training=True)
    np.testing.assert_allclose(to_numpy(y), [[-1], [1], [-1], [1]])
    np.testing.assert_allclose(to_numpy(layer.moving_mean), [(2 + 13) / 2])
    np.testing.assert_allclose(to_numpy(layer.moving_variance), [(1 + 9) / 2])


@pytest.mark.parametrize("size", [2, 6])
@pytest.mark.parametrize(("shape", "axis"), [((6, 4), -1), ((6, 3, 4), 1), ((6, 2, 3, 4), -1), ((6, 4, 2, 2), 1)])
def test_groups_equal_separate_batches(shape, axis, size):
    layer, single = built(shape, axis=axis, group_size=size)
    x = draw(*shape)
    expected = np.concatenate([to_numpy(single(part, training=True)) for part in np.split(x, 6 // size)])
    np.testing.assert_allclose(to_numpy(layer(x, training=True)), expected, rtol=1e-5, atol=1e-5)


def test_group_size_must_divide_the_batch():
    layer = BatchNormLayer(group_size=4)
    with pytest.raises(ValueError, match=r"group_size=4.* 6"):
        layer(draw(6, 3), training=True)
    assert layer(draw(6, 3)).shape == (6, 3)


@pytest.mark.tensorflow
def test_group_size_must_divide_a_batch_of_unknown_size():
    import tensorflow as tf

    layer = BatchNormLayer(group_size=4)
    layer.build((None, 3))
    step = tf.function(lambda x: layer(x, training=True), input_signature=[tf.TensorSpec((None, 3))])
    assert step(draw(8, 3)).shape == (8, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="group_size=4"):
        step(draw(6, 3))


@pytest.mark.parametrize("trainable", [True, False])
def test_inference_with_the_statistics_of_the_batch(trainable):
    layer, theirs = built((8, 3), inference="batch")
    layer.trainable = trainable
    x, before = draw(8, 3), layer.get_weights()
    theirs_before = theirs(x)
    expected = to_numpy(theirs(x, training=True))
    np.testing.assert_allclose(to_numpy(layer(x)), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(to_numpy(layer(x, training=False)), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(layer.get_weights(), before)
    layer.inference = "population"
    np.testing.assert_allclose(to_numpy(layer(x)), to_numpy(theirs_before), rtol=1e-5, atol=1e-6)
    assert np.abs(to_numpy(layer(x)) - expected).max() > 0.1


def test_batch_of_one_warns():
    with pytest.warns(UserWarning, match="one value per channel.*output is `beta`"):
        y = BatchNormLayer(beta_initializer="ones")(draw(1, 3), training=True)
    np.testing.assert_array_equal(to_numpy(y), np.ones((1, 3)))
    with pytest.warns(UserWarning, match="one value per channel"):
        BatchNormLayer(group_size=1)(draw(4, 3), training=True)
    model = keras.Sequential([keras.Input((3,)), BatchNormLayer(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="one value per channel"):
        model.fit(draw(2, 3), draw(2, 1), batch_size=1, verbose=0)
    BatchNormLayer()(draw(1, 2, 3), training=True)
    BatchNormLayer()(draw(1, 3))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"axis": [1, 2]}, r"axis=\[1, 2\]"),
        ({"momentum": 1.5}, "momentum=1.5"),
        ({"momentum": -0.1}, "momentum=-0.1"),
        ({"epsilon": -1e-3}, "epsilon=-0.001"),
        ({"epsilon": float("nan")}, "epsilon=nan"),
        ({"momentum": None}, "momentum=None"),
        ({"epsilon": "small"}, "epsilon='small'"),
        ({"group_size": 0}, "group_size=0"),
        ({"group_size": 2.5}, "group_size=2.5"),
        ({"inference": "moving"}, "inference='moving'"),
        ({"group_size": 2, "synchronized": True}, "synchronized=True, group_size=2"),
        ({"group_size": 2, "renorm": True}, "renorm=True, group_size=2"),
        ({"renorm": True, "renorm_clipping": 3}, "renorm_clipping=3"),
        ({"renorm": True, "renorm_clipping": {"rmax": "2"}}, "renorm_clipping={'rmax': '2'}"),
        ({"renorm": True, "renorm_clipping": {"dmax": float("nan")}}, "renorm_clipping={'dmax': nan}"),
        ({"renorm": True, "renorm_momentum": 1.5}, "renorm_momentum=1.5"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        BatchNormLayer(**kwargs)


@pytest.mark.parametrize("axis", [2, -3])
def test_axis_out_of_range(axis):
    for inputs in (draw(4, 3), keras.Input((3,))):
        with pytest.raises(ValueError, match=f"axis={axis}"):
            BatchNormLayer(axis=axis)(inputs)


@pytest.mark.parametrize("shape", [(4, 5), (4, 7), (2, 1), (4,), (4, 3, 2)])
@pytest.mark.parametrize("training", [True, False])
def test_bad_masks(shape, training):
    with pytest.raises(ValueError, match=re.escape(f"mask of shape {shape}, inputs of shape (4, 3, 2)")):
        BatchNormLayer()(draw(4, 3, 2), training=training, mask=np.ones(shape, bool))


def test_bad_inputs():
    layer = BatchNormLayer()
    layer(draw(4, 3))
    for other in (draw(4, 2, 3), draw(4, 2)):
        with pytest.raises(ValueError, match="incompatible"):
            layer(other)
    with pytest.raises(ValueError, match=r"`mask`.*\(4, 3\).*\(4, 3\)"):
        layer(draw(4, 3), mask=np.ones((4, 3), bool), training=True)
    with pytest.raises(ValueError, match=r"axis=1.*\(None, None, 3\)"):
        BatchNormLayer(axis=1)(keras.Input((None, 3)))
    with pytest.raises(ValueError, match=r"`group_size`.*axis=0"):
        BatchNormLayer(axis=0, group_size=2)(draw(4, 3))
