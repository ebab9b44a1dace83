"""Half precision as a setting: which policy a name stands for here, and models built in it."""

import contextlib
import warnings

import keras

from bnkeras.devices import computes_in_bfloat16
from bnkeras.keras_internals import layers_of

PRECISIONS = ("float32", "mixed_bfloat16")


def policy_for(dtype):
    """Return the dtype policy for `"auto"`, the fastest of `PRECISIONS` on this machine; each of these means itself.

    Raises:
        ValueError: If `dtype` is none of them.
    """
    if dtype == "auto":
        return PRECISIONS[computes_in_bfloat16()]
    if dtype not in PRECISIONS:
        raise ValueError(f"`dtype` must be 'auto' or one of {PRECISIONS}. Received: dtype={dtype!r}")
    return dtype


@contextlib.contextmanager
def precision(dtype):
    """A context in which layers that name no dtype are made in one of `PRECISIONS`, or in what `"auto"` is here.

    With `"mixed_bfloat16"` layers compute in bfloat16, and weights and statistics stay in float32. Give the layer of
    the logits `dtype="float32"`: in bfloat16 a logit has three digits.

    Args:
        dtype: `"float32"`, `"mixed_bfloat16"` or `"auto"`.

    Yields:
        Name of the policy, to be recorded with what comes of it.

    Raises:
        ValueError: If `dtype` is none of them.

    Example:

    >>> with training.precision("auto") as policy:
    ...     model = models.tang_fong(2, (32, 32, 3))
    """
    policy, before = policy_for(dtype), keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield policy
    finally:
        keras.config.set_dtype_policy(before)


def warn_of_emulation(model):
    """Warn where layers of a model compute in bfloat16 on a device that is not made for it."""
    if not computes_in_bfloat16() and any(layer.compute_dtype == "bfloat16" for layer in layers_of(model)):
        warnings.warn(
            f"Model {model.name!r} computes in bfloat16, which this device does not have: it is emulated. Without "
            "AVX512-BF16 or AMX, a training step of a convolutional network takes many times as long as in float32. "
            "Use `dtype='float32'`.",
            stacklevel=3,
        )
