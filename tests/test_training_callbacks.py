"""Callbacks of `training.fit`: the calls they get, and Keras's own at work."""

import csv
import json

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnkeras import training
from bnkeras.callbacks import PercentileLogger
from bnkeras.training.strides import chunk_ends

TENSORFLOW = keras.config.backend() == "tensorflow"
X = np.random.default_rng(0).normal(size=(30, 3)).astype("float32")
Y = X @ np.array([[1.0], [-2.0], [0.5]], "float32") + 0.1
STEPS = 5


def build(optimizer=None):
    keras.utils.set_random_seed(0)
    layers = keras.layers.Dense(4, "sigmoid", name="hidden"), keras.layers.Dense(1, name="out")
    model = keras.Sequential([keras.Input((3,)), *layers], name="model")
    model.compile(optimizer or keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


class Model:
    """One compiled model for many tests: made anew, it would be compiled anew."""

    def __init__(self):
        self.model = build()
        fit(self.model)
        self._start = [keras.ops.convert_to_numpy(v) for v in build().variables]

    def fresh(self):
        expected = build()
        expected.optimizer.build(expected.trainable_variables)
        for variable, value in zip(self.model.optimizer.variables, expected.optimizer.variables, strict=True):
            variable.assign(value)
        self.model.set_weights(expected.get_weights())
        self.model._initial_epoch = None
        return self.model


def fit(model, x=X, y=Y, **kwargs):
    return training.fit(model, x, y, batch_size=6, shuffle=False, **{"jit": not TENSORFLOW, **kwargs})


def keras_fit(model, **kwargs):
    return model.fit(X, Y, batch_size=6, shuffle=False, verbose=0, **kwargs)


@pytest.fixture(scope="module")
def compiled():
    return Model()


@pytest.fixture
def model(compiled):
    return compiled.fresh()


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


def test_stride_counts_from_epoch_0_and_includes_a_smaller_last_batch(model):
    callback = Every(4)
    fit(model, X[:28], Y[:28], epochs=3, initial_epoch=1, callbacks=callback)
    assert callback.ends() == [2, 4, 1, 4]


def test_smaller_last_batch_in_chunks_gives_the_same_weights(model, compiled):
    fit(model, X[:28], Y[:28], callbacks=Every(2), jit=True)
    chunked = model.get_weights()
    fit(compiled.fresh(), X[:28], Y[:28])
    for value, expected in zip(chunked, model.get_weights(), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 5), st.integers(1, 15) | st.none())
def test_chunks_end_at_every_multiple_and_nowhere_else(steps, every, epoch, steps_per_call):
    due = {step for step in range(1, steps + 1) if (epoch * steps + step) % every == 0}
    due |= {step for step in range(1, steps + 1) if steps_per_call and step % steps_per_call == 0}
    assert chunk_ends([Every(every)], steps, epoch, 0, steps_per_call) == sorted(due | {steps})


@pytest.mark.parametrize("every", [0, -2, 1.5, True])
def test_bad_stride(every, model):
    before = model.get_weights()[0]
    with pytest.raises(ValueError, match="`every` of the callback Every"):
        fit(model, callbacks=Every(every))
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_stopping_within_an_epoch(model):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    history = fit(model, epochs=4, callbacks=Stop())
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 3
    assert history.epoch == [0]


def test_early_stopping_restores_the_best_weights(model):
    def stopper():
        return keras.callbacks.EarlyStopping("val_loss", mode="max", patience=2, restore_best_weights=True)

    expected = build()
    ours, theirs = stopper(), stopper()
    history = fit(model, epochs=9, validation_data=(X, Y), callbacks=ours)
    keras_history = keras_fit(expected, epochs=9, validation_data=(X, Y), callbacks=[theirs])
    assert (ours.stopped_epoch, ours.best_epoch) == (theirs.stopped_epoch, theirs.best_epoch) == (2, 0)
    np.testing.assert_allclose(history.history["val_loss"], keras_history.history["val_loss"], rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], expected.get_weights()[0], rtol=1e-5)


def test_learning_rate_callbacks(model):
    def callbacks():
        return [
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 if epoch == 0 else rate),
            keras.callbacks.ReduceLROnPlateau("loss", mode="max", factor=0.5, patience=1, min_lr=0.02),
        ]

    expected = build()
    ours = fit(model, epochs=5, callbacks=callbacks()).history
    theirs = keras_fit(expected, epochs=5, callbacks=callbacks()).history
    assert len(set(ours["learning_rate"])) > 2
    np.testing.assert_allclose(ours["learning_rate"], theirs["learning_rate"], rtol=1e-6)
    np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-4)


def test_model_checkpoint_by_epoch_and_by_step(model, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"

    def callbacks(folder):
        folder.mkdir()
        return [
            keras.callbacks.ModelCheckpoint(folder / "e{epoch}.keras", save_best_only=True, monitor="loss"),
            keras.callbacks.ModelCheckpoint(
                folder / "s{epoch}-{batch}.weights.h5", save_weights_only=True, save_freq=4
            ),
        ]

    expected = build()
    fit(model, epochs=3, callbacks=callbacks(ours))
    keras_fit(expected, epochs=3, callbacks=callbacks(theirs))
    names = sorted(path.name for path in ours.iterdir())
    assert names == sorted(path.name for path in theirs.iterdir())
    assert [name for name in names if name[0] == "s"] == [f"s{n}.weights.h5" for n in ("1-4", "2-3", "3-2")]
    saved = [keras.models.load_model(folder / "e2.keras").get_weights()[0] for folder in (ours, theirs)]
    np.testing.assert_allclose(*saved, rtol=1e-4)
    for loaded, folder in ((model, ours), (expected, theirs)):
        loaded.load_weights(folder / "s2-3.weights.h5")
    np.testing.assert_allclose(model.get_weights()[0], expected.get_weights()[0], rtol=1e-4)


class Crash(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def test_backup_and_restore_goes_on_as_if_never_stopped(compiled, tmp_path):
    def run(model, **kwargs):
        return training.fit(model, X, Y, batch_size=6, epochs=4, seed=2, jit=not TENSORFLOW, **kwargs).history["loss"]

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup", double_checkpoint=True)

    model = compiled.fresh()
    expected = run(model)
    weights = model.get_weights()
    with pytest.raises(KeyboardInterrupt):
        run(compiled.fresh(), callbacks=[backup(), Crash(2)])
    assert run(compiled.fresh(), callbacks=[backup()]) == expected[2:]
    for value, other in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(value, other)
    assert not (tmp_path / "backup").exists()


def test_backup_by_step_is_taken_at_the_same_steps_as_in_keras(model, tmp_path):
    class Backup(keras.callbacks.BackupAndRestore):
        def __init__(self, folder):
            super().__init__(folder, save_freq=4)
            self.saved = []

        def _save_model(self):
            super()._save_model()
            self.saved.append(json.loads((folder / "training_metadata.json").read_text()))

    saved = []
    for train, trained in ((fit, model), (keras_fit, build())):
        folder = tmp_path / train.__name__
        callback = Backup(folder)
        train(trained, epochs=3, callbacks=[callback])
        saved.append(callback.saved)
    assert saved[0] == saved[1]
    assert len(saved[0]) == 3


def test_csv_logger(model, tmp_path):
    history = fit(model, epochs=2, validation_data=(X, Y), callbacks=keras.callbacks.CSVLogger(tmp_path / "log.csv"))
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert list(rows[0]) == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert [float(row["val_mae"]) for row in rows] == pytest.approx(history.history["val_mae"])


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
    with pytest.raises(RuntimeError, match="NaN"):
        fit(model, x, epochs=5, callbacks=keras.callbacks.TerminateOnNaN(raise_error=True))


def test_percentile_logger_looks_where_it_looks_in_keras(model):
    ours, theirs = PercentileLogger(X, every=3), PercentileLogger(X, every=3)
    fit(model, epochs=2, callbacks=ours)
    keras_fit(build(), epochs=2, callbacks=[theirs])
    table, expected = ours.result(), theirs.result()
    assert list(table.step.unique()) == [0, 3, 6, 9]
    assert list(table.step) == list(expected.step)
    np.testing.assert_allclose(table.value, expected.value, rtol=1e-4, atol=1e-5)


def test_progress_is_shown(model, capsys):
    fit(model, epochs=2, verbose=2)
    out = capsys.readouterr().out
    assert "Epoch 1/2" in out
    assert "5/5 - " in out
