"""The networks of the studies: order and shapes of layers, parameters by hand, max-pooling and ReLU commute."""

import functools
import importlib

import keras
import numpy as np
import pytest
from keras import ops

from bnkeras import BatchNormLayer, models, training
from bnkeras.models.resnet import resnet

to_numpy = ops.convert_to_numpy
PLAIN = {
    1: "conv relu | conv relu pool | conv relu | conv relu pool | conv relu | conv relu pool",
    2: "conv relu pool | conv relu pool | conv relu pool | conv relu pool",
    3: "conv relu | conv pool relu | conv relu | conv pool relu | conv relu | conv pool relu",
}
BN_AFTER_POOL = {
    1: "conv relu bn | conv relu pool bn | conv relu bn | conv relu pool bn | conv relu bn | conv relu pool bn",
    2: "conv relu pool bn | conv relu pool bn | conv relu pool bn | conv relu pool bn",
    3: "conv relu bn | conv pool relu bn | conv relu bn | conv pool relu bn | conv relu bn | conv pool relu bn",
}
BN_BEFORE_POOL = {
    1: "conv relu bn | conv relu bn pool | conv relu bn | conv relu bn pool | conv relu bn | conv relu bn pool",
    2: "conv relu bn pool | conv relu bn pool | conv relu bn pool | conv relu bn pool",
    3: "conv relu bn | conv bn pool relu | conv relu bn | conv bn pool relu | conv relu bn | conv bn pool relu",
}
KINDS = {"conv": "Conv2D", "relu": "ReLU", "pool": "MaxPooling2D", "bn": "BatchNormLayer"}


def tang_fong(model, bn_after=(), seed=0, pixels=32, **kwargs):
    keras.utils.set_random_seed(seed)
    return models.tang_fong(model, (pixels, pixels, 3), bn_after=bn_after, **{"width": 2, **kwargs})


def blocks_of(model):
    """The layers between input and `flatten`, as in the literals above."""
    blocks = {}
    for layer in model.layers[1 : [layer.name for layer in model.layers].index("flatten")]:
        kind, number = layer.name.split("_")
        assert type(layer).__name__ == KINDS[kind]
        blocks.setdefault(int(number), []).append(kind)
    assert list(blocks) == list(range(1, len(blocks) + 1))
    return " | ".join(" ".join(block) for block in blocks.values())


def shapes(model, kind):
    return [layer.output.shape[1:] for layer in model.layers if layer.name.startswith(f"{kind}_")]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_order_of_layers(number):
    every = range(1, PLAIN[number].count("conv") + 1)
    assert blocks_of(tang_fong(number)) == PLAIN[number]
    assert blocks_of(tang_fong(number, bn_before_pool=True)) == PLAIN[number]
    assert blocks_of(tang_fong(number, every)) == BN_AFTER_POOL[number]
    assert blocks_of(tang_fong(number, every, bn_before_pool=True)) == BN_BEFORE_POOL[number]
    head = [layer.name for layer in tang_fong(number, every).layers[-3:]]
    assert head == ["flatten", "dense", "logits"]


@pytest.mark.parametrize("bn_after", [(), (3,), (4, 2), {1, 3}, [2, 2], range(1, 5)])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_bn_stands_after_the_named_blocks_only(number, bn_after):
    plain, everywhere = PLAIN[number].split(" | "), BN_AFTER_POOL[number].split(" | ")
    expected = [everywhere[i] if i + 1 in bn_after else plain[i] for i in range(len(plain))]
    assert blocks_of(tang_fong(number, bn_after)).split(" | ") == expected


def test_defaults_are_the_papers():
    model = models.tang_fong()
    assert model.name == "tang_fong_2"
    assert blocks_of(model) == PLAIN[2]
    assert model.input_shape == (None, 64, 64, 3)
    assert [shape[-1] for shape in shapes(model, "conv")] == [64, 64, 128, 128]
    assert model.get_layer("dense").units == 512
    assert model.get_layer("dense").activation is keras.activations.relu
    assert model.output_shape == (None, 3)
    assert model.get_layer("logits").activation is keras.activations.linear
    assert not model.compiled
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            assert isinstance(layer.kernel_initializer, keras.initializers.GlorotUniform)
            np.testing.assert_array_equal(to_numpy(layer.bias), 0)


@pytest.mark.parametrize(
    ("number", "pixels", "conv", "pool"),
    [
        (1, 64, [64, 62, 31, 29, 15, 13], [31, 15, 7]),
        (1, 32, [32, 30, 15, 13, 7, 5], [15, 7, 3]),
        (2, 64, [64, 30, 15, 6], [32, 15, 8, 3]),
        (2, 32, [32, 14, 7, 2], [16, 7, 4, 1]),
    ],
)
def test_paddings_by_shapes(number, pixels, conv, pool):
    models_ = [tang_fong(number, pixels=pixels)] + ([tang_fong(3, pixels=pixels)] if number == 1 else [])
    for model in models_:
        assert [shape[:2] for shape in shapes(model, "conv")] == [(n, n) for n in conv]
        assert [shape[:2] for shape in shapes(model, "pool")] == [(n, n) for n in pool]
        assert model.get_layer("flatten").output.shape == (None, pool[-1] ** 2 * 4)


def test_height_and_width_may_differ():
    model = models.tang_fong(2, (32, 48, 1), 5, width=2)
    assert shapes(model, "conv") == [(32, 48, 2), (14, 22, 2), (7, 11, 4), (2, 4, 4)]
    assert model.predict(np.zeros((2, 32, 48, 1)), verbose=0).shape == (2, 5)


def test_parameters_by_hand():
    # A convolution from a to b channels has 9ab + b weights; the last pool leaves 1x1x4 in model 2, 3x3x4 in model 1.
    convolutions = (9 * 3 * 2 + 2) + (9 * 2 * 2 + 2) + (9 * 2 * 4 + 4) + (9 * 4 * 4 + 4)
    assert tang_fong(2).count_params() == convolutions + (4 * 16 + 16) + (16 * 3 + 3) == 449
    convolutions = (9 * 3 * 2 + 2) + 3 * (9 * 2 * 2 + 2) + (9 * 2 * 4 + 4) + (9 * 4 * 4 + 4)
    head = (36 * 16 + 16) + (16 * 3 + 3)
    assert [tang_fong(number).count_params() for number in (1, 3)] == [convolutions + head] * 2 == [1037] * 2
    # Batch normalization adds gamma, beta, moving mean and moving variance a channel: 2 after block 2, 4 after block 3.
    assert tang_fong(2, (2, 3)).count_params() == 449 + 4 * (2 + 4)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_seed_gives_the_same_weights_with_and_without_bn(number):
    def weights(*args, **kwargs):
        layers = tang_fong(number, *args, **kwargs).layers
        return [value for layer in layers if not layer.name.startswith("bn") for value in layer.get_weights()]

    expected = weights()
    for other in (weights((1, 3)), weights(range(1, 5), bn_before_pool=True)):
        for value, same in zip(other, expected, strict=True):
            np.testing.assert_array_equal(value, same)
    assert not np.array_equal(weights(seed=1)[0], expected[0])


@pytest.mark.parametrize("model", [0, 4, "2", None])
def test_unknown_model(model):
    with pytest.raises(ValueError, match=rf"`model` must be one of \[1, 2, 3\]. Received: model={model!r}"):
        models.tang_fong(model)


@pytest.mark.parametrize("bn_after", [2, "block 1"])
def test_blocks_that_are_no_list(bn_after):
    with pytest.raises(ValueError, match=f"`bn_after` must be a list or tuple of blocks. Received: {bn_after!r}"):
        models.tang_fong(2, bn_after=bn_after)


@pytest.mark.parametrize(
    ("model", "bn_after", "last", "received"),
    [
        (1, (0,), 6, "0"),
        (1, (1, 7), 6, "7"),
        (3, (7,), 6, "7"),
        (2, (5,), 4, "5"),
        (2, (-1,), 4, "-1"),
        (2, (1.5,), 4, "1.5"),
        (2, ["block 1"], 4, "'block 1'"),
        (2, (None,), 4, "None"),
    ],
)
def test_block_that_is_not_there(model, bn_after, last, received):
    with pytest.raises(ValueError, match=f"`bn_after` must name blocks of model {model}, 1 to {last}. .*: {received}$"):
        models.tang_fong(model, bn_after=bn_after)


@pytest.mark.parametrize(("model", "pixels", "block"), [(1, 2, 2), (1, 4, 4), (3, 12, 6), (2, 4, 2), (2, 16, 4)])
def test_too_small_an_input(model, pixels, block):
    message = rf"`input_shape` is too small for block {block} of model {model}. Received: \({pixels}, {pixels}, 3\)"
    with pytest.raises(ValueError, match=message):
        tang_fong(model, pixels=pixels)


def test_saved_and_loaded(tmp_path):
    model = tang_fong(3, (2, 5), bn_before_pool=True, pixels=16)
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    np.testing.assert_array_equal(to_numpy(loaded(x)), to_numpy(model(x)))


def gradients(function, values):
    """Gradients of a scalar function of a list of arrays, on TensorFlow or JAX."""
    if keras.config.backend() == "jax":
        import jax

        return [np.asarray(g) for g in jax.grad(function)([jax.numpy.asarray(value) for value in values])]
    import tensorflow as tf

    values = [tf.convert_to_tensor(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = function(values)
    return [g.numpy() for g in tape.gradient(loss, values)]


def outputs_and_gradients(model, weights, images, labels):
    """Logits, and the gradients of the cross-entropy for each weight and for the images."""

    def loss(values):
        logits, _ = model.stateless_call(values[:-1], [], values[-1], training=True)
        return ops.mean(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))

    logits, _ = model.stateless_call(weights, [], images)
    return [to_numpy(logits), *gradients(loss, [*weights, images])]


@functools.cache
def models_1_and_3():
    return tang_fong(1, pixels=16, width=4), tang_fong(3, pixels=16, width=4)


def tied_images():
    """Noise, noise with constant regions, whole numbers, one constant image and one of zeros."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(6, 16, 16, 3)).astype("float32")
    images[1, 3:12, :10] = 0.7
    images[2, :, 4:] = -0.4
    images[3] = rng.integers(-1, 2, images[3].shape)
    images[4] = 0.5
    images[5] = 0
    return images


def weights_with_biases(case):
    """Kernels as He et al. draw them; biases of 0, at random, or so low that every second channel is negative."""
    rng = np.random.default_rng(1)
    weights = [rng.normal(0, np.sqrt(2 / np.prod(w.shape[:-1])), w.shape) for w in models_1_and_3()[0].weights]
    for bias in weights[1::2]:
        bias[:] = {"zero": 0, "random": rng.normal(0, 0.3, bias.shape), "negative": 0.3}[case]
    for bias in weights[1:-4:2]:
        bias[1::2] -= 20 * (case == "negative")
    return [weight.astype("float32") for weight in weights]


@pytest.mark.parametrize("biases", ["zero", "random", "negative"])
def test_pool_and_relu_commute(biases):
    first, third = models_1_and_3()
    assert blocks_of(first) != blocks_of(third)
    images, labels, weights = tied_images(), np.array([0, 1, 2, 0, 1, 2]), weights_with_biases(biases)
    results = outputs_and_gradients(first, weights, images, labels)
    for ours, theirs in zip(results, outputs_and_gradients(third, weights, images, labels), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    assert all(np.abs(result).max() > 1e-4 for result in results)
    exchanged = list(weights)
    exchanged[4], exchanged[6] = weights[6], weights[4]  # kernels of conv_3 and conv_4
    assert np.abs(outputs_and_gradients(third, exchanged, images, labels)[0] - results[0]).max() > 1e-3


def test_the_hidden_order_differs_and_whole_windows_are_negative():
    first, third = models_1_and_3()
    for model in (first, third):
        model.set_weights(weights_with_biases("negative"))
    for number in (2, 4, 6):
        before_relu, after_relu = (
            to_numpy(keras.Model(model.input, model.get_layer(f"pool_{number}").output)(tied_images()))
            for model in (third, first)
        )
        assert np.all(before_relu[..., 1::2] < 0)
        assert after_relu.max() > 0.1
        np.testing.assert_array_equal(after_relu, np.maximum(before_relu, 0))


def windows(case):
    rng = np.random.default_rng(2)
    arrays = {
        "random": rng.normal(size=(3, 7, 6, 2)),
        "whole numbers": rng.integers(-2, 3, (3, 7, 6, 2)),
        "zeros": np.zeros((3, 7, 6, 2)),
        "negative": np.full((3, 7, 6, 2), -1.0),
        "negative or zero": rng.integers(-1, 1, (3, 7, 6, 2)),
        "positive": np.full((3, 7, 6, 2), 2.0),
    }
    return ops.convert_to_tensor(arrays[case].astype("float32"))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("case", ["random", "whole numbers", "zeros", "negative", "negative or zero", "positive"])
def test_the_operations_commute_with_their_gradients(case, padding):
    def pool(x):
        return ops.max_pool(x, (2, 2), (2, 2), padding)

    x = windows(case)
    pooled = to_numpy(pool(ops.relu(x)))
    np.testing.assert_array_equal(pooled, to_numpy(ops.relu(pool(x))))
    by_hand = np.maximum(to_numpy(x)[:, 2:4, 4:6].max((1, 2)), 0)
    np.testing.assert_array_equal(pooled[:, 1, 2], by_hand)
    upstream = np.random.default_rng(3).normal(size=pooled.shape).astype("float32")
    (ours,) = gradients(lambda v: ops.sum(upstream * pool(ops.relu(v[0]))), [x])
    (theirs,) = gradients(lambda v: ops.sum(upstream * ops.relu(pool(v[0]))), [x])
    np.testing.assert_array_equal(ours, theirs)


def test_other_functions_do_not_commute_with_the_pool():
    x = windows("random")
    assert not np.allclose(
        to_numpy(ops.max_pool(ops.abs(x), (2, 2), (2, 2))), to_numpy(ops.abs(ops.max_pool(x, (2, 2), (2, 2))))
    )


def test_models_1_and_3_train_alike():
    images, labels = np.tile(tied_images(), (3, 1, 1, 1)), np.arange(18) % 3
    trained, start = [], None
    for number in (1, 3):
        model = tang_fong(number, pixels=16, width=4)
        start = model.get_weights()
        model.compile(keras.optimizers.SGD(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        training.fit(model, images, labels, batch_size=6, epochs=3, seed=5)
        trained.append(model.get_weights())
    for first, third, before in zip(*trained, start, strict=True):
        assert np.abs(first - before).max() > 1e-4
        np.testing.assert_allclose(first, third, rtol=1e-6, atol=1e-6 * np.abs(first).max())


def test_mlp_by_hand():
    model = models.mlp((2, 3), 4, "none", units=(5, 7), activation="tanh")
    names = ["inputs", "flatten", "hidden_1", "tanh_1", "hidden_2", "tanh_2", "logits"]
    assert [layer.name for layer in model.layers] == names
    assert model.count_params() == (6 * 5 + 5) + (5 * 7 + 7) + (7 * 4 + 4)
    # No biases where beta takes their place, and four numbers a unit in batch normalization.
    normalized = models.mlp((6,), 4, "bn", units=(5, 7))
    assert normalized.count_params() == (6 * 5 + 4 * 5) + (5 * 7 + 4 * 7) + (7 * 4 + 4)
    assert normalized.output_shape == (None, 4)
    with pytest.raises(ValueError, match="normalization='batch'"):
        models.mlp(normalization="batch")


def test_resnet_is_that_of_he_et_al():
    model = resnet()
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Conv2D") + kinds.count("Dense") == 20
    assert kinds.count("BatchNormLayer") == 19
    block = ["Conv2D", "BatchNormLayer", "ReLU", "Conv2D", "BatchNormLayer", "Add", "ReLU"]
    assert kinds[:11] == ["InputLayer", "Conv2D", "BatchNormLayer", "ReLU", *block]
    assert [layer.output.shape[1:] for layer in model.layers if type(layer).__name__ == "Add"] == [
        *[(32, 32, 16)] * 3,
        *[(16, 16, 32)] * 3,
        *[(8, 8, 64)] * 3,
    ]
    convolutions = 9 * (3 * 16 + 6 * 16**2 + 16 * 32 + 5 * 32**2 + 32 * 64 + 5 * 64**2)
    channels = 7 * 16 + 6 * 32 + 6 * 64
    assert model.count_params() == convolutions + 4 * channels + 64 * 10 + 10
    assert resnet(normalization=None).count_params() == convolutions + channels + 64 * 10 + 10
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize("depth", [2, 9, 19])
def test_resnet_of_no_whole_number_of_blocks(depth):
    with pytest.raises(ValueError, match=f"6n \\+ 2 for 3 stages. Received: depth={depth}"):
        resnet(depth)


@pytest.fixture
def zero_weights(monkeypatch):
    """Kernels that take no time to draw, for tests of shapes."""
    module = importlib.import_module("bnkeras.models.hajaj_gillies")
    monkeypatch.setattr(module, "HeNormal", lambda seed: keras.initializers.Zeros())


@pytest.mark.usefixtures("zero_weights")
@pytest.mark.parametrize(("depth", "blocks"), [(20, 3), (44, 7)])
def test_hajaj_gillies_is_table_1(depth, blocks):
    model = models.hajaj_gillies(depth)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Conv2D") + kinds.count("Dense") == depth
    assert kinds.count("BatchNormLayer") == depth - 1
    assert kinds.count("MaxPooling2D") == 2
    assert [layer.output.shape[1:] for layer in model.layers if type(layer).__name__ == "Add"] == [
        *[(36, 36, 64)] * blocks,
        *[(18, 18, 128)] * blocks,
        *[(9, 9, 256)] * blocks,
    ]
    pairs = [3 * 64, 2 * blocks * 64**2, 64 * 128, (2 * blocks - 1) * 128**2, 128 * 256, (2 * blocks - 1) * 256**2]
    channels = (2 * blocks + 1) * 64 + 2 * blocks * (128 + 256)
    assert model.count_params() == 9 * sum(pairs) + 4 * channels + 256 * 10 + 10
    assert model.output_shape == (None, 10)


@pytest.mark.usefixtures("zero_weights")
def test_hajaj_gillies_is_table_4():
    model = models.hajaj_gillies(34, classes=50)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Conv2D") + kinds.count("Dense") == 34
    first = model.get_layer("conv_1")
    assert (first.kernel_size, first.strides, first.output.shape[1:]) == ((5, 5), (2, 2), (112, 112, 96))
    sizes = [(56, 96), (28, 192), (14, 384), (7, 768)]
    assert [layer.output.shape[1:] for layer in model.layers if type(layer).__name__ == "Add"] == [
        (pixels, pixels, width)
        for (pixels, width), count in zip(sizes, (3, 4, 6, 3), strict=True)
        for _ in range(count)
    ]
    assert model.output_shape == (None, 50)


@pytest.mark.usefixtures("zero_weights")
def test_an_epoch_of_hajaj_gillies_takes_244_tflop():
    convolutions = [layer for layer in models.hajaj_gillies().layers if type(layer).__name__ == "Conv2D"]
    products = sum(np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape) for layer in convolutions)
    # Two operations a product, forwards and twice backwards, 50,000 images.
    assert 2 * 3 * 50_000 * products == pytest.approx(244e12, rel=0.005)


def test_hajaj_gillies_in_small():
    with training.precision("mixed_bfloat16"):
        model, again = (
            models.hajaj_gillies(8, 4, (12, 12, 3), 5, group_size=5, weight_decay=0.1, seed=0) for _ in range(2)
        )
    norms = [layer for layer in model.layers if isinstance(layer, BatchNormLayer)]
    assert [norm.name for norm in norms] == [f"bn_{number}" for number in range(1, 8)]
    assert {norm.group_size for norm in norms} == {5}
    assert model.get_layer("conv_3").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"
    kernels = [w for w in model.trainable_variables if w.path.endswith("kernel")]
    # Half the decay times the square has the decay times the weight for its gradient.
    penalty = sum(0.05 * float(np.sum(np.square(kernel))) for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(penalty, rel=1e-2)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not any(layer.use_bias for layer in model.layers if type(layer).__name__ == "Conv2D")


def test_hajaj_gillies_takes_bytes():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 12, 12, 3), "uint8")
    plain, scaled = (models.hajaj_gillies(8, 4, (12, 12, 3), rescaling=factor, seed=0) for factor in (None, 1 / 255))
    np.testing.assert_allclose(scaled(pixels), plain(pixels.astype("float32") / 255), rtol=1e-5, atol=1e-6)


def test_hajaj_gillies_starts_as_he_et_al_draw():
    model = models.hajaj_gillies(8, 32, (12, 12, 3), seed=0)
    kernel = np.asarray(model.get_layer("conv_3").kernel)
    assert kernel.std() == pytest.approx((2 / (9 * 32)) ** 0.5, rel=0.05)


@pytest.mark.parametrize("options", [{"depth": 2}, {"depth": 21}, {"depth": 34.5}, {"normalization": "batch"}])
def test_hajaj_gillies_that_there_is_not(options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value!r}"):
        models.hajaj_gillies(**options)
