"""`BatchNormLayer` against Keras's own layer on drawn shapes, axes, dtypes, masks and flags, over several steps."""

import math

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnkeras.layers import BatchNormLayer, _fused

BACKEND = keras.backend.backend()
STEPS = 3
TOLERANCE = {"float32": 1e-5, "float64": 1e-12, "mixed_float16": 2e-3, "mixed_bfloat16": 2e-2}


@st.composite
def cases(draw, dtypes):
    rank = draw(st.integers(2, 5))
    shape = [draw(st.integers(6, 9)), *(draw(st.integers(1, 4)) for _ in range(rank - 1))]
    axis = draw(st.sampled_from([-1, -1, -1, 1, rank - 1]))
    shape[axis] = draw(st.sampled_from([1, 2, 3, 4, 4, 8]))
    mask_shape = None
    if draw(st.integers(0, 3)) == 0 and shape[axis] > 1:
        mask_shape = [n if draw(st.integers(0, 3)) else 1 for n in shape[:-1]]
    return {
        "shape": shape,
        "mask_shape": mask_shape,
        "seed": draw(st.integers(0, 2**16)),
        "training": draw(st.sampled_from([True, True, True, False, None])),
        "trainable": draw(st.sampled_from([True, True, True, False])),
        "fused": draw(st.booleans()),
        "kwargs": {
            "axis": axis,
            "dtype": draw(st.sampled_from(dtypes)),
            "momentum": draw(st.sampled_from([0.0, 0.5, 0.99, 1.0])),
            "epsilon": draw(st.sampled_from([1e-5, 1.1e-5, 1e-3, 0.1])),
            "center": draw(st.booleans()),
            "scale": draw(st.booleans()),
        },
    }


def draw_arrays(case):
    """Inputs and output gradients for each step, a mask, and values of gamma, beta and the moving statistics."""
    rng = np.random.default_rng(case["seed"])
    shape, channels = case["shape"], case["shape"][case["kwargs"]["axis"]]
    dtype = "float64" if case["kwargs"]["dtype"] == "float64" else "float32"
    spread = rng.uniform(0.5, 3, size=(STEPS, *[1] * len(shape)))
    x = (rng.normal(size=(STEPS, *shape)) * spread + rng.uniform(-3, 3)).astype(dtype)
    dy = rng.normal(1, 1, size=(STEPS, *shape)).astype(dtype)
    mask = None if case["mask_shape"] is None else rng.random(case["mask_shape"]) < 0.7
    return x, dy, mask, rng.uniform(0.5, 2, size=(4, channels))


def make(cls, case, values):
    layer = cls(**case["kwargs"])
    layer.build(case["shape"])
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    for name, value in zip(names, values, strict=True):
        if getattr(layer, name) is not None:
            getattr(layer, name).assign(value)
    layer.trainable = case["trainable"]
    return layer


def tensorflow_step(layer, case, mask, mode):
    import tensorflow as tf

    def step(x, dy):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=case["training"], mask=mask)
        sources = [x, *(w.value for w in layer.trainable_weights)]
        return y, *tape.gradient(y, sources, output_gradients=tf.cast(dy, y.dtype))

    if mode != "eager":
        spec = tf.TensorSpec([None, *case["shape"][1:]], "float64" if layer.dtype == "float64" else "float32")
        signature = [spec, spec] if mode == "graph" else None
        step = tf.function(step, jit_compile=mode == "xla", input_signature=signature)
    return lambda x, dy: step(tf.convert_to_tensor(x), tf.convert_to_tensor(dy))


def jax_step(layer, case, mask, mode):
    import jax

    def forward(x, trainable, fixed):
        return layer.stateless_call(trainable, fixed, x, training=case["training"], mask=mask)

    def step(x, dy, trainable, fixed):
        y, pull, fixed = jax.vjp(lambda x, t: forward(x, t, fixed), x, trainable, has_aux=True)
        dx, dw = pull(dy.astype(y.dtype))
        return [y, dx, *dw], fixed

    step = step if mode == "eager" else jax.jit(step)

    def run(x, dy):
        trainable, fixed = ([w.value for w in ws] for ws in (layer.trainable_weights, layer.non_trainable_weights))
        results, fixed = step(x, dy, trainable, fixed)
        for weight, value in zip(layer.non_trainable_weights, fixed, strict=True):
            weight.assign(value)
        return results

    return run


def run(layer, case, arrays, mode):
    x, dy, mask, _ = arrays
    step = (tensorflow_step if BACKEND == "tensorflow" else jax_step)(layer, case, mask, mode)
    steps = []
    for i in range(STEPS):
        results = [*step(x[i], dy[i]), layer.moving_mean, layer.moving_variance]
        steps.append([keras.ops.convert_to_numpy(r).astype("float64") for r in results])
    return steps


def check(case, mode):
    arrays = draw_arrays(case)
    ours, theirs = (make(cls, case, arrays[-1]) for cls in (BatchNormLayer, keras.layers.BatchNormalization))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_fused, "_pays_on_cpu", lambda *args: case["fused"])
        got = run(ours, case, arrays, mode)
    expected = run(theirs, case, arrays, mode)
    # Gradients of weights are sums of so many terms, of both signs.
    terms = math.prod(case["shape"]) / case["shape"][case["kwargs"]["axis"]]
    for i in range(STEPS):
        for a, b in zip(got[i], expected[i], strict=True):
            assert a.shape == b.shape
            size = max(1, np.abs(b).max(), terms**0.5 if a.ndim == 1 else 0)
            assert np.abs(a - b).max() <= TOLERANCE[case["kwargs"]["dtype"]] * size


def matches_keras(mode, examples, dtypes):
    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(cases(dtypes))
    def test(case):
        check(case, mode)

    return test


@pytest.mark.tensorflow
def test_eager():
    matches_keras("eager", 240, [*TOLERANCE, "float32", "float32"])()


@pytest.mark.slow
@pytest.mark.tensorflow
def test_graph_of_unknown_batch_size():
    matches_keras("graph", 40, ["float32"])()


@pytest.mark.slow
@pytest.mark.tensorflow
def test_xla():
    matches_keras("xla", 30, ["float32"])()


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "jax", reason="needs the JAX backend")
@pytest.mark.parametrize(("mode", "examples"), [("eager", 15), ("jit", 45)])
def test_jax(mode, examples):
    matches_keras(mode, examples, ["float32", "float32", "mixed_float16", "mixed_bfloat16"])()
