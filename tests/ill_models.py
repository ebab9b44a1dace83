"""Small models and data that can be made ill, for the tests of `diagnose`."""

import keras
import numpy as np
from helpers import value_of
from keras import layers


def loss():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def compiled(model, learning_rate=0.1):
    model.compile(keras.optimizers.SGD(learning_rate), loss(), metrics=["accuracy"])
    return model


def images(n, classes=4, size=8, seed=0):
    """Images with a bright quarter that depends on the class, on a bright background."""
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=n)
    x = rng.normal(3, 1, size=(n, size, size, 1))
    half = size // 2
    for image, label in zip(x, y, strict=True):
        image[(label // 2) * half :, (label % 2) * half :][:half, :half] += 1.5
    return x.astype("float32"), y


def table(n, features=6, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=n)
    centres = np.random.default_rng(99).normal(0, 1, size=(classes, features))
    return (centres[y] + rng.normal(size=(n, features))).astype("float32"), y


def cnn(norm=layers.BatchNormalization, **options):
    keras.utils.set_random_seed(0)
    parts = [keras.Input((8, 8, 1)), layers.Conv2D(8, 3), norm(name="norm_1", **options), layers.ReLU()]
    parts += [layers.Conv2D(8, 3, strides=2), norm(name="norm_2", **options), layers.ReLU()]
    return compiled(keras.Sequential([*parts, layers.Flatten(), layers.Dense(4)]))


def mlp(norm=layers.BatchNormalization, before=(), features=6, **options):
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(16), *before, norm(name="norm", **options), layers.ReLU()]
    return compiled(keras.Sequential([keras.Input((features,)), *hidden, layers.Dense(3)]))


def trained(model, x, y, batch_size=32, epochs=10):
    model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)
    return model


def finding(diagnosis, cause):
    return next(one for one in diagnosis.findings if one.cause == cause)


def weights(model):
    return [value_of(variable) for variable in (*model.variables, *model.optimizer.variables)]
