"""Files of weights and models that pass between Keras's layer and `BatchNormLayer`."""

import pickle

import keras
import numpy as np
import pytest
from helpers import noise
from keras import layers

from bnkeras import BatchNormLayer


def network(norm):
    """Two layers of the kind in turn, one of them in a nested model."""
    inner = keras.Sequential([keras.Input((4,)), norm(), layers.Dense(4), norm(scale=False)])
    inputs = keras.Input((3,))
    return keras.Model(inputs, norm(center=False)(inner(layers.Dense(4)(inputs))))


def filled(model, seed=0):
    model.set_weights([np.abs(noise(*w.shape, seed=seed + i)) for i, w in enumerate(model.get_weights())])
    return model


@pytest.mark.parametrize(
    ("saved", "read"),
    [(layers.BatchNormalization, BatchNormLayer), (BatchNormLayer, layers.BatchNormalization)],
    ids=["from Keras's layers", "into Keras's layers"],
)
def test_weight_files_pass_either_way(saved, read, tmp_path):
    model, other = filled(network(saved)), network(read)
    model.save_weights(tmp_path / "all.weights.h5")
    other.load_weights(tmp_path / "all.weights.h5")
    for weight, expected in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_the_layer_is_named_as_keras_names_its_own():
    keras.backend.clear_session()
    assert [BatchNormLayer().name, BatchNormLayer().name] == ["batch_normalization", "batch_normalization_1"]


def test_saved_models_keep_the_layer(tmp_path):
    model = filled(network(BatchNormLayer))
    x = noise(5, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.layers[-1], BatchNormLayer)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)
    assert pickle.loads(pickle.dumps(BatchNormLayer)) is BatchNormLayer
