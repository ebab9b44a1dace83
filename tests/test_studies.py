"""What holds for every study: scales, runs, claims, protocol, and a run of it from data to figures."""

import dataclasses
import re
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

from bnkeras import places, plots, studies, sweep
from bnkeras.evidence import claims, report, results, seeds
from bnkeras.evidence.results import SCALES, Results

PROTOCOL = Path(__file__).resolve().parents[1] / "protocol.md"


def protocol():
    """The rows of the protocol's table: `{claim: cells}`."""
    lines = [
        line.strip("| \n").split(" | ") for line in PROTOCOL.read_text().splitlines() if re.match(r"\| [A-Z]\d", line)
    ]
    return {cells[0]: dict(zip(("headline", "unit", "side", "d"), cells[1:5], strict=True)) for cells in lines}


@pytest.fixture(params=studies.names())
def study(request):
    return studies.get(request.param)


def test_scales_are_known_and_have_a_quick_one(study):
    assert "quick" in study.SCALES
    assert set(study.SCALES) <= set(SCALES)


def test_runs_are_different_frozen_and_of_headline_seeds(study):
    for scale in study.SCALES:
        runs = study.runs(scale)
        assert len(set(runs)) == len(runs) > 0
        assert {type(run) for run in runs} == {study.Run}
        assert any(run.seed >= seeds.FIRST for run in runs)
    with pytest.raises(dataclasses.FrozenInstanceError):
        runs[0].seed = 3


def test_more_seeds_of_a_claim_are_more_runs_and_leave_the_others(study):
    scale = max(study.SCALES, key=SCALES.index)
    fewer = set(study.runs(scale))
    for claim in [claim for claim in study.CLAIMS if claim.headline]:
        more = set(study.runs(scale, {claim.id: 2 * seeds.BLOCK}))
        assert fewer < more
        first = min(run.seed for run in fewer if run.seed >= seeds.FIRST)
        assert {run.seed for run in more - fewer} == set(range(first + seeds.BLOCK, first + 2 * seeds.BLOCK))


def test_claims_are_those_of_the_protocol(study):
    rows = protocol()
    for claim in study.CLAIMS:
        row = rows[claim.id]
        if claim.headline is not None:
            assert row["unit"] == claim.headline.unit
            assert row["side"] == claim.headline.side
            assert float(row["d"]) == claim.headline.smallest


def test_the_protocol_has_41_claims_and_no_other_study_judges_them():
    rows = protocol()
    assert len(rows) == 41
    ids = [claim.id for name in studies.names() for claim in studies.get(name).CLAIMS]
    assert len(ids) == len(set(ids))
    assert set(ids) <= set(rows)


@pytest.mark.slow
def test_a_study_goes_from_its_runs_to_verdicts_and_figures(study, tmp_path):
    few = {claim.id: 2 for claim in study.CLAIMS}
    records = sweep.run_all(study.runs("quick", few), jobs=2, out=tmp_path, progress=False)
    tables = sweep.tables(records, on_failed="raise")
    epochs = tables["epochs"]
    assert {"epoch", "step", "seed", "data", "source", "inference", "train_accuracy", "test_accuracy"} <= set(epochs)
    assert epochs.test_accuracy.dropna().between(0, 1).all()  # a run that diverged has none
    assert (epochs.epoch >= 1).all()
    verdicts = claims.judge(study.CLAIMS, tables)
    assert [row.claim for row in verdicts.itertuples()] == list(study.CLAIMS)
    text = report.text(report.headline_table(report.corrected(verdicts)))
    assert all(claim.id in text for claim in study.CLAIMS)
    claims.explore(study.CLAIMS, tables)
    name = study.__name__.rpartition(".")[2]
    for figure in study.figures(Results(name, "quick", tables, {})).values():
        figure.canvas.draw()
        assert figure.get_supxlabel()
        plt.close(figure)


@pytest.mark.slow
def test_the_same_run_gives_the_same_tables_whatever_the_process_has_trained_before(study):
    def trained(run):
        tables = run.train()
        for row in tables["epochs"]:
            row.pop("seconds")
        return tables

    runs = study.runs("quick")
    first, other = runs[0], runs[-1]
    before = trained(first)
    trained(other)
    np.testing.assert_equal(trained(first), before)


@pytest.fixture
def published(study):
    """The published results of the study at their largest scale."""
    name = study.__name__.rpartition(".")[2]
    if not results.scales(name):
        pytest.skip(f"{name} has no published results")
    return results.read(name)


def test_no_published_interval_leaves_what_can_be(study, published):
    explored = claims.explore(study.CLAIMS, published.tables)
    for row in explored[explored.low.notna()].itertuples():
        low, high = claims.UNITS[row.measure.unit]
        assert low <= row.low <= row.effect <= row.high <= high, row


def texts_of_figures(name):
    """What a study's notebook says of its figures, results among it, or `None` where it has no notebook."""
    if studies.notebook(name) is None:
        return None
    cells = nbformat.read(places.shipped("notebooks") / studies.notebook(name), as_version=4).cells
    shown = [output.get("metadata", {}) for cell in cells for output in cell.get("outputs", [])]
    return {metadata["image/png"]["alt"] for metadata in shown if "image/png" in metadata}


def test_published_figures_are_drawn_and_are_those_of_the_notebook(study, published):
    texts = texts_of_figures(published.study)
    for name, figure in study.figures(published).items():
        figure.canvas.draw()
        plt.close(figure)
        assert texts is None or plots.alt_text(figure) in texts, f"run the notebook of {published.study} again: {name}"


def test_headline_runs_began_after_their_protocol(published):
    assert published.about["protocol"]["date"] < published.about["started"]
