"""Models with one kind of batch normalization in place of the other."""

import keras
import numpy as np
import pytest
from helpers import noise
from keras import layers

import bnkeras
from bnkeras import BatchNormLayer
from bnkeras.keras_internals import layers_of

X, Y = noise(24, 4), np.arange(24) % 3


class Block(layers.Layer):
    """A layer of one's own, not registered, that is given its normalization."""

    def __init__(self, norm, **kwargs):
        super().__init__(**kwargs)
        self.norm = norm

    def call(self, x, training=False):
        return x + self.norm(x, training=training)

    def get_config(self):
        return super().get_config() | {"norm": keras.saving.serialize_keras_object(self.norm)}

    @classmethod
    def from_config(cls, config):
        return cls(norm=keras.saving.deserialize_keras_object(config.pop("norm")), **config)


def own_loss(y, y_pred):
    return keras.losses.sparse_categorical_crossentropy(y, y_pred, from_logits=True)


def network():
    """Nested, shared, wrapped, frozen and custom layers; compiled and trained."""
    keras.utils.set_random_seed(0)
    norm = layers.BatchNormalization
    shared = keras.Sequential([keras.Input((4,)), layers.Dense(4), norm(), layers.Dropout(0.3, seed=1)], name="shared")
    inputs = keras.Input((4,))
    z = shared(shared(inputs))
    z = Block(norm(momentum=0.5, epsilon=1e-2), name="block")(z)
    z = layers.Lambda(lambda t: 2 * t)(z)
    z = layers.TimeDistributed(norm(scale=False), name="wrapped")(layers.Reshape((2, 2))(z))
    frozen = norm(name="frozen", center=False)
    frozen.trainable = False
    model = keras.Model(inputs, layers.Dense(3)(frozen(layers.Flatten()(z))), name="whole")
    model.compile(keras.optimizers.Adam(0.01, beta_1=0.8), own_loss, metrics=["accuracy"])
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    return model


def kinds(model):
    return {type(layer) for layer in layers_of(model) if isinstance(layer, (layers.BatchNormalization, BatchNormLayer))}


def test_there_and_back():
    model = network()
    ours = bnkeras.swap(model)
    back = bnkeras.swap(ours, to="keras")
    assert [kinds(one) for one in (model, ours, back)] == [
        {layers.BatchNormalization},
        {BatchNormLayer},
        {layers.BatchNormalization},
    ]
    assert [layer.name for layer in ours.layers] == [layer.name for layer in model.layers]
    assert [layer.trainable for layer in layers_of(ours)] == [layer.trainable for layer in layers_of(model)]
    assert ours.get_layer("block").norm.momentum == 0.5
    expected = model.predict(X, verbose=0)
    for one in (ours, back):
        np.testing.assert_allclose(one.predict(X, verbose=0), expected, rtol=1e-4, atol=1e-5)
    # The optimizer and the dropout go on where they were.
    histories = [one.fit(X, Y, batch_size=8, shuffle=False, verbose=0).history for one in (model, ours, back)]
    for history in histories[1:]:
        assert set(history) == {"loss", "accuracy"}
        np.testing.assert_allclose(history["loss"], histories[0]["loss"], rtol=1e-4)
    for one in (ours, back):
        for weight, expected in zip(one.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(weight, expected, rtol=1e-3, atol=1e-4)


def test_files_of_weights_pass_between_a_model_and_its_copy(tmp_path):
    def own_state(model):
        return [weight for layer in model.layers for weight in layer.get_weights()]

    model = network()
    ours = bnkeras.swap(model)
    model.save_weights(tmp_path / "keras.weights.h5")
    expected = own_state(model)
    ours.fit(X, Y, verbose=0)
    ours.save_weights(tmp_path / "ours.weights.h5")
    ours_then = own_state(ours)
    ours.load_weights(tmp_path / "keras.weights.h5")
    model.load_weights(tmp_path / "ours.weights.h5")
    for found, wanted in ((own_state(ours), expected), (own_state(model), ours_then)):
        for weight, value in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(weight, value)


@pytest.mark.slow
def test_an_application_of_keras():
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2((64, 64, 3), alpha=0.35, weights=None, classes=5)
    x = noise(2, 64, 64, 3)
    expected = model.predict(x, verbose=0)
    ours = bnkeras.swap(model)
    assert kinds(ours) == {BatchNormLayer}
    np.testing.assert_allclose(ours.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-6)


def doubled(x):
    return 2 * x


def own_metric(y, y_pred):
    return keras.ops.mean(keras.ops.abs(y_pred), axis=-1)


def test_functions_of_a_scope_around():
    model = keras.Sequential([keras.Input((4,)), layers.BatchNormalization(), layers.Dense(3, activation=doubled)])
    model.compile("sgd", own_loss, metrics=[own_metric])
    with keras.saving.custom_object_scope({"doubled": doubled, "own_metric": own_metric}):
        ours = bnkeras.swap(model)
    for one in (model, ours):
        one.optimizer.learning_rate = 0.0
    np.testing.assert_allclose(*(list(one.evaluate(X, Y, verbose=0)) for one in (model, ours)), rtol=1e-5)
    with pytest.raises(TypeError, match=r"doubled|own_metric"):
        bnkeras.swap(model)


class OwnCompile(keras.Sequential):
    def compile(self, optimizer):
        super().compile(optimizer, "mse")


@pytest.mark.filterwarnings("ignore:`compile..` was not called:UserWarning")
def test_a_model_with_its_own_compile_is_compiled_again():
    model = OwnCompile([keras.Input((4,)), layers.BatchNormalization()])
    model.compile("sgd")
    model.fit(X, X, verbose=0)
    ours = bnkeras.swap(model)
    np.testing.assert_allclose(ours.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-4, atol=1e-5)
    ours.compile("sgd")
    ours.fit(X, X, verbose=0)


class Hidden(keras.Model):
    """A model that makes its layer by itself."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = layers.BatchNormalization(name="inside")

    def call(self, x):
        return self.norm(x)


def test_what_cannot_be_swapped_is_told():
    hidden = Hidden()
    with pytest.raises(ValueError, match="not built"):
        bnkeras.swap(hidden)
    hidden(X)
    with pytest.raises(ValueError, match=r"\['inside'\]"):
        bnkeras.swap(hidden)
    groups = keras.Sequential([keras.Input((4,)), BatchNormLayer(group_size=2, name="groups")])
    with pytest.raises(ValueError, match=r"'groups'.*'group_size': 2"):
        bnkeras.swap(groups, to="keras")
    with pytest.raises(ValueError, match="`model`"):
        bnkeras.swap(groups)
    with pytest.raises(ValueError, match="to='torch'"):
        bnkeras.swap(groups, to="torch")
    with pytest.raises(TypeError, match="model='model'"):
        bnkeras.swap("model")
