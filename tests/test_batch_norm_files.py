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


@pytest.mark.parametrize("of_file", [layers.BatchNormalization, BatchNormLayer])
def test_keras_editor_of_files_takes_either_for_the_other(of_file, tmp_path):
    def flat(norm):
        return keras.Sequential([keras.Input((3,)), norm(), layers.Dense(3), norm()])

    flat(of_file).save_weights(tmp_path / "all.weights.h5")
    editor = keras.saving.KerasFileEditor(str(tmp_path / "all.weights.h5"))
    for norm in (layers.BatchNormalization, BatchNormLayer):
        assert editor.compare(flat(norm))["status"] == "success"


def test_files_of_a_model_with_both_kinds(tmp_path):
    def mixed(first, second):
        return keras.Sequential([keras.Input((3,)), first(), second(), first()])

    model = filled(mixed(BatchNormLayer, layers.BatchNormalization))
    model.save_weights(tmp_path / "all.weights.h5")
    other = mixed(layers.BatchNormalization, BatchNormLayer)
    other.load_weights(tmp_path / "all.weights.h5")
    for weight, expected in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


class Derived(BatchNormLayer):
    """A layer of one's own."""


def test_everything_but_files_names_the_layer_by_its_own_class(capsys):
    keras.backend.clear_session()
    layer = BatchNormLayer()
    assert (BatchNormLayer.__name__, layer.name, BatchNormLayer().name) == (
        "BatchNormLayer",
        "batch_norm_layer",
        "batch_norm_layer_1",
    )
    assert repr(layer) == "<BatchNormLayer name=batch_norm_layer, built=False>"
    assert repr(Derived(name="mine")) == "<Derived name=mine, built=False>"
    config = keras.saving.serialize_keras_object(layer)
    assert (config["class_name"], config["registered_name"]) == ("BatchNormLayer", "bnkeras>BatchNormLayer")
    keras.Sequential([keras.Input((3,)), layer]).summary()
    assert "(BatchNormLayer)" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"BatchNormLayer\.call"):
        layer(np.ones((2, 3)), mask=np.ones((2, 3)))
    assert pickle.loads(pickle.dumps(BatchNormLayer)) is BatchNormLayer


def test_saved_models_keep_the_layer(tmp_path):
    model = filled(network(BatchNormLayer))
    x = noise(5, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.layers[-1], BatchNormLayer)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)
