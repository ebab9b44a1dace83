"""Tables of verdicts for people: the same cells on the command line, in the notebooks and in the README."""

import pandas as pd

from bnkeras.evidence import claims, words


def headline_table(verdicts):
    """The columns of `claims.judge` that a reader needs, as text: one row a claim.

    Args:
        verdicts: Table of `claims.judge`, with `p_holm` where several studies are corrected together.
    """
    return pd.DataFrame([_headline_row(row) for row in verdicts.itertuples()])


def _headline_row(row):
    if row.measure is None:
        return {
            "claim": row.claim.id,
            "verdict": row.verdict,
            **dict.fromkeys(_COLUMNS, ""),
            "headline": row.claim.proof,
        }
    return {
        "claim": row.claim.id,
        "verdict": row.verdict,
        **_figures(row),
        "d": f"{row.measure.smallest:g}",
        "p (Holm)": _p(getattr(row, "p_holm", float("nan"))),
        "more seeds": "" if row.verdict != "inconclusive" or not row.seeds_needed else f"{row.seeds_needed:.0f}",
        "headline": f"{row.measure.words}, {row.measure.unit}",
    }


_COLUMNS = ("effect", "95 % interval", "seeds", "d", "p (Holm)", "more seeds")


def _figures(row):
    interval = "" if pd.isna(row.low) else f"[{row.low:.3g}, {row.high:.3g}]"
    effect = "" if pd.isna(row.effect) else f"{row.effect:.3g}"
    return {"effect": effect, "95 % interval": interval, "seeds": str(row.seeds)}


def _p(value):
    return "" if pd.isna(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def explored_table(explored):
    """The rows of `claims.explore` beside the headlines, as text: one row a measure and condition."""
    rows = [
        {
            "claim": row.claim.id,
            **_figures(row),
            "compared with d": "" if row.measure.smallest is None else row.verdict,
            "measure": f"{row.measure.words}, {row.measure.unit}",
            "condition": words.labels(row.condition),
        }
        for row in explored.itertuples()
        if row.measure is not row.claim.headline
    ]
    return pd.DataFrame(rows)


def claim_table(judged):
    """What a study judges: claim, sentence, the figure reported, headline, side, smallest effect that matters."""
    rows = []
    for claim in judged:
        measure = claim.headline
        judged = {"headline": claim.proof, "side": "identity", "d": ""}
        if measure is not None:
            judged = {
                "headline": f"{measure.words}, {measure.unit}",
                "side": measure.side,
                "d": f"{measure.smallest:g}",
            }
        rows.append({"claim": claim.id, "sentence": claim.sentence, "reported": claim.reported, **judged})
    return pd.DataFrame(rows)


def effect(row):
    """A headline's effect, interval and unit; `""` where nothing was run."""
    shown = _figures(row) if row.measure else {"effect": ""}
    return f"{shown['effect']} {shown['95 % interval']} {row.measure.unit}" if shown["effect"] else ""


def sentences(verdicts):
    """Each headline's verdict in one line, `{id: text}`: word, measure, effect, interval and unit."""
    result = {}
    for row in verdicts.itertuples():
        result[row.claim.id] = f"{row.claim.id}, {row.verdict}"
        if effect(row):
            result[row.claim.id] += f": {row.measure.words}, {effect(row)}"
    return result


def answers(verdicts):
    """What each headline means in plain words, as a Markdown list: sentence, effect, interval, unit, verdict."""
    lines = []
    for row in verdicts.itertuples():
        words = ""
        if row.measure is not None:
            words = f" {row.measure.words[:1].upper()}{row.measure.words[1:]}{': ' * bool(effect(row))}{effect(row)}"
        lines.append(f"- **{claims.meaning(row)}**{words} ({row.claim.id}: {row.verdict})")
    return "\n".join(lines)


def summary(verdicts):
    """What is known of some claims in one line of plain sentences, and of which of them it is not known."""
    known, unknown = [], {}
    for row in verdicts.itertuples():
        words = claims.meaning(row).rstrip(".")
        if row.measure is None or claims.side(row):
            known.append(f"{words} ({row.claim.id}).")
        else:
            unknown.setdefault(words, []).append(row.claim.id)
    return " ".join([*known, *(f"{words}: {', '.join(ids)}." for words, ids in unknown.items())])


def tally(verdicts, by="paper"):
    """How many claims came out how, as text: a row for each value of a column, or of the claims' papers, and for all.

    Args:
        verdicts: Table of `studies.of_all_claims`.
        by: `"paper"` or the name of a column. Defaults to `"paper"`.
    """
    values = [row.claim.paper if by == "paper" else getattr(row, by) for row in verdicts.itertuples()]
    groups = pd.Series([words.label(by, value) for value in values], name=by, index=verdicts.index)
    counts = pd.crosstab(groups, verdicts.outcome, margins=True, margins_name="all")
    counts = counts.reindex([*dict.fromkeys(groups), "all"])[[word for word in claims.OUTCOMES if word in counts]]
    return counts.assign(all=counts.sum(axis=1)).astype(str).reset_index()


def corrected(verdicts):
    """The verdicts with `p_holm`, Holm's correction over all of them."""
    from statsmodels.stats.multitest import multipletests

    known = verdicts.p.notna()
    p = pd.Series(float("nan"), index=verdicts.index)
    if known.any():
        p[known] = multipletests(verdicts.p[known].astype(float), method="holm")[1]
    return verdicts.assign(p_holm=p)


def mean_and_deviation(values, digits=1):
    """Mean and standard deviation of a `Series` in words, such as "98.2 ± 0.4"; "98.2" of one, `""` of none."""
    deviation = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{deviation}" if len(values) else ""


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
    escaped = ([cell.replace("|", r"\|") for cell in row] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def heading(found):
    """One line that names the study, the scale and the sources of the data of `Results`, subsets included."""
    return f"{found.study}, scale {found.scale}, data: {'; '.join(sources(found.tables))}"


def caption(found):
    """The heading with the processors and backends of the runs."""
    keys = ("processor", "backend", "backend_version")
    where = sorted({" ".join(str(entry[key]) for key in keys) for entry in found.about["environments"]})
    return f"{heading(found)}; {', '.join(where)}"


def cost(found):
    """What `Results` took: how many of the runs that were planned, and core hours."""
    hours = found.about["seconds"]["all runs"] / 3600
    return f"{found.about['runs']:,} of {found.about['planned']:,} runs, {hours:.1f} core hours"


def sources(tables):
    """Where the data of a study's tables is from, as its runs recorded it."""
    return sorted(pd.unique(tables["epochs"].source))
