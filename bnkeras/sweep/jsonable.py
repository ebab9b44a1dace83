"""Strict JSON for settings and rows; infinities and NaN survive the round trip."""

import json
import math

_TAG = "$float"


def encode(value, **options):
    """Returns strict JSON text; a float that is not finite becomes `{"$float": "nan"}`."""
    return json.dumps(_tagged(value), allow_nan=False, ensure_ascii=False, **options)


def decode(text):
    """Returns the value that `encode` was given, with lists for tuples."""
    return json.loads(text, object_hook=_untagged)


def scalar(value):
    """Returns a number of NumPy or a backend as the Python number it holds, anything plain as it is.

    Raises:
        TypeError: `value` is no str, int, float, bool, None or array of one number without axes.
    """
    if value is None or type(value) in (str, int, float, bool):
        return value
    if getattr(value, "ndim", None) == 0 or getattr(value, "shape", None) == ():
        value = value.item() if hasattr(value, "item") else value.numpy().item()
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"expected a str, int, float, bool or None, got {value!r} of type {type(value).__name__}")


def _tagged(value):
    if isinstance(value, float) and not math.isfinite(value):
        return {_TAG: repr(float(value))}
    if isinstance(value, dict):
        return {name: _tagged(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_tagged(item) for item in value]
    return value


def _untagged(value):
    return float(value[_TAG]) if value.keys() == {_TAG} else value
