"""What leaves Keras (files, SavedModel, TFLite, ONNX, int8) answers as the model does, or an error says why not."""

import importlib.util

import keras
import numpy as np
import pytest
from helpers import noise, value_of

from bnkeras import BatchNormLayer, WSConv1D, WSConv2D, WSDense

layers = keras.layers
BATCH_NORMS = {
    "population": {},
    "batch": {"inference": "batch"},
    "groups": {"group_size": 4},
    "groups of the batch": {"group_size": 4, "inference": "batch"},
    "renorm": {"renorm": True, "renorm_clipping": {"rmax": 2, "dmax": 1}},
    "renorm of the batch": {"renorm": True, "inference": "batch"},
    "accumulation": {"accumulation_steps": 3},
    "synchronized": {"synchronized": True, "inference": "batch"},
    "channels first": {"axis": 1},
    "neither gamma nor beta": {"center": False, "scale": False},
}


def images(name):
    """Batch normalization where the fused kernel computes it, behind a convolution, and behind a dense layer."""
    arguments = BATCH_NORMS[name]
    of_dense = arguments | ({"axis": -1} if "axis" in arguments else {})
    return [
        keras.Input((16, 16, 3)),
        layers.Conv2D(16, 3, padding="same"),
        BatchNormLayer(**arguments),
        layers.ReLU(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(8),
        BatchNormLayer(**of_dense),
        layers.Dense(3),
    ]


def standardized(name):
    """Layers with weight standardization, and one of Keras's."""
    return {
        "WSDense": [keras.Input((6,)), WSDense(8, activation="relu"), WSDense(4, scale=0.5), layers.Dense(3)],
        "WSConv1D": [keras.Input((9, 4)), WSConv1D(6, 3, padding="causal"), layers.Flatten(), layers.Dense(3)],
        "WSConv2D": [
            keras.Input((8, 8, 4)),
            WSConv2D(8, 3, strides=2, padding="same", groups=2, use_bias=False),
            BatchNormLayer(),
            layers.Flatten(),
            layers.Dense(3),
        ],
    }[name]


def masked(name):
    return [
        keras.Input((5, 3)),
        layers.Masking(),
        BatchNormLayer(inference=name.removeprefix("masked, ")),
        layers.LSTM(3),
    ]


MODELS = {
    **dict.fromkeys(BATCH_NORMS, images),
    **dict.fromkeys(("WSDense", "WSConv1D", "WSConv2D"), standardized),
    **dict.fromkeys(("masked, population", "masked, batch"), masked),
}


def made(name):
    """A model with weights and statistics as after training, a batch of 8 and its answers."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(MODELS[name](name))
    x = 2 + 3 * noise(8, *model.input_shape[1:])
    if MODELS[name] is masked:
        x[:, 3:] = 0
    for i in range(3):
        model(x + i, training=True)
    return model, x, value_of(model(x))


def assert_same(answers, expected, tolerance=1e-5):
    np.testing.assert_allclose(answers, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


def saved_model(model, path):
    import tensorflow as tf

    model.export(path, verbose=False)
    return tf.saved_model.load(path).serve


def tflite(model, path, **options):
    import tensorflow as tf

    if not hasattr(tf, "lite"):
        pytest.skip("this release of TensorFlow has no tf.lite")
    model.export(path, format="litert", verbose=False, **options)
    interpreter = tf.lite.Interpreter(path)

    def infer(x):
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], x.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return infer


def onnx(model, path):
    for package in ("tf2onnx" if keras.config.backend() == "tensorflow" else "jax2onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    import onnxruntime

    model.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    return lambda x: session.run(None, {session.get_inputs()[0].name: x})[0]


@pytest.mark.parametrize("name", MODELS)
def test_saved_model(name, tmp_path):
    model, x, expected = made(name)
    serve = saved_model(model, str(tmp_path / "model"))
    assert_same(value_of(serve(x)), expected)
    assert_same(value_of(serve(x[:4])), value_of(model(x[:4])))


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", MODELS)
def test_tflite(name, tmp_path):
    model, x, expected = made(name)
    infer = tflite(model, str(tmp_path / "model.tflite"))
    assert_same(infer(x), expected)
    assert_same(infer(x[:4]), value_of(model(x[:4])))


@pytest.mark.parametrize("name", MODELS)
def test_onnx(name, tmp_path):
    model, x, expected = made(name)
    infer = onnx(model, str(tmp_path / "model.onnx"))
    assert_same(infer(x), expected)
    assert_same(infer(x[:4]), value_of(model(x[:4])))


@pytest.mark.parametrize("name", MODELS)
def test_files_of_keras(name, tmp_path):
    model, x, expected = made(name)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(value_of(keras.saving.load_model(tmp_path / "model.keras")(x)), expected)
    other = keras.Sequential(MODELS[name](name))
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(value_of(other(x)), expected)
