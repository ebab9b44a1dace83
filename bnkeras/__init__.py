"""Keras layers, tools and studies that check what batch normalization does to a network.

Submodules load on first use, so that `import bnkeras` needs neither Keras nor a backend:
`bnkeras.BatchNormLayer` and `from bnkeras import BatchNormLayer` both work and import Keras then.
"""

import importlib

__version__ = "0.1.0"

_EXPORTS = {
    "ActivationStats": "callbacks",
    "PercentileLogger": "callbacks",
    "PopulationStatistics": "callbacks",
    "WarnOfLag": "callbacks",
    "diagnose": "diagnosis",
    "freeze": "freezing",
    "unfreeze": "freezing",
    "BatchNormLayer": "layers",
    "WSConv1D": "layers",
    "WSConv2D": "layers",
    "WSConv3D": "layers",
    "WSDense": "layers",
    "accumulate_statistics": "statistics",
    "batch_statistics": "statistics",
    "estimate_population_statistics": "statistics",
    "variance_shift": "statistics",
    "swap": "layers",
}

__all__ = ["__version__", *_EXPORTS]


def __getattr__(name):
    if name in _EXPORTS:
        return getattr(importlib.import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_EXPORTS})
