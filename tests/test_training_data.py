"""Data and weights that `training.fit` takes as `model.fit` does, and what it refuses."""

import keras
import numpy as np
import pytest
from helpers import noise
from keras import layers, ops

from bnkeras import training

TENSORFLOW = keras.config.backend() == "tensorflow"
X, CLASSES = noise(11, 3), np.arange(11) % 3


def classifier():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, weighted_metrics=["accuracy"])
    return model


def assert_as_keras(y=CLASSES, x=X, **options):
    """Both train on the same batches in order."""
    histories, weights = [], []
    for fit in (training.fit, keras.Model.fit):
        model = classifier()
        if y.ndim == 2 and y.shape[1] > 1:
            model.compile(keras.optimizers.SGD(0.1), "mse")
        histories.append(fit(model, x, y, batch_size=4, epochs=3, shuffle=False, verbose=0, **options).history)
        weights.append(model.get_weights()[0])
    assert set(histories[0]) == set(histories[1])
    for name, values in histories[1].items():
        np.testing.assert_allclose(histories[0][name], values, rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(*weights, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("y", [CLASSES, CLASSES[:, None], np.eye(3, dtype="float32")[CLASSES]], ids=np.shape)
def test_class_weight(y):
    assert_as_keras(y, class_weight={0: 3.0, 2: 0.5})


def test_validation_split():
    assert_as_keras(validation_split=0.3)
    assert_as_keras(validation_split=0.3, class_weight={1: 2.0})
    assert_as_keras(validation_split=0.3, sample_weight=np.linspace(0, 2, 11))
    # What is given as validation data comes first.
    assert_as_keras(validation_split=0.3, validation_data=(X[:2], CLASSES[:2]))


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_steps_per_epoch(steps):
    assert_as_keras(steps_per_epoch=steps)


def test_steps_per_epoch_goes_on_with_the_pass_and_shuffles_anew_at_its_end():
    seen = []
    model = classifier()
    model.optimizer.learning_rate = 0.0
    look = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["loss"]))
    options = {"batch_size": 4, "seed": 5, "callbacks": [look]}
    history = training.fit(model, X, CLASSES, epochs=4, steps_per_epoch=2, **options)
    assert history.params["steps"] == 2
    logits = ops.convert_to_numpy(model(X)).astype("float64")
    losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(11), CLASSES]
    orders = [training.batch_order(11, 4, seed=5, epoch=passing) for passing in (0, 1)]
    expected = [losses[np.concatenate(part)].mean() for order in orders for part in (order[:2], order[2:])]
    np.testing.assert_allclose(seen, expected, rtol=1e-5)


@pytest.mark.tensorflow
def test_losses_of_single_outputs_do_not_depend_on_how_steps_are_compiled():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, {"p": layers.Dense(1, name="p")(inputs), "q": layers.Dense(2, name="q")(inputs)})
    model.compile(keras.optimizers.SGD(0.0), {"p": "mse", "q": "mae"})
    y = {"p": noise(11, 1), "q": 3 * noise(11, 2)}
    outputs = {name: ops.convert_to_numpy(output) for name, output in model(X).items()}
    expected = [[np.mean((outputs["p"] - y["p"]) ** 2)], [np.mean(np.abs(outputs["q"] - y["q"]))]]
    for jit in ("auto", True, False):
        history = training.fit(model, X, y, batch_size=4, shuffle=False, jit=jit).history
        np.testing.assert_allclose([history["p_loss"], history["q_loss"]], expected, rtol=1e-5)


class InBatches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, i):
        return X, CLASSES


def sparse():
    import scipy.sparse

    return scipy.sparse.csr_matrix(X)


@pytest.mark.parametrize("x", [InBatches(), iter([(X, CLASSES)]), sparse(), {"x": sparse()}])
def test_data_in_batches_and_sparse_data_are_refused(x):
    kind = type(x["x"] if isinstance(x, dict) else x).__name__
    for options in ({}, {"validation_split": 0.5}):
        with pytest.raises(ValueError, match=rf"`model\.fit`.*{kind}"):
            training.fit(classifier(), x, **options)


@pytest.mark.tensorflow
def test_data_of_tensorflow_are_refused():
    import tensorflow as tf

    ragged = tf.ragged.constant([[1.0], [2.0, 3.0]])
    for x in (tf.data.Dataset.from_tensor_slices((X, CLASSES)).batch(4), tf.sparse.from_dense(X), ragged):
        with pytest.raises(ValueError, match=rf"`model\.fit`.*{type(x).__name__}"):
            training.fit(classifier(), x, CLASSES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation_split": 1.0}, "validation_split=1.0"),
        ({"validation_split": -0.1}, "validation_split=-0.1"),
        ({"validation_split": 0.999}, "validation_split=0.999 of 11"),
        ({"class_weight": [1, 2]}, r"class_weight=\[1, 2\]"),
        ({"class_weight": {0: 1.0}, "sample_weight": np.ones(11)}, "`class_weight` and `sample_weight`"),
        ({"steps_per_epoch": 0}, "steps_per_epoch=0"),
        ({"steps_per_epoch": 12}, "steps_per_epoch=12"),
        ({"steps_per_epoch": 1, "order": [[0, 1]]}, "`order`.*steps_per_epoch=1"),
        ({"shuffle": "batch"}, "shuffle='batch'"),
        ({"order": [[0, 1], [2]]}, r"`order`.*\[\[0, 1\], \[2\]\]"),
    ],
)
def test_bad_arguments(options, message):
    model = classifier()
    with pytest.raises(ValueError, match=message):
        training.fit(model, X, CLASSES, **options)
    assert int(ops.convert_to_numpy(model.optimizer.iterations)) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((5, 7), "5.*batch_size=7"), ((0, 1), "n=0"), ((5, 0), "batch_size=0"), ((5, 2, -1), "seed=-1")],
)
def test_bad_batch_order(arguments, message):
    with pytest.raises(ValueError, match=message):
        training.batch_order(*arguments)
