"""Callbacks of `training.fit`: the calls they get, and Keras's own at work."""

import keras
import numpy as np
import pytest
from helpers import noise
from hypothesis import given
from hypothesis import strategies as st

from bnkeras import training
from bnkeras.training.chunks import chunk_ends

TENSORFLOW = keras.config.backend() == "tensorflow"
X = noise(30, 3)
Y = X @ np.array([[1.0], [-2.0], [0.5]], "float32") + 0.1


def build():
    keras.utils.set_random_seed(0)
    layers = keras.layers.Dense(4, "sigmoid", name="hidden"), keras.layers.Dense(1, name="out")
    model = keras.Sequential([keras.Input((3,)), *layers], name="model")
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


def fit(model, x=X, y=Y, **kwargs):
    return training.fit(model, x, y, batch_size=6, **{"jit": not TENSORFLOW, "shuffle": False, **kwargs})


def keras_fit(model, **kwargs):
    return model.fit(X, Y, batch_size=6, shuffle=False, verbose=0, **kwargs)


def assert_same_weights(model, expected, rtol=1e-5):
    for value, other in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(value, other, rtol=rtol)


@pytest.fixture(scope="module")
def compiled():
    """One compiled model for many tests: a new one would be compiled again."""
    model = build()
    fit(model)
    return model


@pytest.fixture
def model(compiled):
    new = build()
    new.optimizer.build(new.trainable_variables)
    for variable, value in zip(compiled.optimizer.variables, new.optimizer.variables, strict=True):
        variable.assign(value)
    compiled.set_weights(new.get_weights())
    return compiled


class Calls(keras.callbacks.Callback):
    """Writes down every call at the level of epochs, with the names in its logs."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def on_train_begin(self, logs=None):
        self.calls.append(("train begin", self.params["epochs"], self.params["steps"]))

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(("epoch begin", epoch))

    def on_test_begin(self, logs=None):
        self.calls.append(("test begin",))

    def on_test_end(self, logs=None):
        self.calls.append(("test end", *logs))

    def on_epoch_end(self, epoch, logs=None):
        assert all(isinstance(value, float) for value in logs.values())
        self.calls.append(("epoch end", epoch, *logs))

    def on_train_end(self, logs=None):
        self.calls.append(("train end", *logs))


class Batches(Calls):
    """Writes down the calls for batches as well."""

    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(("begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(("end", batch, logs["loss"], self.model.get_weights()[0].sum()))

    def ends(self):
        return [call[1] for call in self.calls if call[0] == "end"]


class Every(Batches):
    def __init__(self, every):
        super().__init__()
        self.every = every


def test_calls_at_epoch_level_are_those_of_keras(model):
    ours, expected = Calls(), Calls()
    history = fit(model, epochs=3, initial_epoch=1, validation_data=(X, Y), callbacks=ours)
    expected_history = keras_fit(build(), epochs=3, initial_epoch=1, validation_data=(X, Y), callbacks=[expected])
    assert ours.calls == expected.calls
    assert history is model.history
    assert history.epoch == expected_history.epoch == [1, 2]
    assert history.params == expected_history.params


def test_calls_for_each_step_carry_the_logs_and_the_weights_of_that_step(model):
    ours, expected = Batches(), Batches()
    fit(model, epochs=2, callbacks=[ours])
    keras_fit(build(), epochs=2, callbacks=[expected])
    for call, other in zip(ours.calls, expected.calls, strict=True):
        assert call[:2] == other[:2]
        if call[0] == "end":
            np.testing.assert_allclose(call[2:], other[2:], rtol=1e-5)


@pytest.mark.parametrize(
    ("callback", "steps_per_call", "expected"),
    [
        (Batches, None, [0, 1, 2, 3, 4] * 2),
        (Batches, 2, [1, 3, 4] * 2),
        (Batches, 100, [4, 4]),
        (lambda: Every(3), None, [2, 4, 0, 3, 4]),
        (lambda: Every(3), 4, [2, 3, 4, 0, 3, 4]),
        (lambda: Every(5), None, [4, 4]),
        (lambda: Every(7), None, [4, 1, 4]),
    ],
)
def test_stride(callback, steps_per_call, expected, model):
    callback = callback()
    fit(model, epochs=2, callbacks=callback, steps_per_call=steps_per_call)
    assert callback.ends() == expected


def test_stride_counts_from_epoch_0_and_a_smaller_last_batch_is_a_step(model):
    callback, whole = Every(4), build()
    fit(model, X[:28], Y[:28], epochs=3, initial_epoch=1, callbacks=callback)
    fit(whole, X[:28], Y[:28], epochs=3, initial_epoch=1)
    assert callback.ends() == [2, 4, 1, 4]
    assert_same_weights(model, whole)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 5), st.integers(1, 15) | st.none())
def test_chunks_end_at_every_multiple_and_nowhere_else(steps, every, epoch, steps_per_call):
    due = {step for step in range(1, steps + 1) if (epoch * steps + step) % every == 0}
    due |= {step for step in range(1, steps + 1) if steps_per_call and step % steps_per_call == 0}
    assert chunk_ends([Every(every)], steps, epoch, 0, steps_per_call) == sorted(due | {steps})


@pytest.mark.parametrize("every", [0, -2, 1.5, True])
def test_bad_stride(every, model):
    before = model.get_weights()[0]
    with pytest.raises(ValueError, match=f"Every.every={every}"):
        fit(model, callbacks=[Batches(), Every(every)])
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_stopping_within_an_epoch(model):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    history = fit(model, epochs=4, callbacks=Stop())
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 3
    assert history.epoch == [0]


def test_callbacks_that_steer_the_training(model):
    def callbacks():
        return [
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 if epoch == 0 else rate),
            keras.callbacks.ReduceLROnPlateau("loss", mode="max", factor=0.5, patience=1, min_lr=0.02),
            keras.callbacks.EarlyStopping("val_loss", mode="max", patience=4, restore_best_weights=True),
        ]

    expected = build()
    ours = fit(model, epochs=9, validation_data=(X, Y), callbacks=callbacks()).history
    theirs = keras_fit(expected, epochs=9, validation_data=(X, Y), callbacks=callbacks()).history
    assert len(ours["loss"]) == 5
    assert len(set(ours["learning_rate"])) > 2
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-4)
    assert_same_weights(model, expected)


def test_model_checkpoint_by_epoch_and_by_step(model, tmp_path):
    def callbacks(folder):
        folder.mkdir()
        steps = {"save_weights_only": True, "save_freq": 4}
        return [
            keras.callbacks.ModelCheckpoint(folder / "e{epoch}.keras", save_best_only=True, monitor="loss"),
            keras.callbacks.ModelCheckpoint(folder / "s{epoch}-{batch}.weights.h5", **steps),
        ]

    expected, ours, theirs = build(), tmp_path / "ours", tmp_path / "theirs"
    fit(model, epochs=3, callbacks=callbacks(ours))
    keras_fit(expected, epochs=3, callbacks=callbacks(theirs))
    names = sorted(path.name for path in ours.iterdir())
    assert names == sorted(path.name for path in theirs.iterdir())
    assert [name for name in names if name[0] == "s"] == [f"s{n}.weights.h5" for n in ("1-4", "2-3", "3-2")]
    assert_same_weights(*(keras.models.load_model(folder / "e2.keras") for folder in (ours, theirs)), rtol=1e-4)
    for loaded, folder in ((model, ours), (expected, theirs)):
        loaded.load_weights(folder / "s2-3.weights.h5")
    assert_same_weights(model, expected, rtol=1e-4)


def test_backup_and_restore_goes_on_as_if_never_stopped(tmp_path):
    def crash(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    def run(model, *callbacks):
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", double_checkpoint=True)
        return fit(model, epochs=4, shuffle=True, seed=2, callbacks=[backup, *callbacks]).history["loss"]

    whole, halves = build(), build()
    expected = run(whole)
    with pytest.raises(KeyboardInterrupt):
        run(halves, keras.callbacks.LambdaCallback(on_epoch_begin=crash))
    halves.set_weights(build().get_weights())
    assert run(halves) == expected[2:]
    assert_same_weights(halves, whole, rtol=0)
    assert not (tmp_path / "backup").exists()


def test_backup_by_step_is_taken_at_the_same_steps_as_in_keras(model, tmp_path):
    class Backup(keras.callbacks.BackupAndRestore):
        def __init__(self, folder):
            super().__init__(folder, save_freq=4)
            self.metadata, self.saved = folder / "training_metadata.json", {}

        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            if self.metadata.exists():
                self.saved[self.metadata.read_text()] = None

    ours, theirs = Backup(tmp_path / "ours"), Backup(tmp_path / "theirs")
    fit(model, epochs=3, callbacks=[ours])
    keras_fit(build(), epochs=3, callbacks=[theirs])
    assert list(ours.saved) == list(theirs.saved)
    assert len(ours.saved) == 3


@pytest.mark.parametrize("update_freq", ["epoch", 2])
def test_tensorboard_writes_what_it_writes_in_keras(update_freq, model, tmp_path):
    pytest.importorskip("tensorflow")
    event_file_loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")

    def scalars(folder):
        paths = sorted(folder.rglob("events*"))
        events = [event for path in paths for event in event_file_loader.EventFileLoader(str(path)).Load()]
        return [(value.tag, event.step) for event in events for value in event.summary.value if value.tag != "keras"]

    for train, trained in ((fit, model), (keras_fit, build())):
        board = keras.callbacks.TensorBoard(tmp_path / train.__name__, update_freq=update_freq, histogram_freq=1)
        train(trained, epochs=2, validation_data=(X, Y), callbacks=[board])
    ours = scalars(tmp_path / "fit")
    assert ("epoch_loss", 1) in ours
    assert sorted(ours) == sorted(scalars(tmp_path / "keras_fit"))


def test_terminate_on_nan_stops_after_the_epoch(model):
    x = X.copy()
    x[8] = np.nan
    history = fit(model, x, epochs=5, callbacks=keras.callbacks.TerminateOnNaN())
    assert history.epoch == [0]


def test_progress_is_shown(model, capsys):
    fit(model, epochs=2, verbose=2)
    out = capsys.readouterr().out
    assert "Epoch 1/2" in out
    assert "5/5 - " in out
