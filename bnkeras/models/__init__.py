"""The networks of the studies, as plain functions that return an uncompiled `keras.Model`."""

from bnkeras.models.mlp import mlp
from bnkeras.models.tang_fong import tang_fong

__all__ = ["mlp", "tang_fong"]
