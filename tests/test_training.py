"""Batches, data, programs and bad input of `training.fit`."""

import contextlib
import gc
import os
import signal
import threading
import weakref

import keras
import numpy as np
import pytest
from helpers import Traced, noise, traces

from bnkeras import training
from bnkeras.training import programs

TENSORFLOW = keras.config.backend() == "tensorflow"
X, Y = noise(10, 3), noise(10, 1, seed=1)


class Recorder(keras.layers.Layer):
    """Passes its input on and keeps the first column of each training batch, a row for a step."""

    def build(self, input_shape):
        self.seen = self.add_weight(shape=(12, 4), initializer="zeros", trainable=False)
        self.step = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            row = keras.ops.pad(keras.ops.cast(x[:, 0], "float32"), [(0, 4 - x.shape[0])], constant_values=-1)
            self.seen.assign_add(keras.ops.one_hot(self.step, 12)[:, None] * row)
            self.step.assign_add(1)
        return keras.ops.cast(x, "float32")

    def batches(self):
        rows = keras.ops.convert_to_numpy(self.seen)[: int(keras.ops.convert_to_numpy(self.step))]
        return [[int(value) for value in row if value >= 0] for row in rows]


def small_model(dtype="float32", **kwargs):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,), dtype=dtype), Traced(1)])
    model.compile("sgd", "mse", **kwargs)
    return model


def recording_model():
    recorder = Recorder()
    model = keras.Sequential([keras.Input((1,), dtype="int32"), recorder, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model, recorder


@pytest.fixture(scope="module")
def shared():
    return small_model()


def fit(model, *args, **kwargs):
    """Graphs compile faster than XLA does; what is tested here is the same for both."""
    return training.fit(model, *args, **{"jit": not TENSORFLOW, **kwargs})


def test_batch_order_is_a_permutation_by_seed_and_epoch():
    order = training.batch_order(7, 3, seed=1, epoch=2)
    assert [len(batch) for batch in order] == [3, 3, 1]
    expected = np.random.default_rng([1, 2]).permutation(7)
    np.testing.assert_array_equal(np.concatenate(order), expected)
    assert [len(batch) for batch in training.batch_order(7, 3, drop_remainder=True)] == [3, 3]
    assert not np.array_equal(expected, np.concatenate(training.batch_order(7, 3, seed=1, epoch=3)))


@pytest.mark.parametrize("drop_remainder", [False, True])
def test_trains_on_the_batches_of_batch_order(drop_remainder):
    model, recorder = recording_model()
    x = np.arange(10)[:, None]
    history = fit(model, x, Y, batch_size=4, epochs=2, seed=3, drop_remainder=drop_remainder)
    expected = [
        batch.tolist()
        for epoch in range(2)
        for batch in training.batch_order(10, 4, 3, epoch, drop_remainder=drop_remainder)
    ]
    assert recorder.batches() == expected
    assert history.params["steps"] == len(expected) // 2


def test_trains_on_the_callers_own_batches():
    model, recorder = recording_model()
    x = np.arange(10)[:, None]
    fit(model, x, Y, order=[[0, 0], [9, 1]])
    fit(model, x, Y, order=lambda epoch: np.array([[epoch, 5]]), epochs=2)
    assert recorder.batches() == [[0, 0], [9, 1], [0, 5], [1, 5]]


def test_whole_numbers_reach_the_model_uncast():
    model = small_model("uint8")
    assert traces(fit, model, X.astype("uint8"), Y)
    assert set(Traced.dtypes) == {"uint8"}


def test_wide_floats_are_cast_as_in_keras_and_tensors_taken_as_they_are(shared):
    start = shared.get_weights()
    fit(shared, X.astype("float64"), Y.astype("float64"), shuffle=False)
    ours = shared.get_weights()
    shared.set_weights(start)
    fit(shared, keras.ops.convert_to_tensor(X), keras.ops.convert_to_tensor(Y), shuffle=False)
    np.testing.assert_array_equal(ours[0], shared.get_weights()[0])


def test_validation_is_evaluate(shared):
    logs = fit(shared, X, Y, epochs=2, validation_data=(X, Y), validation_freq=2).history
    assert len(logs["loss"]) == 2
    np.testing.assert_allclose(logs["val_loss"], [shared.evaluate(X, Y, verbose=0)], rtol=1e-6)


def test_augmentation_runs_on_training_batches_only():
    def plus_one(x, generator):
        return x + 1

    ours, plain = small_model(), small_model()
    logs = fit(ours, X, Y, augment=plus_one, epochs=2, validation_data=(X, Y)).history
    expected = fit(plain, X + 1, Y, epochs=2, validation_data=(X, Y)).history
    np.testing.assert_allclose(logs["loss"], expected["loss"], rtol=1e-6)
    np.testing.assert_allclose(logs["val_loss"][-1], ours.evaluate(X, Y, verbose=0), rtol=1e-6)


def test_augmentation_draws_by_seed_and_epoch():
    def noise(x, generator):
        return x + keras.random.normal(x.shape, seed=generator)

    def losses(model, **kwargs):
        return fit(model, X, Y, batch_size=5, augment=noise, **kwargs).history["loss"]

    model = small_model()
    model.optimizer.learning_rate = 0.0
    once = losses(model, epochs=3, seed=4)
    assert len(set(once)) == 3
    assert losses(model, epochs=3, seed=4) == once
    assert losses(model, epochs=3, seed=4, initial_epoch=2) == once[2:]
    assert losses(model, epochs=3, seed=5) != once


def test_programs_are_kept_until_compile_and_go_with_the_model():
    model, options = small_model(), {"batch_size": 5, "validation_data": (X, Y)}
    assert traces(fit, model, X, Y, **options)
    assert not traces(fit, model, X, Y, epochs=2, seed=1, **options)
    model.compile("adam", "mae")
    assert traces(fit, model, X, Y, **options)
    np.testing.assert_allclose(fit(model, X, Y, **options).history["val_loss"], model.evaluate(X, Y, verbose=0))
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_model_with_programs_can_be_saved(tmp_path, shared):
    fit(shared, X, Y)
    shared.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", {"Traced": Traced})
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), shared.predict(X, verbose=0))


def test_frozen_variables_ask_for_compile():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    fit(model, X, Y)
    model.layers[0].trainable = False
    with pytest.raises(ValueError, match=r"model\.compile"):
        fit(model, X, Y)
    model.compile("sgd", "mse")
    before = model.layers[0].get_weights()[0], model.layers[1].get_weights()[0]
    fit(model, X, Y)
    np.testing.assert_array_equal(model.layers[0].get_weights()[0], before[0])
    assert not np.array_equal(model.layers[1].get_weights()[0], before[1])


def test_changed_flag_without_variables_takes_effect():
    bn = keras.layers.BatchNormalization(center=False, scale=False)
    model = keras.Sequential([keras.Input((3,)), bn, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    fit(model, X, Y)
    mean = bn.get_weights()[0]
    bn.trainable = False
    fit(model, X, Y)
    np.testing.assert_array_equal(bn.get_weights()[0], mean)


@pytest.mark.tensorflow
def test_graphs_for_convolutions_and_few_steps_and_xla_elsewhere():
    import tensorflow as tf

    from bnkeras.training._tensorflow import is_xla_faster

    def conv(x):
        return tf.nn.conv1d(x[None], tf.ones((1, 2, 2)), 1, "SAME")

    def dropout(x):
        return keras.random.dropout(x, 0.5, seed=1)

    functions = map(tf.function, (tf.square, conv, dropout))
    graphs = [function.get_concrete_function(tf.TensorSpec((2, 2))).graph for function in functions]
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    assert [is_xla_faster(small_model(), graph, few=False) for graph in graphs] == [True, on_gpu, True]
    assert [is_xla_faster(small_model(), graph, few=True) for graph in graphs] == [on_gpu, on_gpu, True]


def compiling_calls(model, calls, **kwargs):
    """Of so many calls of `fit`, of one epoch of one step each, those that compile."""
    return [call for call in range(calls) if traces(training.fit, model, X, Y, batch_size=len(X), **kwargs)]


@pytest.fixture
def four_are_many(monkeypatch):
    """From four steps on, XLA is expected to be worth its while."""
    monkeypatch.setattr(programs, "_FEW_STEPS", 4)


@pytest.mark.tensorflow
@pytest.mark.usefixtures("four_are_many")
def test_a_short_fit_does_not_decide_how_a_long_one_is_compiled():
    model = small_model()
    assert compiling_calls(model, 2) == [0]
    assert traces(training.fit, model, X, Y, batch_size=len(X), epochs=4)


@pytest.mark.tensorflow
@pytest.mark.usefixtures("four_are_many")
def test_steps_count_over_all_calls():
    model = small_model()
    assert compiling_calls(model, 6) == [0, 3]
    model.optimizer.iterations.assign(0)
    assert compiling_calls(model, 4) == []


@pytest.mark.tensorflow
@pytest.mark.usefixtures("four_are_many")
def test_steps_of_keras_and_of_a_restored_optimizer_count():
    keras_first, restored = small_model(), small_model()
    keras_first.fit(X, Y, epochs=3, verbose=0)
    assert compiling_calls(keras_first, 3) == [0]
    restored.optimizer.iterations.assign(100)
    assert compiling_calls(restored, 3, jit="auto") == [0]


@pytest.mark.usefixtures("four_are_many")
def test_a_forced_choice_is_compiled_once():
    assert compiling_calls(small_model(), 6, jit=True) == [0]


@pytest.mark.skipif(TENSORFLOW, reason="TensorFlow chooses between graphs and XLA")
@pytest.mark.usefixtures("four_are_many")
def test_xla_alone_is_compiled_once():
    assert compiling_calls(small_model(), 6) == [0]


@pytest.mark.tensorflow
def test_a_few_batches_of_any_size_take_one_program():
    model = small_model()
    assert traces(training.fit, model, X, Y, batch_size=len(X) - 1)
    assert not traces(training.fit, model, X, Y, batch_size=3)


def test_own_loss_without_targets():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    autoencoder = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    autoencoder.compute_loss = lambda x, y, y_pred, sample_weight, training=True: keras.ops.mean((y_pred - x) ** 2)
    autoencoder.compile("sgd")
    losses = fit(autoencoder, X, epochs=3).history["loss"]
    assert losses[0] > losses[-1]


@contextlib.contextmanager
def pressing_ctrl_c():
    """Yields a callback that presses Ctrl-C from epoch 1 on, again and again: destructors ignore it."""
    done = threading.Event()

    def press():
        while not done.wait(0.2):
            os.kill(os.getpid(), signal.SIGINT)

    # A test run in the background has no handler.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=press)
    try:
        yield keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epoch == 1 and thread.start())
    finally:
        done.set()
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_leaves_a_model_that_goes_on():
    model = small_model()
    with pytest.raises(KeyboardInterrupt), pressing_ctrl_c() as callback:
        fit(model, X, Y, epochs=10_000, callbacks=callback)
    steps = int(keras.ops.convert_to_numpy(model.optimizer.iterations))
    assert 1 <= steps < 10_000
    assert np.isfinite(model.evaluate(X, Y, verbose=0))
    fit(model, X, Y, epochs=2)
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == steps + 2


BAD = {
    "batch_size": [0, -1, 2.5, "4", True],
    "epochs": [-1, 1.5],
    "seed": [-1, None, 0.5],
    "steps_per_call": [0],
    "validation_freq": [0],
    "validation_batch_size": [0],
    "initial_epoch": [-2],
    "jit": ["xla", None],
    "augment": ["flip", keras.layers.Rescaling(2.0)],
    "validation_data": [X, (X,), (X, Y[:3])],
    "sample_weight": [np.ones(9)],
    "order": [[[0, 10]], [[-1, 0]], [0, 1], [[0.5, 1.0]], [[]], lambda epoch: [[99]]],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_bad_argument_is_named(name, value, shared):
    before = shared.get_weights()[0]
    with pytest.raises(ValueError, match=f"`{name}`"):
        fit(shared, X, Y, **{name: value})
    np.testing.assert_array_equal(shared.get_weights()[0], before)


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (X, Y[:9], {}, r"\(10, 3\), \(9, 1\)"),
        (X[:0], Y[:0], {}, r"\(0, 3\)"),
        (np.array(["a"]), Y[:1], {}, "<U1"),
        (X, Y, {"batch_size": 11}, "10.*batch_size=11"),
        (X, Y, {"batch_size": 4, "order": [[0, 1]]}, r"batch_size=4.*\(1, 2\)"),
        (X, Y, {"order": lambda epoch: [[0] * (epoch + 1)], "epochs": 2}, r"\(1, 2\) in epoch 1, \(1, 1\)"),
    ],
)
def test_bad_data(x, y, options, message, shared):
    with pytest.raises(ValueError, match=message):
        fit(shared, x, y, **options)


def test_bad_model():
    with pytest.raises(TypeError, match="model='model'"):
        training.fit("model", X, Y)
    with pytest.raises(ValueError, match=r"model\.compile"):
        training.fit(keras.Sequential([keras.layers.Dense(1)]), X, Y)
    with pytest.raises(ValueError, match="run_eagerly=True"):
        training.fit(small_model(run_eagerly=True), X, Y)


@pytest.mark.tensorflow
def test_distributed_models_are_refused():
    import tensorflow as tf

    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        model = small_model()
    with pytest.raises(ValueError, match=r"`model\.fit`.*sequential"):
        training.fit(model, X, Y)
