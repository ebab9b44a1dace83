"""Schilling's two networks: layers, shapes, parameters by hand, initial weights, penalties, bad arguments."""

import itertools

import keras
import numpy as np
import pytest

from bnkeras import BatchNormLayer, models
from bnkeras.models.schilling import EPSILON

BLOCK = ["conv", "norm", "relu", "dropout", "pool"]


def kernels(model):
    """Kernels as arrays, by the name of their layer."""
    return {layer.name: np.array(layer.get_weights()[0]) for layer in model.layers if hasattr(layer, "kernel")}


def small(function=models.schilling_cnn, **options):
    shape = (32, 32, 1) if function is models.schilling_cnn else (8, 8)
    return function(shape, 3, width=2, seed=options.pop("seed", 0), **options)


def test_layers_of_the_cnn():
    names = [layer.name for layer in small(dropout=0.5).layers]
    blocks = [f"{part}_{number}" for number in range(1, 6) for part in BLOCK]
    assert names == ["inputs", *blocks, "flatten", "dense", "norm_6", "relu_6", "dropout_6", "logits"]
    plain = [layer.name for layer in small(normalization="none").layers]
    assert plain == [name for name in names if not name.startswith(("norm", "dropout"))]


def test_layers_of_the_mlp():
    names = [layer.name for layer in small(models.schilling_mlp, dropout=0.5, activation="elu").layers]
    hidden = [f"{part}_{number}" for number in (1, 2, 3) for part in ("dense", "norm", "elu", "dropout")]
    assert names == ["inputs", "flatten", *hidden, "logits"]


def test_shapes_and_parameters_of_the_cnn_by_hand():
    model = models.schilling_cnn(normalization="none")
    pools = [layer.output.shape[1:] for layer in model.layers if layer.name.startswith("pool")]
    assert pools == [(16, 16, 32), (8, 8, 64), (4, 4, 128), (2, 2, 256), (1, 1, 512)]
    convolutions = 896 + 18_496 + 73_856 + 295_168 + 1_180_160
    assert model.count_params() == convolutions + 512 * 513 + 5_130
    # Biases stay beside batch normalization, which has four numbers a channel.
    assert models.schilling_cnn().count_params() == model.count_params() + 4 * (32 + 64 + 128 + 256 + 512 + 512)


def test_parameters_of_the_mlp_by_hand():
    model = models.schilling_mlp(normalization="none")
    assert model.count_params() == 1025 * 100 + 2 * 101 * 100 + 101 * 10
    assert models.schilling_mlp((32, 32, 3), 100).count_params() == 3073 * 100 + 2 * 101 * 100 + 101 * 100 + 1200


@pytest.mark.parametrize(
    ("normalization", "kind"), [("bn", BatchNormLayer), ("keras_bn", keras.layers.BatchNormalization)]
)
def test_batch_normalization_has_torchs_settings(normalization, kind):
    norms = [layer for layer in small(normalization=normalization).layers if layer.name.startswith("norm")]
    assert [type(layer) for layer in norms] == [kind] * 6
    assert {(layer.momentum, layer.epsilon) for layer in norms} == {(0.9, EPSILON)}
    assert pytest.approx(1e-5, rel=2e-3) == EPSILON


@pytest.mark.parametrize(
    ("initializer", "variance"),
    [
        ("kaiming", lambda n_in, n_out: 2 / n_in),
        ("kaiming, gain 1", lambda n_in, n_out: 1 / n_in),
        ("xavier", lambda n_in, n_out: 2 / (n_in + n_out)),
        ("normal", lambda n_in, n_out: 1.0),
    ],
)
def test_initial_weights(initializer, variance):
    model = models.schilling_mlp((32, 32), 200, initializer=initializer, width=200, seed=0)
    for name, (n_in, n_out) in {"dense_1": (1024, 200), "dense_2": (200, 200), "logits": (200, 200)}.items():
        kernel, bias = model.get_layer(name).get_weights()
        deviations = kernel / np.sqrt(variance(n_in, n_out))
        assert deviations.std() == pytest.approx(1, rel=0.02)
        assert np.abs(deviations).max() > 3.5  # not cut at two deviations
        assert not bias.any()


def test_initial_weights_of_a_convolution_count_its_pixels():
    kernel = models.schilling_cnn(width=8, seed=0).get_layer("conv_4").get_weights()[0]
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 32)), rel=0.02)


def test_gammas():
    gamma = models.schilling_mlp(gamma="uniform", seed=0).get_layer("norm_2").get_weights()[0]
    assert 0 < gamma.min() < 0.1 < 0.9 < gamma.max() < 1
    assert (models.schilling_mlp(seed=0).get_layer("norm_2").get_weights()[0] == 1).all()


@pytest.mark.parametrize("function", [models.schilling_cnn, models.schilling_mlp])
def test_kernels_hang_on_seed_alone(function):
    first = kernels(small(function))
    for options in itertools.product(("none", "keras_bn"), (0.0, 0.5), ("relu", "sigmoid")):
        model = small(function, **dict(zip(("normalization", "dropout", "activation"), options, strict=True)))
        np.testing.assert_equal(kernels(model), first)
    assert (kernels(small(function, seed=1))["logits"] != first["logits"]).any()
    layers = list(first.values())
    assert all(a.shape != b.shape or (a != b).any() for a, b in itertools.combinations(layers, 2))


def test_weight_decay_is_of_all_trained_parameters():
    model = small(weight_decay=0.01)
    model.set_weights([np.full(weight.shape, 0.5) for weight in model.weights])
    count = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert float(sum(model.losses)) == pytest.approx(0.01 / 2 * 0.25 * count, rel=1e-5)
    assert not small().losses


def test_dropout_has_its_rate_and_seeds_of_its_own():
    drops = [layer for layer in small(dropout=0.3).layers if layer.name.startswith("dropout")]
    assert {layer.rate for layer in drops} == {0.3}
    assert len({layer.seed for layer in drops}) == 6


def test_half_precision_ends_in_float32():
    model = small(dtype="mixed_bfloat16")
    assert model.get_layer("relu_5").compute_dtype == "bfloat16"
    assert model.get_layer("norm_1").variable_dtype == "float32"
    assert model.output.dtype == "float32"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalization": "ln"}, "`normalization`.*'bn'.*Received: normalization='ln'"),
        ({"initializer": "he"}, "`initializer`.*'xavier'.*Received: initializer='he'"),
        ({"gamma": "zeros"}, "`gamma`.*'uniform'.*Received: gamma='zeros'"),
    ],
)
@pytest.mark.parametrize("function", [models.schilling_cnn, models.schilling_mlp])
def test_unknown_options_are_answered_with_the_known(function, options, message):
    with pytest.raises(ValueError, match=message):
        small(function, **options)


def test_images_too_small_for_five_pools():
    with pytest.raises(ValueError, match=r"`input_shape`.*Received: input_shape=\(28, 28, 1\)"):
        models.schilling_cnn((28, 28, 1))
