"""Layers and training lowered by XLA for NVIDIA's GPUs, which needs none; that results are right is tested on CPUs.

JAX lowers for platforms that it does not see. TensorFlow lowers for CUDA only where it finds a GPU. Elsewhere the tests
take the program that it hands to XLA, before anything that belongs to a platform: it must hold no call to the outside.
"""

import types

import keras
import numpy as np
import pytest
from helpers import noise

from bnkeras import training
from bnkeras.layers import BatchNormLayer, WSConv2D, WSDense

# The processor may have to emulate it.
pytestmark = pytest.mark.filterwarnings("ignore:.*bfloat16:UserWarning")

TENSORFLOW = keras.config.backend() == "tensorflow"
X, Y = noise(8, 6, 6, 4), np.arange(8) % 3
HALF = {"float32": "f32", "mixed_bfloat16": "bf16", "mixed_float16": "f16"}


def network(dtype, **kwargs):
    with_dtype = {"dtype": dtype}
    layers = [
        WSConv2D(8, 3, **with_dtype),
        BatchNormLayer(**kwargs, **with_dtype),
        keras.layers.ReLU(**with_dtype),
        keras.layers.Flatten(**with_dtype),
        WSDense(16, **with_dtype),
        BatchNormLayer(**with_dtype),
        keras.layers.Dense(3),
    ]
    return keras.Sequential([keras.Input(X.shape[1:]), *layers])


def values(variables):
    return [variable.value for variable in variables]


def platform():
    import tensorflow as tf

    return {"platform_name": "CUDA"} if tf.config.list_logical_devices("GPU") else {}


def lowered_by_tensorflow(model):
    import tensorflow as tf

    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(x, training=True) ** 2)
        return loss, tape.gradient(loss, values(model.trainable_variables))

    compiled = tf.function(step, jit_compile=True)
    return compiled.experimental_get_compiler_ir(tf.constant(X))(stage="hlo", **platform())


def lowered_by_jax(model):
    import jax
    from jax import export

    def loss(trainable, fixed, x):
        y, new = model.stateless_call(trainable, fixed, x, training=True)
        return keras.ops.sum(y**2), new

    step = jax.jit(jax.value_and_grad(loss, has_aux=True))
    weights = values(model.trainable_variables), values(model.non_trainable_variables)
    return export.export(step, platforms=["cuda"])(*weights, X).mlir_module()


@pytest.mark.parametrize(
    ("dtype", "kwargs"),
    [*((dtype, {}) for dtype in HALF), ("float32", {"group_size": 4}), ("mixed_bfloat16", {"axis": 1})],
)
def test_layers(dtype, kwargs):
    program = (lowered_by_tensorflow if TENSORFLOW else lowered_by_jax)(network(dtype, **kwargs))
    convolutions = [line for line in program.splitlines() if "convolution(" in line]
    # Forward, and for the gradient of the kernel.
    assert len(convolutions) >= 2
    assert all(HALF[dtype] in line for line in convolutions)
    assert "custom-call" not in program


def compiled_for_fit(dtype):
    model = network(dtype)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), loss, metrics=["accuracy"])
    return model


@pytest.mark.tensorflow
@pytest.mark.parametrize("dtype", HALF)
def test_program_of_fit_in_tensorflow(dtype, monkeypatch):
    import tensorflow as tf

    functions, function = [], tf.function

    def recording(*args, **kwargs):
        functions.append(function(*args, **kwargs))
        return functions[-1]

    monkeypatch.setattr(tf, "function", recording)
    training.fit(compiled_for_fit(dtype), X, Y, batch_size=4, jit=True)
    (steps,) = [f for f in functions if getattr(getattr(f, "python_function", None), "__name__", None) == "steps"]
    data, order = (tf.constant(X), tf.constant(Y)), tf.reshape(tf.range(8), (2, 4))
    program = steps.experimental_get_compiler_ir(data, order, tf.constant(0), tf.constant(2))(stage="hlo", **platform())
    assert " while(" in program
    assert "convolution(" in program
    assert "custom-call" not in program


@pytest.mark.skipif(TENSORFLOW, reason="by jax.export")
@pytest.mark.parametrize("dtype", HALF)
def test_program_of_fit_in_jax(dtype, monkeypatch):
    import jax
    from jax import export

    from bnkeras.training import _jax

    programs, loop = [], _jax._loop

    def lowered(step, log_shapes):
        steps = loop(step, log_shapes)

        def run(*args):
            programs.append(export.export(steps, platforms=["cuda"])(*args).mlir_module())
            return steps(*args)

        return run

    monkeypatch.setattr(_jax, "_loop", lowered)
    # Where a GPU is found, convolutions are in the loop as well.
    monkeypatch.setattr(_jax, "jax", types.SimpleNamespace(**vars(jax) | {"default_backend": lambda: "gpu"}))
    training.fit(compiled_for_fit(dtype), X, Y, batch_size=4, validation_data=(X, Y))
    train, test = programs
    assert "stablehlo.while" in train
    assert "stablehlo.while" in test
    assert train.count("stablehlo.convolution") > test.count("stablehlo.convolution") > 0
