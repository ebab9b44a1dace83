"""Half precision: policies, the warning where it is emulated, what processors and GPUs say of themselves."""

import warnings

import keras
import numpy as np
import pytest
from helpers import noise

from bnkeras import devices, training
from bnkeras.layers import BatchNormLayer
from bnkeras.training import dtypes

TENSORFLOW = keras.config.backend() == "tensorflow"
X, Y = noise(12, 3), noise(12, 1, seed=1)


@pytest.fixture(params=[True, False], ids=["bfloat16", "emulated"])
def has_bfloat16(request, monkeypatch):
    monkeypatch.setattr(dtypes, "computes_in_bfloat16", lambda: request.param)
    return request.param


def small_model(dtype):
    with training.precision(dtype):
        layers = [keras.layers.Dense(4), BatchNormLayer(), keras.layers.Dense(1, dtype="float32")]
        model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile("sgd", "mse")
    return model


def test_auto_is_half_only_where_the_device_has_it(has_bfloat16):
    assert training.policy_for("auto") == ("mixed_bfloat16" if has_bfloat16 else "float32")
    assert [training.policy_for(dtype) for dtype in dtypes.PRECISIONS] == ["float32", "mixed_bfloat16"]
    with training.precision("auto") as policy:
        assert policy == keras.config.dtype_policy().name == training.policy_for("auto")


def test_context_ends_after_an_error():
    with pytest.raises(KeyError), training.precision("mixed_bfloat16"):
        raise KeyError
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_float16", None, 16])
def test_bad_dtype_is_named(dtype):
    with pytest.raises(ValueError, match=f"`dtype`.*dtype={dtype!r}"), training.precision(dtype):
        pass


def test_one_warning_where_it_is_emulated(has_bfloat16):
    model = small_model("mixed_bfloat16")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        losses = training.fit(model, X, Y, epochs=3, jit=not TENSORFLOW).history["loss"]
    messages = [str(warning.message) for warning in caught if warning.category is UserWarning]
    assert ["bfloat16" in message for message in messages] == ([] if has_bfloat16 else [True])
    assert losses[-1] < losses[0]
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}


@pytest.mark.usefixtures("has_bfloat16")
def test_no_warning_in_float32():
    training.fit(small_model("float32"), X, Y, jit=not TENSORFLOW)


def test_half_precision_learns_what_float32_learns():
    histories = []
    for dtype in dtypes.PRECISIONS:
        keras.utils.set_random_seed(3)
        model = small_model(dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            histories.append(training.fit(model, X, Y, epochs=8, jit=not TENSORFLOW).history["loss"])
    np.testing.assert_allclose(*histories, rtol=0.05)
    assert histories[0] != histories[1]


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore:.*bfloat16:UserWarning")
@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_by_one_kernel_is_keras_update(nesterov):
    def trained(fit):
        keras.utils.set_random_seed(3)
        model = small_model("mixed_bfloat16")
        options = {"momentum": 0.9, "nesterov": nesterov, "weight_decay": 0.01, "clipnorm": 1.0}
        model.compile(keras.optimizers.SGD(0.1, **options), "mse", jit_compile=False)
        fit(model)
        return model

    def train_by_fit(model):
        training.fit(model, X, Y, batch_size=4, epochs=3, shuffle=False, jit=False)

    ours = trained(train_by_fit)
    keras_own = trained(lambda model: model.fit(X, Y, batch_size=4, epochs=3, shuffle=False, verbose=0))
    variables = zip(
        ours.variables + ours.optimizer.variables, keras_own.variables + keras_own.optimizer.variables, strict=True
    )
    for variable, expected in variables:
        # A gradient may round to the next number of bfloat16.
        np.testing.assert_allclose(variable.numpy(), expected.numpy(), rtol=1e-2, atol=2e-3, err_msg=variable.path)
    assert "ResourceApplyKerasMomentum" in _operations(ours)
    assert "ResourceApplyKerasMomentum" not in _operations(small_model("mixed_bfloat16"))


def _operations(model):
    """Kinds of operations in the step that `fit` would compile."""
    import tensorflow as tf

    from bnkeras.training import _tensorflow

    step = tf.function(_tensorflow._one_step(model, True, None, None))
    graph = step.get_concrete_function((tf.TensorSpec((4, 3)), tf.TensorSpec((4, 1)))).graph
    return {operation.type for operation in graph.get_operations()}


@pytest.fixture
def processor(monkeypatch, tmp_path):
    """Function that says whether a processor with such flags computes in bfloat16."""

    def answer(flags):
        (tmp_path / "cpuinfo").write_text(f"model name\t: X\nflags\t\t: fpu {flags} sse\n")
        monkeypatch.setattr(devices, "Path", lambda path: tmp_path / "cpuinfo")
        monkeypatch.setattr(devices, "has_accelerator", lambda: False)
        return devices.computes_in_bfloat16.__wrapped__()

    return answer


@pytest.mark.parametrize(("flags", "has_it"), [("avx512_bf16", True), ("amx_bf16 amx_tile", True), ("avx512f", False)])
def test_flags_of_a_processor(processor, flags, has_it):
    assert processor(flags) is (has_it and TENSORFLOW)


def test_a_system_that_tells_nothing_has_none(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "Path", lambda path: tmp_path / "none")
    monkeypatch.setattr(devices, "has_accelerator", lambda: False)
    assert devices.computes_in_bfloat16.__wrapped__() is False


@pytest.mark.tensorflow
@pytest.mark.parametrize(("capability", "has_it"), [((7, 0), False), ((8, 0), True), ((10, 0), True), (None, False)])
def test_compute_capability_of_a_gpu(monkeypatch, capability, has_it):
    import tensorflow as tf

    details = {} if capability is None else {"compute_capability": capability}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    monkeypatch.setattr(devices, "has_accelerator", lambda: True)
    assert devices.computes_in_bfloat16.__wrapped__() is has_it
