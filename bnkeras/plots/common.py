"""What the figures share: names and colours of the normalizations, panels, lines with a band."""

import matplotlib.pyplot as plt

LABELS = {
    "none": "base (no normalization)",
    "bn": "batch normalization",
    "ln": "layer normalization",
    "ws": "weight standardization",
    "ws_bn": "WS + BN",
    "gn": "group normalization",
    "ghost_bn": "ghost BN, groups of 16",
}
COLORS = {
    "none": "#D55E00",
    "bn": "#0072B2",
    "ln": "#009E73",
    "ws": "#E69F00",
    "ws_bn": "#CC79A7",
    "gn": "#56B4E9",
    "ghost_bn": "#000000",
}


def label(level):
    """Readable name of a normalization."""
    return LABELS.get(level, str(level))


def panels(levels, name, source, width=3.6, height=3.2, rows=1, **options):
    """A row (or rows) of axes, one for each of `levels` of the setting `name`, over a line with the source."""
    figure, axes = plt.subplots(
        rows, len(levels), figsize=(width * len(levels), height * rows), squeeze=False, layout="constrained", **options
    )
    for axis, level in zip(axes[0], levels, strict=True):
        axis.set_title(f"{name.replace('_', ' ')} {level:g}" if isinstance(level, float) else f"{name} {level}")
    figure.supxlabel(source, fontsize=8, color="0.35")
    return figure, axes


def mean_and_band(axis, table, x, y, color, name):
    """Draw the mean of `y` over seeds against `x`, with a band from the smallest to the largest seed."""
    seeds = table.groupby(x)[y]
    mean = seeds.mean()
    axis.plot(mean.index, mean, color=color, label=name)
    axis.fill_between(mean.index, seeds.min(), seeds.max(), color=color, alpha=0.2, linewidth=0)
