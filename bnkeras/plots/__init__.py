"""The panels that the figures of the studies are made of, drawn by seaborn: lines, dots, heat maps, forests.

Every function takes a tidy table whose columns `x` and `y` are named as their axes should be, and returns the `Figure`.
A line or a bar is the mean over seeds, a band reaches from the smallest to the largest. Colours follow the
normalization, are the same in all figures, and are told apart without colour vision too.

Matplotlib and seaborn load with the first figure: a sweep's workers, which draw none, do without.
"""

import importlib

_EXPORTS = {
    "KIND_COLORS": "layout",
    "alt_text": "layout",
    "blank": "layout",
    "describe": "layout",
    "dots": "panels",
    "effect_map": "panels",
    "examination": "diagnoses",
    "forest": "verdicts",
    "grids": "panels",
    "heat_maps": "panels",
    "in_order": "layout",
    "lines": "panels",
    "roc": "panels",
}

__all__ = [*_EXPORTS]


def __getattr__(name):
    if name in _EXPORTS:
        return getattr(importlib.import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
