"""Batch normalization over two devices equals one device: each run is a process, as device counts are set at start."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

TENSORFLOW = """
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
scope = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope
"""
JAX = """
import contextlib, os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
import keras
assert len(keras.distribution.list_devices()) == 2
distribution = keras.distribution.DataParallel()
scope = distribution.scope
"""
TRAIN = """
import contextlib, json, sys
import keras
import numpy as np
from bnkeras import BatchNormLayer

def train(scope, mask=False, **kwargs):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(16, 3, 4)) * np.linspace(1, 3, 16)[:, None, None]).astype("float32")
    y = rng.normal(size=(16, 2)).astype("float32")
    if mask:
        x[rng.random((16, 3)) < 0.3] = 0
    with scope():
        inputs = keras.Input((3, 4))
        h = keras.layers.Masking()(inputs) if mask else inputs
        h = BatchNormLayer(momentum=0.5, **kwargs)(h)
        h = keras.layers.Flatten()(h)
        h = keras.layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(seed=1))(h)
        h = keras.layers.Activation("tanh")(BatchNormLayer(momentum=0.5, **kwargs)(h))
        outputs = keras.layers.Dense(2, kernel_initializer=keras.initializers.GlorotUniform(seed=2))(h)
        model = keras.Model(inputs, outputs)
        model.compile(keras.optimizers.SGD(0.3), "mse")
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        return [w.tolist() for w in model.get_weights()]
"""
RESULT = """
two = [train(scope, **kwargs) for kwargs in runs]
one = [train(contextlib.nullcontext, **kwargs) for kwargs in alone]
print("RESULT" + json.dumps([two, one]))
"""


def both(setup, runs, alone):
    """Train on two devices with each of `runs` and on one with each of `alone`; return both lists of weights."""
    program = f"{setup}\n{TRAIN}\nruns, alone = {runs!r}, {alone!r}\n{RESULT}"
    environment = os.environ | {"KERAS_BACKEND": keras.backend.backend(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.split("RESULT")[1])


def assert_same(a, b):
    for p, q in zip(a, b, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_mirrored_strategy():
    synchronized = {"synchronized": True}
    two, one = both(
        TENSORFLOW, [synchronized, synchronized | {"mask": True}, {}], [{}, {"mask": True}, {"group_size": 4}]
    )
    for a, b in zip(two, one, strict=True):
        assert_same(a, b)
    assert np.abs(np.subtract(two[0][3], two[2][3])).max() > 1e-3  # the moving variances tell the two apart


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="needs the JAX backend")
def test_jax_data_parallel():
    (synchronized, plain), (whole,) = both(JAX, [{"synchronized": True}, {}], [{}])
    assert_same(synchronized, whole)
    assert_same(plain, whole)
