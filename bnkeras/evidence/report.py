"""Tables of verdicts for people: the same cells on the command line, in the notebooks and in the README."""

import pandas as pd

from bnkeras.evidence import claims, words


def verdict_table(verdicts):
    """The columns of `claims.judge` that a reader needs, as text: claim, verdict, effect, interval, seeds, measure."""
    rows = []
    for row in verdicts.itertuples():
        exact = row.verdict == claims.HOLDS_EXACTLY
        rows.append(
            {
                "claim": row.claim.id,
                "verdict": row.verdict,
                "effect": "" if exact else f"{row.effect:.3g}",
                "95 % interval": "" if exact else f"[{row.low:.3g}, {row.high:.3g}]",
                "seeds": "" if exact else str(row.seeds),
                "measure": ", ".join(filter(None, (row.measure.words, words.labels(row.condition)))),
            }
        )
    return pd.DataFrame(rows)


def claim_table(study):
    """The claims that a study judges: id, sentence, the figure reported, how the effect is measured."""
    return pd.DataFrame(
        {
            "claim": claim.id,
            "sentence": measure.sentence or claim.sentence,
            "reported": claim.reported,
            "measure": measure.words,
        }
        for claim in study.CLAIMS
        for measure in claim.measures
    )


def text(table):
    """A table of strings as aligned plain text."""
    rows = [tuple(table.columns), *table.itertuples(index=False, name=None)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def markdown(table):
    """A table of strings as a Markdown table."""
    rows = [tuple(table.columns), ("---",) * len(table.columns), *table.itertuples(index=False, name=None)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def heading(found):
    """One line that names the study, the scale and the sources of the data of `Results`, subsets included."""
    return f"{found.study}, scale {found.scale}, data: {'; '.join(sources(found.tables))}"


def sources(tables):
    """Where the data of a study's tables is from, as its runs recorded it."""
    return sorted(pd.unique(tables["epochs"].source))
