"""Checks of what `BatchNormLayer` is given: arguments, masks, batches of one."""

import math
import numbers
import sys
import warnings

import keras

from bnkeras.arguments import check_choice, check_integers


def check_numbers(axis, momentum, epsilon):
    """Raise `ValueError` unless the layer's numbers are in range."""
    checks = {
        "axis": (axis, numbers.Integral, -math.inf, math.inf, "an integer"),
        "momentum": (momentum, numbers.Real, 0, 1, "a number in [0, 1]"),
        "epsilon": (epsilon, numbers.Real, 0, sys.float_info.max, "a number of at least 0"),
    }
    for name, (value, kind, least, most, expected) in checks.items():
        if not isinstance(value, kind) or not least <= value <= most:
            raise ValueError(f"`{name}` must be {expected}. Received: {name}={value!r}")


def check_modes(synchronized, renorm, group_size, inference, accumulation_steps):
    """Raise `ValueError` unless what says which statistics the layer takes is in range and goes together."""
    check_integers(1, optional=True, group_size=group_size, accumulation_steps=accumulation_steps)
    check_choice(("population", "batch"), inference=inference)
    for name, value in (("synchronized", synchronized), ("renorm", renorm)):
        if value and group_size is not None:
            received = f"{name}={value}, group_size={group_size}"
            raise ValueError(f"`{name}` and `group_size` exclude each other. Received: {received}")
    if synchronized and keras.config.backend() == "torch":
        raise ValueError("`synchronized=True` needs the TensorFlow or JAX backend. Received: backend='torch'")


def check_mask(mask, inputs):
    """Raise `ValueError` unless the shape of a mask fits that of the inputs."""
    shapes = f"mask of shape {mask}, inputs of shape {inputs}"
    if len(mask) != len(inputs) - 1:
        raise ValueError(f"`mask` must have one dimension less than the inputs. Received: {shapes}")
    if any(None not in (n, size) and n not in (1, size) for n, size in zip(mask, inputs, strict=False)):
        raise ValueError(f"`mask` must broadcast to the inputs without their last axis. Received: {shapes}")


def warn_of_single_values(layer, shape):
    """Warn if inputs of this shape have one value per channel, in each group where the layer has groups."""
    values = [layer.group_size or shape[0], *shape[1:]]
    del values[layer.axis]
    if None not in values and math.prod(values) == 1:
        warnings.warn(
            f"{layer.name!r} takes its statistics from one value per channel (inputs of shape {shape}): "
            "the value is its own mean, its variance is 0, and the output is `beta` whatever the input. "
            "Use batches of two or more.",
            stacklevel=2,
        )
