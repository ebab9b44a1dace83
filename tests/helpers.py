"""What tests of layers, statistics, callbacks and training share."""

from typing import ClassVar

import keras
import numpy as np
from keras import ops


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def value_of(variable):
    """A copy as a NumPy array, in float32 at least."""
    return np.array(ops.convert_to_numpy(ops.convert_to_tensor(variable)))


class Traced(keras.layers.Dense):
    """Notes the dtype of its input in each call of its Python code, of which a compiled function makes none."""

    dtypes: ClassVar = []

    def call(self, x):
        self.dtypes.append(keras.backend.standardize_dtype(x.dtype))
        return super().call(ops.cast(x, "float32"))


def traces(function, *args, **kwargs):
    """Whether a function compiles a model with a `Traced` layer, rather than run what was compiled before."""
    Traced.dtypes.clear()
    function(*args, **kwargs)
    return bool(Traced.dtypes)
