"""Figures of the studies: a line each for a mean over seeds, a band for their spread, the source below.

Every function takes tidy tables, draws with matplotlib and returns the `Figure`. Colours follow the normalization and
are the same in all figures; they are told apart without colour vision too.
"""

from bnkeras.plots.common import label

__all__ = ["label"]
