"""Runs of a small network with a seed of its own for everything random, for the test that they agree everywhere."""

import contextlib
import os
import random
import threading
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bnkeras import sweep


@dataclass(frozen=True)
class Net:
    seed: int
    rate: float = 0.3
    study: ClassVar[str] = "nets"

    def train(self):
        with noise() if os.environ.get("TOY_NOISE") else contextlib.nullcontext():
            return {"epochs": self._epochs()}

    def _epochs(self):
        sweep.start_keras()
        import keras

        seeds = iter(int(seed) for seed in np.random.SeedSequence(self.seed).generate_state(8))
        initializers = keras.initializers
        model = keras.Sequential(
            [
                keras.Input((8,)),
                keras.layers.Dense(16, "relu", kernel_initializer=initializers.GlorotUniform(next(seeds))),
                keras.layers.Dropout(self.rate, seed=next(seeds)),
                keras.layers.Dense(3, kernel_initializer=initializers.GlorotUniform(next(seeds))),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss)
        generator = np.random.default_rng(next(seeds))
        x = generator.normal(size=(96, 8)).astype("float32")
        y = generator.integers(3, size=96)
        return [self._epoch(model, x, y, generator.permutation(96)) | {"epoch": epoch} for epoch in (1, 2)]

    def _epoch(self, model, x, y, order):
        losses = [float(model.train_on_batch(x[batch], y[batch])) for batch in order.reshape(-1, 16)]
        return {"loss": sum(losses), "weights": float(sum(np.abs(w).sum(dtype="float64") for w in model.get_weights()))}


@contextlib.contextmanager
def noise():
    """Inside, another thread draws from the global generators without end."""
    done = threading.Event()

    def draw():
        while not done.wait(1e-4):
            random.random()
            np.random.random()  # noqa: NPY002

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
