"""Keras layers: batch normalization and layers with weight standardization."""

from bnkeras.layers._swap import swap
from bnkeras.layers.batch_norm import BatchNormLayer
from bnkeras.layers.weight_standardization import WSConv1D, WSConv2D, WSConv3D, WSDense

__all__ = ["BatchNormLayer", "WSConv1D", "WSConv2D", "WSConv3D", "WSDense", "swap"]
