"""What an examined model looks like."""

import matplotlib.pyplot as plt
import seaborn as sns

from bnkeras.evidence.words import label
from bnkeras.plots.layout import COLORS, HEIGHT, KIND_COLORS, captioned, themed


@themed
def examination(losses, layers, *, caption, title=""):
    """Losses of a model by the statistics it uses, where there are any, and the gaps of its layers' moving statistics.

    Args:
        losses: `Series` of losses by name; may be empty.
        layers: `DataFrame` with a row for each layer and the columns `mean_gap` and `variance_gap`.
        caption, title: See `lines`.
    """
    panels = 1 + bool(len(losses))
    width = max(2.5 * HEIGHT, 2.5 + 0.3 * len(layers))
    figure, axes = plt.subplots(1, panels, figsize=(1.5 * HEIGHT * (panels - 1) + width, 1.3 * HEIGHT), squeeze=False)
    if len(losses):
        color, axis = KIND_COLORS[label("normalization", "bn")], axes[0, 0]
        sns.barplot(x=losses.to_numpy(), y=list(losses.index), color=color, ax=axis)
        axis.set(xlabel="loss", xlim=(0, None) if losses.min() >= 0 else None)
    return captioned(figure, caption, title, _gaps(axes[0, -1], layers))


def _gaps(axis, layers):
    """Draw the gaps of the layers, and return the entries of their legend."""
    entries = []
    for column, color, marker in zip(("mean_gap", "variance_gap"), COLORS, "os", strict=False):
        dots = axis.plot(range(len(layers)), layers[column], marker, color=color)
        entries.append((dots[0], column.replace("_", " ")))
    axis.axhline(0.1, color="0.5", linestyle=":")
    axis.set_yscale("symlog", linthresh=0.1)
    highest = layers[["mean_gap", "variance_gap"]].max(axis=None)
    axis.set(ylim=(0, max(1, 1.5 * highest)), ylabel="moving statistics against the data's")
    every = max(1, len(layers) // 40)
    axis.set_xticks(range(0, len(layers), every), layers.index[::every], rotation=90, fontsize=7)
    return entries
