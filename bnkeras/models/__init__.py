"""The networks of the studies, as plain functions that return an uncompiled `keras.Model`."""

from bnkeras.models.mlp import mlp

__all__ = ["mlp"]
