"""What a diagnosis says: findings in plain sentences, a table, a figure."""

import dataclasses
import textwrap

import pandas as pd

SEVERITIES = ("high", "medium", "low")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        cause: String, its name, such as `"lagging averages"`.
        severity: `"high"`: answers are wrong; `"medium"`: they are at risk, or training suffers; `"low"`: good to know.
        sentence: String, what was measured.
        cure: String, what helps.
        call: String, the code that does it; empty where there is no such call.
        layers: Tuple of names of the layers that it is about, worst first.
        size: Float, how often the measure exceeds what is still harmless.
    """

    cause: str
    severity: str
    sentence: str
    cure: str
    call: str = ""
    layers: tuple = ()
    size: float = 1.0

    def __str__(self):
        lines = [f"{self.cause} ({self.severity}): {self.sentence}", f"Cure: {self.cure}"]
        text = "\n".join(textwrap.fill(line, 116, subsequent_indent="   ") for line in lines)
        return text.replace("\nCure", "\n   Cure") + (f"\n       {self.call}" if self.call else "")


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """The result of `diagnose`: `print` shows it.

    Attributes:
        model: String, the name of the model.
        findings: Tuple of `Finding`, worst first; empty where nothing is wrong.
        table: `pandas.DataFrame` with a row for each batch normalization layer, by its name (its path where names are
            not unique), in the order of the model:

            - `values`: values per channel that a batch's statistics are made of; `effective`: the most
              independent ones that would make them as noisy as they are (NaN with fewer than eight batches);
            - `frozen`: whether training uses the moving statistics; `by_batch`: whether inference uses the batch's;
            - `mean_gap`, `variance_gap`: how far the moving statistics are from the batches' average in training or,
              where these are nearer, from the population's statistics; root mean square over channels, in standard
              deviations and as a share of the variance; `noise`: what the batches alone leave of either; `steps`:
              training steps until both are at most 0.1 (`steps_to_settle`);
            - `constant`, `hidden_by_epsilon`: shares of the channels without variance, and with one that epsilon
              exceeds ten times;
            - `dropout_shift`: variance that reaches the layer with dropout over that without;
            - `peak`: largest magnitude; `not_finite`: number of NaN or infinite values.
        losses: `pandas.Series` of the loss on `x`: in `training` mode, with the `batch`'s statistics and without
            dropout, with the `population`'s, in `inference`; `inference, mixed` for shuffled batches, where the order
            makes a difference. Empty without `y`.
        examples, batch_size: Integers, what was looked at.
    """

    model: str
    findings: tuple
    table: pd.DataFrame
    losses: pd.Series
    examples: int
    batch_size: int

    @property
    def healthy(self):
        """Whether nothing is wrong."""
        return not self.findings

    @property
    def causes(self):
        """The causes that were found, worst first, as a list of strings."""
        return [finding.cause for finding in self.findings]

    def figure(self, caption=""):
        """Draw the losses, and how far each layer's moving statistics are from the data's.

        Args:
            caption: String that is added below the figure, such as seed and settings. Defaults to `""`.

        Returns:
            A `matplotlib` figure.
        """
        from bnkeras import plots

        title = "Nothing is wrong" if self.healthy else f"Worst: {self.findings[0].cause}"
        caption = "; ".join(filter(None, [self._looked_at(), caption]))
        return plots.examination(self.losses, self.table, caption=caption, title=title)

    def _looked_at(self):
        return f"{self.model!r}, {self.examples:,} examples in batches of {self.batch_size}"

    def __str__(self):
        parts = [f"{self._looked_at()}: " + (f"{len(self.findings)} found, worst first" if self.findings else "")]
        if self.healthy:
            parts = [f"{parts[0]}nothing is wrong with its batch normalization."]
        if len(self.losses):
            parts.append("Loss: " + ", ".join(f"{value:.4g} {name}" for name, value in self.losses.items()))
        parts += [f"{i}. {finding}" for i, finding in enumerate(self.findings, 1)]
        return "\n".join(parts)

    __repr__ = __str__


def worst_first(findings):
    """Sort findings by severity, then by size."""
    return tuple(sorted(findings, key=lambda finding: (SEVERITIES.index(finding.severity), -finding.size)))
