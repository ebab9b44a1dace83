"""The forest plot of verdicts."""

import matplotlib.pyplot as plt
import numpy as np

from bnkeras.evidence import claims
from bnkeras.plots.layout import captioned, themed

_OUTCOME_COLORS = {claims.REPRODUCED: "#0072B2", claims.CONTRADICTED: "#D55E00", claims.ANSWERED: "#009E73"}


@themed
def forest(verdicts, *, caption, title=""):
    """Effect and interval of each headline over its smallest effect that matters, with the paper's own as a cross.

    Args:
        verdicts: Table of `claims.judge`; what was not run is left out.
        caption, title: See `lines`.
    """
    rows = verdicts[verdicts.low.notna()].iloc[::-1]
    names = [f"{row.claim.id}  {row.outcome if row.claim.open else row.verdict}" for row in rows.itertuples()]
    smallest = np.array([row.measure.smallest for row in rows.itertuples()])
    effect, low, high = (rows[column].to_numpy(float) / smallest for column in ("effect", "low", "high"))
    reported = np.array([row.claim.reported_effect for row in rows.itertuples()], dtype=float) / smallest
    figure, axis = plt.subplots(figsize=(7, 1.2 + 0.28 * len(rows)))
    axis.axvspan(-1, 1, color="0.9", zorder=0)
    axis.axvline(0, color="0.5", linewidth=1)
    axis.set_yticks(range(len(rows)), names)
    for word in dict.fromkeys(rows.outcome[::-1]):
        here = np.flatnonzero(rows.outcome == word)
        error = [(effect - low)[here], (high - effect)[here]]
        face = {"markerfacecolor": "white"} if word == claims.INCONCLUSIVE else {}
        color = _OUTCOME_COLORS.get(word, "0.45")
        axis.errorbar(effect[here], here, xerr=error, fmt="o", color=color, label=word, **face)
    axis.plot(reported, range(len(rows)), "x", color="black", markersize=8, label="reported in the paper")
    axis.set_xscale("symlog", linthresh=2)
    axis.set_xlabel("effect over the smallest that matters\npositive: on the claimed side; grey: too small to matter")
    return captioned(figure, caption, title, list(zip(*axis.get_legend_handles_labels(), strict=True)))
