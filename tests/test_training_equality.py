"""`training.fit` against `model.fit` on the same batches, from the same weights and seeds."""

import keras
import numpy as np
import pytest

from bnkeras import training

N, BATCH, EPOCHS, SEED = 52, 8, 3, 11
TENSORFLOW = keras.config.backend() == "tensorflow"


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(0)
    images = generator.normal(size=(N, 8, 8, 1)).astype("float32")
    return images, generator.integers(0, 3, N)


def hidden(layer, drop):
    # Without a bias before BN: its gradient is zero but for rounding, which Adam would blow up to full steps.
    bn = keras.layers.BatchNormalization()
    return [layer, bn, keras.layers.Activation("relu"), keras.layers.Dropout(drop, seed=7)]


def mlp(drop=0.3, **dense):
    keras.utils.set_random_seed(1)
    block = hidden(keras.layers.Dense(12, use_bias=False, **dense), drop)
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), *block, keras.layers.Dense(3)])


def cnn():
    keras.utils.set_random_seed(1)
    block = hidden(keras.layers.Conv2D(4, 3, use_bias=False), 0.3)
    return keras.Sequential([keras.Input((8, 8, 1)), *block, keras.layers.Flatten(), keras.layers.Dense(3)])


def compiled(model, optimizer, **kwargs):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], **kwargs)
    return model


def sgd(**kwargs):
    return keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-2, **kwargs)


def adam(**kwargs):
    return keras.optimizers.Adam(0.01, weight_decay=1e-2, **kwargs)


def fit_in_order(model, x, y, epochs=EPOCHS, sample_weight=None, validation_data=None):
    """The oracle: `model.fit` over data laid out in the order of the batches, an epoch at a time."""
    logs = {}
    for epoch in range(epochs):
        order = np.concatenate(training.batch_order(len(x), BATCH, SEED, epoch))
        weight = None if sample_weight is None else sample_weight[order]
        options = {"sample_weight": weight, "validation_data": validation_data}
        history = model.fit(x[order], y[order], batch_size=BATCH, shuffle=False, verbose=0, **options)
        for name, (value,) in history.history.items():
            logs.setdefault(name, []).append(value)
    return logs


def assert_same(model, history, expected_model, expected_logs, tolerance=1e-4):
    variables, expected_variables = (m.variables + m.optimizer.variables for m in (model, expected_model))
    for variable, expected in zip(variables, expected_variables, strict=True):
        value, expected = (keras.ops.convert_to_numpy(v).astype("float64") for v in (variable, expected))
        assert np.linalg.norm(value - expected) <= tolerance * np.linalg.norm(expected), variable.path
    assert list(history.history) == list(expected_logs)
    for name, values in expected_logs.items():
        np.testing.assert_allclose(history.history[name], values, rtol=tolerance, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [sgd, adam])
@pytest.mark.parametrize("build", [mlp, cnn])
def test_equals_model_fit(build, optimizer, data):
    # Under XLA, TensorFlow draws other random numbers than in a graph: compare like with like.
    jit = not TENSORFLOW or build is mlp
    data = [array[:48] for array in data] if build is mlp else data
    expected = compiled(build(), optimizer(), jit_compile=jit)
    logs = fit_in_order(expected, *data, validation_data=data)
    model = compiled(build(), optimizer())
    history = training.fit(model, *data, batch_size=BATCH, epochs=EPOCHS, seed=SEED, validation_data=tuple(data))
    assert_same(model, history, expected, logs)


class ScaledSteps(keras.Sequential):
    """A model with a training step and logs of its own."""

    def train_step(self, *args):
        result = super().train_step(*args)
        logs, *state = result if isinstance(result, tuple) else (result,)
        logs = {"double_loss": 2 * logs["loss"]}
        return (logs, *state) if state else logs


def schedule():
    return keras.optimizers.schedules.ExponentialDecay(0.05, decay_steps=3, decay_rate=0.5)


def regularized():
    """A model with losses of its own, not built before it sees data."""
    dense = keras.layers.Dense(5, "relu", kernel_regularizer="l2", activity_regularizer="l2")
    return keras.Sequential([keras.layers.Flatten(), dense, keras.layers.Dense(3)])


def scaled():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return compiled(mlp(0.0), sgd())
    finally:
        keras.config.set_dtype_policy("float32")


VARIANTS = {
    "schedule": lambda: compiled(mlp(), keras.optimizers.SGD(schedule(), momentum=0.9)),
    "clipping": lambda: compiled(mlp(), sgd(clipnorm=0.1)),
    "global clipping": lambda: compiled(mlp(), adam(global_clipnorm=0.1)),
    "gradient accumulation": lambda: compiled(mlp(), sgd(gradient_accumulation_steps=2)),
    "regularization": lambda: compiled(regularized(), sgd()),
    "bfloat16": lambda: compiled(mlp(dtype="mixed_bfloat16"), sgd()),
    "loss scaling": scaled,
    "averaged weights": lambda: compiled(mlp(), sgd(use_ema=True, ema_momentum=0.8)),
    "own step": lambda: compiled(ScaledSteps(mlp().layers), sgd()),
}


@pytest.mark.filterwarnings("ignore:.*bfloat16:UserWarning")
@pytest.mark.parametrize("variant", VARIANTS)
def test_carries_what_compile_carries(variant, data):
    keras.utils.set_random_seed(3)
    expected = VARIANTS[variant]()
    keras.utils.set_random_seed(3)
    model = VARIANTS[variant]()
    # `model.fit` puts averaged weights in place after each call.
    epochs = 1 if variant == "averaged weights" else 2
    logs = fit_in_order(expected, *data, epochs=epochs)
    history = training.fit(model, *data, batch_size=BATCH, epochs=epochs, seed=SEED, jit=not TENSORFLOW)
    # One rounding in bfloat16, of another order of sums, is 0.4 %.
    assert_same(model, history, expected, logs, 5e-3 if variant in ("bfloat16", "loss scaling") else 1e-4)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (variant == "loss scaling")


def test_sample_weights(data):
    weight = np.linspace(0, 2, N)
    options = {"sample_weight": weight, "validation_data": (*data, weight)}
    expected, model = (compiled(mlp(), sgd(), weighted_metrics=["accuracy"]) for _ in range(2))
    logs = fit_in_order(expected, *data, **options)
    history = training.fit(model, *data, batch_size=BATCH, epochs=EPOCHS, seed=SEED, jit=not TENSORFLOW, **options)
    assert_same(model, history, expected, logs)


def test_several_inputs_and_outputs(data):
    # TensorFlow's fit averages the losses of single outputs over batches, whatever their size: leave no remainder.
    x, y = (array[:48] for array in data)

    def build():
        keras.utils.set_random_seed(2)
        inputs = {"a": keras.Input((8,), name="a"), "b": keras.Input((8,), name="b")}
        hidden = keras.layers.Dense(6, "tanh")(keras.layers.Concatenate()([inputs["a"], inputs["b"]]))
        outputs = {"p": keras.layers.Dense(1, name="p")(hidden), "q": keras.layers.Dense(2, name="q")(hidden)}
        model = keras.Model(inputs, outputs)
        model.compile("adam", {"p": "mse", "q": "mae"})
        return model

    inputs = {"a": x[:, 0, :, 0], "b": x[:, 1, :, 0]}
    targets = {"p": y[:, None].astype("float32"), "q": x[:, 2, :2, 0]}
    expected, model = build(), build()
    logs = expected.fit(inputs, targets, batch_size=BATCH, shuffle=False, verbose=0).history
    history = training.fit(model, inputs, targets, batch_size=BATCH, shuffle=False, jit=not TENSORFLOW)
    assert_same(model, history, expected, logs)
