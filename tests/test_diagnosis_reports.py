"""Problems that users reported to Keras, TensorFlow and others, made anew in small: `diagnose` names the cause."""

import keras
import numpy as np
import pytest
from ill_models import cnn, compiled, finding, images, trained
from keras import layers, ops
from sklearn.linear_model import LogisticRegression

from bnkeras import BatchNormLayer, diagnose, estimate_population_statistics

NORMS = pytest.mark.parametrize("norm", [layers.BatchNormalization, BatchNormLayer])


@pytest.mark.slow
@NORMS
def test_keras_7265_one_batch_of_128_without_scale_and_center(norm):
    """A single batch of 128 images, no scale, no center: the loss on the same batch is far higher in inference."""
    x, y = images(128)
    model = trained(cnn(norm, scale=False, center=False), x, y, batch_size=128, epochs=20)
    result = diagnose(model, x, y, batch_size=128)
    first = result.findings[0]
    assert (first.cause, first.severity) == ("lagging averages", "high")
    assert set(first.layers) == {"norm_1", "norm_2"}
    assert "82 %" in first.sentence  # 0.99^20, what is left of the initial values
    assert result.losses["inference"] > 3 * result.losses["population"]
    assert first.call == "estimate_population_statistics(model, x, batch_size=128)"
    estimate_population_statistics(model, x, batch_size=128)
    assert diagnose(model, x, y, batch_size=128).healthy


@pytest.mark.slow
def test_keras_3949_a_validation_loss_far_above_the_training_loss():
    (x, y), validation = images(256), images(128, seed=1)
    model = cnn(momentum=0.999)
    history = model.fit(x, y, batch_size=32, epochs=6, verbose=0, validation_data=validation).history
    assert history["val_loss"][-1] > 2 * history["loss"][-1]
    first = diagnose(model, x, y, batch_size=32).findings[0]
    assert first.cause == "lagging averages"
    assert "momentum 0.999" in first.sentence
    assert "95 %" in first.sentence  # 0.999^48
    estimate_population_statistics(model, x, batch_size=32)
    assert model.evaluate(*validation, verbose=0)[0] < history["val_loss"][-1] / 2


def deep(dropout, momentum=0.99):
    """Convolution, ReLU, normalization, pooling, normalization, dropout, thrice, in this order."""
    keras.utils.set_random_seed(0)
    parts = [keras.Input((12, 12, 1))]
    for i, (filters, size) in enumerate([(8, 3), (16, 3), (32, 1)]):
        parts += [layers.Conv2D(filters, size, activation="relu", padding="same")]
        parts += [layers.BatchNormalization(momentum=momentum, name=f"norm_{i}"), layers.MaxPooling2D(2)]
        parts += [layers.BatchNormalization(momentum=momentum, name=f"pooled_{i}"), layers.Dropout(dropout)]
    head = [layers.Dense(32, activation="relu"), layers.Dropout(dropout), layers.Dense(4)]
    return compiled(keras.Sequential([*parts, layers.GlobalAveragePooling2D(), *head]), 0.05)


@pytest.mark.slow
def test_keras_6977_evaluation_on_the_training_data_of_a_deep_network_with_dropout_and_normalization():
    """The loss of `evaluate` on the training data is much greater than that of `fit`."""
    x, y = images(320, size=12)
    model = deep(0.3)
    loss = model.fit(x, y, batch_size=32, epochs=4, verbose=0).history["loss"][-1]
    assert model.evaluate(x, y, verbose=0)[0] > 1.5 * loss
    result = diagnose(model, x, y, batch_size=32)
    assert result.causes[0] == "lagging averages"
    assert "67 %" in result.findings[0].sentence  # 0.99^40


@pytest.mark.slow
def test_keras_6977_dropout_before_normalization_once_the_averages_have_settled():
    x, y = images(320, size=12)
    model = trained(deep(0.5, momentum=0.8), x, y, epochs=6)
    result = diagnose(model, x, batch_size=32)
    assert "dropout before normalization" in result.causes
    assert "lagging averages" not in result.causes
    assert result.table.dropout_shift[["norm_1", "norm_2"]].min() > 1.2
    assert result.table.dropout_shift["norm_0"] == pytest.approx(1)
    assert finding(result, "dropout before normalization").layers[0] in ("norm_1", "norm_2")
    estimate_population_statistics(model, x, batch_size=32)
    after = diagnose(model, x, batch_size=32).causes
    assert not {"dropout before normalization", "lagging averages", "noisy averages"} & {*after}


@pytest.mark.slow
def test_tensorflow_36446_two_examples_which_are_the_validation_data_too():
    """30 epochs on two images: the training loss falls, that on the same images grows without end."""
    x, y = images(2)[0], np.arange(2)
    model = cnn()
    model.compile(keras.optimizers.Adam(0.01), model.loss)
    history = model.fit(x, y, epochs=30, verbose=0, validation_data=(x, y)).history
    assert history["loss"][-1] < 0.2
    assert history["val_loss"][-1] > 10 * history["loss"][-1]
    result = diagnose(model, x, y)
    assert result.batch_size == 2
    assert result.causes[0] == "lagging averages"
    assert "74 %" in result.findings[0].sentence  # 0.99^30
    assert result.losses["training"] < history["val_loss"][-1] / 10


class Regions(layers.Layer):
    """Regions of images, computed one after the other for the whole batch, and cut into as many rows as images.

    Stacked along the first axis, a row of the result has regions of several images.
    """

    def __init__(self, axis):
        super().__init__()
        self.axis = axis

    def call(self, x):
        parts = [x[:, i : i + 1] for i in range(x.shape[1])]
        return ops.reshape(ops.concatenate(parts, axis=self.axis), (-1, *x.shape[1:]))


def looks(labels, classes, seed):
    """Eight noisy looks at the centre of a class, for each label."""
    centres = np.random.default_rng(99).normal(size=(classes, 32))
    x = centres[labels][:, None] + 3 * np.random.default_rng(seed).normal(size=(len(labels), 8, 32))
    return x.astype("float32"), labels


def attention(axis, classes, x, y):
    """A classifier by one look and by the mean over a row of `Regions`, trained on shuffled batches of 8."""
    inputs = keras.Input((8, 32))
    pooled = layers.GlobalAveragePooling1D()(Regions(axis)(inputs))
    features = keras.Model(inputs, layers.BatchNormalization()(layers.Concatenate()([inputs[:, 0], pooled])))
    estimate_population_statistics(features, x, batch_size=8)
    solved = LogisticRegression(max_iter=200).fit(features.predict(x, batch_size=8, verbose=0), y)
    model = keras.Model(inputs, layers.Dense(classes, name="last")(features.output))
    model.get_layer("last").set_weights([solved.coef_.T, solved.intercept_])
    return compiled(model)


@pytest.mark.slow
def test_cap_8_sorted_by_class_85_percent_and_shuffled_40():
    """Right for images in the order of their classes and wrong for others, though trained on shuffled ones.

    The network concatenates regions of images along the batch and reshapes them, so that rows mix images: in batches
    of one class, they vote.
    """
    classes = 20
    training = looks(np.random.default_rng(1).integers(classes, size=4000), classes, 1)
    model = attention(0, classes, *training)
    x, y = looks(np.repeat(np.arange(classes), 24), classes, 2)
    mixed = np.random.default_rng(0).permutation(len(y))
    in_order, shuffled = (model.evaluate(x[i], y[i], batch_size=8, verbose=0)[1] for i in (np.arange(len(y)), mixed))
    assert in_order > 0.7
    assert shuffled < 0.55
    assert model.evaluate(x, y, batch_size=1, verbose=0)[1] > shuffled + 0.1
    result = diagnose(model, x, y, batch_size=8)
    first = result.findings[0]
    assert (first.cause, first.severity, first.layers) == ("answers depend on the batch", "high", ())
    assert "batch axis" in first.cure
    assert result.losses["inference, mixed"] > 1.5 * result.losses["inference"]
    mended = attention(1, classes, *training)
    assert diagnose(mended, *training, batch_size=8).causes == ["small batches"]


class ByBatch(keras.Model):
    """Two layers of a classifier behind normalization by the batch, in inference too."""

    def __init__(self, ours):
        super().__init__()
        self.ours = ours
        self.norm = BatchNormLayer(inference="batch", name="norm") if ours else layers.BatchNormalization(name="norm")
        self.hidden, self.out = layers.Dense(32, "relu"), layers.Dense(2)

    def call(self, x):
        return self.out(self.hidden(self.norm(x) if self.ours else self.norm(x, training=True)))


def streaks(classes, seed):
    """Points along a diagonal that depends on the class, far from those of the other class."""
    rng = np.random.default_rng(seed)
    u = rng.normal(size=len(classes))
    sign = np.where(classes == 0, 1, -1)
    x = np.stack([u, sign * u], 1) + 0.1 * rng.normal(size=(len(classes), 2)) + 20 * np.eye(2)[classes]
    return x.astype("float32"), classes


@pytest.mark.slow
@pytest.mark.parametrize("ours", [True, False])
def test_data_sorted_by_class_with_the_statistics_of_the_batch(ours):
    keras.utils.set_random_seed(0)
    model = compiled(ByBatch(ours), 0.3)
    # Batches of one class each, in which the class tells the diagonal and nothing else.
    model.fit(*streaks(np.arange(100).repeat(8) % 2, 1), batch_size=8, epochs=15, shuffle=False, verbose=0)
    x, y = streaks(np.repeat([0, 1], 120), 2)
    mixed = np.random.default_rng(0).permutation(240)
    accuracy = [model.evaluate(x[i], y[i], batch_size=8, verbose=0)[1] for i in (np.arange(240), mixed)]
    assert accuracy[0] > accuracy[1] + 0.25
    result = diagnose(model, x, y, batch_size=8)
    first = result.findings[0]
    assert (first.cause, first.severity, first.layers) == ("answers depend on the batch", "high", ("norm",))
    assert result.losses["inference, mixed"] > 1.5 * result.losses["inference"]
