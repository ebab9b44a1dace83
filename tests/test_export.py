"""What leaves Keras (files, SavedModel, TFLite, ONNX, int8) answers as the model does, or an error says why not."""

import importlib.util

import keras
import numpy as np
import pytest
from helpers import noise, value_of

from bnkeras import BatchNormLayer, WSConv1D, WSConv2D, WSDense, batch_statistics, training

pytestmark = pytest.mark.filterwarnings(
    "ignore:(?s).*tf.lite.Interpreter is deprecated:UserWarning",
    # Keras's exporter for JAX.
    "ignore:The `native_serialization` parameter:DeprecationWarning",
)

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
            WSConv2D(8, 3, strides=2, padding="same", use_bias=False, groups=1 + (name == "WSConv2D in groups")),
            BatchNormLayer(),
            layers.Flatten(),
            layers.Dense(3),
        ],
    }[name.removesuffix(" in groups")]


def masked(name):
    inference = name.removeprefix("masked, ")
    return [
        keras.Input((5, 3)),
        layers.Masking(),
        BatchNormLayer(inference=inference),
        layers.GlobalAveragePooling1D(),
        layers.Dense(3),
    ]


MODELS = {
    **dict.fromkeys(BATCH_NORMS, images),
    **dict.fromkeys(("WSDense", "WSConv1D", "WSConv2D", "WSConv2D in groups"), standardized),
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


def saved_model(model, path, **options):
    import tensorflow as tf

    model.export(path, verbose=False, **options)
    loaded = tf.saved_model.load(path)
    return lambda x: loaded.serve(x)


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
    if name == "groups of the batch" and keras.config.backend() == "jax":
        with pytest.raises(ValueError, match=r"input_signature.*group_size=4"):
            saved_model(model, str(tmp_path / "of any size"))
        fixed = saved_model(
            model, str(tmp_path / "fixed"), input_signature=[keras.InputSpec(dtype="float32", shape=x.shape)]
        )
        assert_same(value_of(fixed(x)), expected)
        multiples = {"polymorphic_shapes": ["(4*groups, 16, 16, 3)"]}
        serve = saved_model(model, str(tmp_path / "model"), jax2tf_kwargs=multiples)
    else:
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


# Warnings of the converters.
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
# Nor do Keras's own convolutions in groups convert.
@pytest.mark.parametrize("name", [name for name in MODELS if "in groups" not in name])
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


def quantized(name):
    """A model as `made`, in int8 where Keras can, and the warnings of Keras about what it cannot."""
    model, x, expected = made(name)
    with pytest.warns(UserWarning, match="quantize") as warned:
        model.quantize("int8")
    return model, x, expected, " ".join(str(warning.message) for warning in warned)


@pytest.mark.parametrize("name", [*BATCH_NORMS, "WSDense", "WSConv1D", "WSConv2D"])
def test_int8(name, tmp_path):
    model, x, expected, warnings = quantized(name)
    assert any(layer.dtype_policy.name == "int8_from_float32" for layer in model.layers)
    for layer in model.layers:
        if isinstance(layer, (BatchNormLayer, WSDense, WSConv1D, WSConv2D)):
            assert layer.dtype_policy.name == "float32"
        if isinstance(layer, (WSDense, WSConv1D, WSConv2D)):
            assert f"{layer.name!r} cannot be quantized" in warnings
    answers = value_of(model(x))
    assert_same(answers, expected, tolerance=0.05)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(value_of(keras.saving.load_model(tmp_path / "model.keras")(x)), answers)
    assert_same(saved_model(model, str(tmp_path / "model"))(x), answers)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["population", "batch", "WSDense", "WSConv2D"])
def test_int8_of_tflite(name, tmp_path):
    import tensorflow as tf

    model, x, expected = made(name)
    infer = tflite(model, str(tmp_path / "model.tflite"), optimizations=[tf.lite.Optimize.DEFAULT])
    assert_same(infer(x), expected, tolerance=0.05)


def test_training_a_model_quantized_since_is_refused():
    model, x, _ = made("WSDense")
    model.compile("sgd", "mse")
    training.fit(model, x, x[:, :3], verbose=0)
    with pytest.warns(UserWarning, match="quantize"):
        model.quantize("int8")
    with pytest.raises(ValueError, match="compile"):
        training.fit(model, x, x[:, :3], verbose=0)


@pytest.mark.parametrize("norm", [BatchNormLayer, layers.BatchNormalization])
def test_batch_statistics_are_not_exported(norm, tmp_path):
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((4,)), norm()])
    model = keras.Sequential([keras.Input((4,)), inner, layers.Dense(2)])
    x = 5 + noise(8, 4)
    expected = model.predict(x, verbose=0)
    with batch_statistics(model):
        assert np.abs(model.predict(x, verbose=0) - expected).max() > 1
        for part in (model, inner):
            with pytest.raises(ValueError, match='inference="batch"'):
                part.export(str(tmp_path / "inside"))
    assert_same(value_of(saved_model(model, str(tmp_path / "after"))(x)), expected)


def test_groups_that_do_not_divide_the_batch_fail_in_use(tmp_path):
    model, x, _ = made("groups of the batch")
    if keras.config.backend() == "jax":
        with pytest.raises(ValueError, match="group_size=4"):
            saved_model(
                model,
                str(tmp_path / "model"),
                input_signature=[keras.InputSpec(dtype="float32", shape=(6, *x.shape[1:]))],
            )
        return
    with pytest.raises(Exception, match="group_size=4"):
        saved_model(model, str(tmp_path / "model"))(x[:6])
    with pytest.raises((RuntimeError, ValueError)):
        tflite(model, str(tmp_path / "model.tflite"))(x[:6])


def test_masked_training_with_a_smaller_last_batch():
    model, _, _ = made("masked, population")
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x = 2 + noise(7, 5, 3)
    x[:, 3:] = 0
    by_hand = [value_of(w) for w in model.layers[1].weights[2:]]
    for batch in (x[:4, :3], x[4:, :3]):
        by_hand[0] = 0.99 * by_hand[0] + 0.01 * batch.mean((0, 1))
        by_hand[1] = 0.99 * by_hand[1] + 0.01 * batch.var((0, 1))
    model.fit(x, np.zeros((7, 3)), batch_size=4, shuffle=False, verbose=0)
    for weight, value in zip(model.layers[1].weights[2:], by_hand, strict=True):
        np.testing.assert_allclose(value_of(weight), value, rtol=1e-5, atol=1e-6)
