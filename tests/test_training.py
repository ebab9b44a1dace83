"""Batches, data, programs and bad input of `training.fit`."""

import gc
import os
import signal
import threading
import weakref

import keras
import numpy as np
import pytest

from bnkeras import training

TENSORFLOW = keras.config.backend() == "tensorflow"
X = np.random.default_rng(0).normal(size=(10, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(10, 1)).astype("float32")


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


def recording_model():
    model = keras.Sequential([keras.Input((1,), dtype="int32"), Recorder(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def batches_seen(model):
    layer = model.layers[0]
    rows = keras.ops.convert_to_numpy(layer.seen)[: int(keras.ops.convert_to_numpy(layer.step))]
    return [[int(value) for value in row if value >= 0] for row in rows]


def small_model(**kwargs):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", **kwargs)
    return model


@pytest.fixture(scope="module")
def shared():
    return small_model()


def fit(model, *args, **kwargs):
    """Graphs compile sooner than XLA does; what is tested here is the same for both."""
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
    model = recording_model()
    x = np.arange(10)[:, None]
    history = fit(model, x, Y, batch_size=4, epochs=2, seed=3, drop_remainder=drop_remainder)
    expected = [
        batch.tolist()
        for epoch in range(2)
        for batch in training.batch_order(10, 4, 3, epoch, drop_remainder=drop_remainder)
    ]
    assert batches_seen(model) == expected
    assert history.params["steps"] == len(expected) // 2


def test_trains_on_the_callers_own_batches():
    model = recording_model()
    x = np.arange(10)[:, None]
    fit(model, x, Y, order=[[0, 0], [9, 1]])
    fit(model, x, Y, order=lambda epoch: np.array([[epoch, 5]]), epochs=2)
    assert batches_seen(model) == [[0, 0], [9, 1], [0, 5], [1, 5]]


def test_whole_numbers_reach_the_model_uncast():
    model = keras.Sequential([keras.Input((1,), dtype="uint8"), keras.layers.Rescaling(1 / 255), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    fit(model, np.arange(10, dtype="uint8")[:, None], Y)
    (program,) = model._bnkeras_programs._programs
    assert "uint8" in str(program)


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
    model = small_model()
    fit(model, X, Y, batch_size=5, validation_data=(X, Y))
    programs = dict(model._bnkeras_programs._programs)
    fit(model, X, Y, batch_size=5, epochs=2, seed=1, validation_data=(X, Y))
    assert model._bnkeras_programs._programs == programs
    assert len(programs) == 2
    model.compile("adam", "mae")
    fit(model, X, Y, batch_size=5)
    assert len(model._bnkeras_programs) == 1
    gone = weakref.ref(model)
    del model, programs
    gc.collect()
    assert gone() is None


def test_model_with_programs_can_be_saved(tmp_path, shared):
    fit(shared, X, Y)
    shared.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
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

    @tf.function
    def dense(x):
        return tf.matmul(x, x)

    @tf.function
    def conv(x):
        return tf.nn.conv1d(x[None], tf.ones((1, 2, 2)), 1, "SAME")

    @tf.function
    def dropout(x):
        return keras.random.dropout(x, 0.5, seed=1)

    graphs = [f.get_concrete_function(tf.TensorSpec((2, 2))).graph for f in (dense, conv, dropout)]
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    assert [is_xla_faster(small_model(), graph) for graph in graphs] == [True, on_gpu, True]
    assert [is_xla_faster(small_model(), graph, few=True) for graph in graphs] == [on_gpu, on_gpu, True]


def test_a_short_fit_does_not_decide_how_a_long_one_is_compiled(monkeypatch):
    from bnkeras.training import programs

    monkeypatch.setattr(programs, "_FEW_STEPS", 4)
    model = small_model()
    training.fit(model, X, Y, epochs=1, batch_size=len(X))
    kept = len(programs.programs_of(model))
    training.fit(model, X, Y, epochs=1, batch_size=len(X))
    assert len(programs.programs_of(model)) == kept
    training.fit(model, X, Y, epochs=4, batch_size=len(X))
    assert len(programs.programs_of(model)) == kept + 1


def test_a_few_batches_of_any_size_take_one_program():
    model = small_model()
    training.fit(model, X, Y, batch_size=len(X) - 1)
    training.fit(model, X, Y, batch_size=3)
    assert len(model._bnkeras_programs) == 1


def test_unbuilt_model_is_built_with_the_same_weights():
    def build():
        keras.utils.set_random_seed(5)
        model = keras.Sequential([keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(), "mse", metrics=["mae"])
        return model

    ours, expected = build(), build()
    fit(ours, X, Y, batch_size=5, shuffle=False)
    expected.fit(X, Y, batch_size=5, shuffle=False, verbose=0)
    for value, other in zip(ours.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-5)


def test_own_loss_without_targets():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    autoencoder = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    autoencoder.compute_loss = lambda x, y, y_pred, sample_weight, training=True: keras.ops.mean((y_pred - x) ** 2)
    autoencoder.compile("sgd")
    losses = fit(autoencoder, X, epochs=3).history["loss"]
    assert losses[0] > losses[-1]


@pytest.fixture
def ctrl_c_interrupts():
    """Python's own handler, which a test run in the background does not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_ctrl_c_leaves_a_model_that_goes_on():
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    model = small_model()
    with pytest.raises(KeyboardInterrupt):
        fit(model, X, Y, epochs=10_000, callbacks=Interrupt())
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


def test_bad_data(shared):
    with pytest.raises(ValueError, match=r"\(10, 3\), \(9, 1\)"):
        fit(shared, X, Y[:9])
    with pytest.raises(ValueError, match="at least one"):
        fit(shared, X[:0], Y[:0])
    with pytest.raises(ValueError, match="<U1"):
        fit(shared, np.array(["a"]), Y[:1])
    with pytest.raises(ValueError, match=r"must not exceed the number of examples, 10\. Received: 11"):
        fit(shared, X, Y, batch_size=11)
    with pytest.raises(ValueError, match="batch_size=4"):
        fit(shared, X, Y, batch_size=4, order=[[0, 1]])
    with pytest.raises(ValueError, match=r"same shape in every epoch. Received: \(1, 2\) in epoch 1, \(1, 1\) before"):
        fit(shared, X, Y, order=lambda epoch: [[0] * (epoch + 1)], epochs=2)


def test_bad_model():
    with pytest.raises(TypeError, match=r"keras\.Model"):
        training.fit("model", X, Y)
    with pytest.raises(ValueError, match="not compiled"):
        training.fit(keras.Sequential([keras.layers.Dense(1)]), X, Y)
    with pytest.raises(ValueError, match="run_eagerly"):
        training.fit(small_model(run_eagerly=True), X, Y)
