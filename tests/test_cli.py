"""The command line: what it prints, what it refuses, and with which code it ends."""

import subprocess
import sys

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from bnkeras import __main__, datasets, running, studies, sweep
from bnkeras.__main__ import main
from bnkeras.evidence import claims, results
from bnkeras.studies import mnist_sigmoid
from bnkeras.sweep import run_all


def failure(capsys, *argv):
    """Exit code and standard error of a command line that fails."""
    try:
        code = main(argv)
    except SystemExit as exit_:
        code = exit_.code
    return code, capsys.readouterr().err


def test_list_names_studies_scales_and_data(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for name in studies.names():
        assert f"{name}: " in printed
        assert all(f"  {scale}" in printed for scale in studies.get(name).SCALES)


def test_report_has_a_line_for_each_claim_of_what_is_published(capsys):
    if not list(studies.published()):
        pytest.skip("nothing is published")
    assert main(["report"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for found in studies.published():
        for claim in studies.get(found.study).CLAIMS:
            assert sum(line.startswith(f"{claim.id}  ") for line in lines) == 1
    assert main(["report", "--all"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > len(lines)


def test_report_of_nothing(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(results, "folder", lambda: tmp_path)
    assert main(["report"]) == 0
    assert "nothing is published" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["run", "mnist_sigmoids"], "invalid choice: 'mnist_sigmoids'"),
        (["run", "mnist_sigmoid", "--scale", "huge"], "invalid choice: 'huge'"),
        (["run", "mnist_sigmoid", "--jobs", "0"], "expected a whole number above 0, got '0'"),
        (["run", "mnist_sigmoid", "--jobs", "two"], "expected a whole number above 0, got 'two'"),
        (["publish"], "invalid choice: 'publish'"),
        ([], "required: command"),
    ],
)
def test_usage_errors_are_one_line_and_code_2(capsys, argv, message):
    code, error = failure(capsys, *argv)
    assert code == 2
    assert message in error
    assert error.count("\n") == 1


def test_missing_data_set_is_one_line_and_code_2(capsys, tmp_path, monkeypatch):
    folder = tmp_path / "nowhere"
    monkeypatch.setenv("BNKERAS_DATA", str(folder))
    code, error = failure(capsys, "run", "mnist_sigmoid", "--scale", "laptop", "--out", str(tmp_path / "out"))
    assert code == 2
    assert str(folder) in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_study_without_that_scale(capsys, monkeypatch):
    monkeypatch.delitem(mnist_sigmoid.SCALES, "laptop")
    code, error = failure(capsys, "run", "mnist_sigmoid", "--scale", "laptop")
    assert (code, error) == (2, "bnkeras: mnist_sigmoid has no scale 'laptop', only quick, paper\n")


def test_failed_runs_are_one_line_and_code_1(capsys, tmp_path, monkeypatch):
    def train(run):
        raise ValueError("no luck")

    monkeypatch.setattr(mnist_sigmoid.Run, "train", train)
    monkeypatch.setattr(sweep, "run_all", lambda runs, out, **_: run_all(runs, jobs=0, out=out, progress=False))
    code, error = failure(capsys, "run", "mnist_sigmoid", "--out", str(tmp_path))
    assert (code, error) == (1, "bnkeras: 20 of 20 runs failed, the first with ValueError: no luck\n")


@pytest.mark.slow
def test_run_prints_verdicts_draws_figures_and_publishes(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(mnist_sigmoid.SCALES, "quick", {**mnist_sigmoid.SCALES["quick"], "epochs": 3})
    monkeypatch.setattr(mnist_sigmoid, "headline_seeds", lambda claims, seeds: range(100, 102))
    monkeypatch.setattr(results, "folder", lambda: tmp_path / "results")
    assert main(["run", "mnist_sigmoid", "--jobs", "1", "--out", str(tmp_path), "--publish"]) == 0
    printed = capsys.readouterr().out
    assert "not enough runs" in printed
    figures = sorted(path.name for path in (tmp_path / "mnist_sigmoid" / "quick").glob("*.png"))
    assert figures == ["accuracy.png", "percentiles.png", "roc.png", "seconds.png"]
    found = results.read("mnist_sigmoid", source=tmp_path / "results")
    assert len(found.tables["epochs"]) == 2 * 3 * (1 + 2)
    assert found.about["runs"] == 4
    assert found.about["planned"] == 4
    assert found.about["data"]["mnist_sample"]["sha256"] == datasets.load("mnist_sample").sha256

    next((tmp_path / "mnist_sigmoid").glob("*.json")).unlink()
    assert main(["run", "mnist_sigmoid", "--finished", "--out", str(tmp_path), "--publish"]) == 0
    part = results.read("mnist_sigmoid", source=tmp_path / "results")
    assert (part.about["runs"], part.about["planned"]) == (3, 4)


def test_to_judge_what_has_finished_where_nothing_has(capsys, tmp_path):
    code, error = failure(capsys, "run", "mnist_sigmoid", "--finished", "--out", str(tmp_path))
    assert (code, error) == (2, f"bnkeras: none of the 20 runs has finished in {str(tmp_path)!r}\n")


def test_import_takes_neither_keras_nor_a_backend():
    code = "import sys, bnkeras; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "bnkeras" in loaded
    assert not {"keras", "tensorflow", "jax", "pandas", "matplotlib", "sklearn"} & set(loaded)


def test_busy_time_leaves_out_gaps_and_counts_overlaps_once():
    times = [("2026-01-01T00:00:00+00:00", 10.0), ("2026-01-01T00:00:05+00:00", 10.0)]
    times += [("2026-01-01T00:00:06+00:00", 2.0), ("2026-01-01T01:00:00+00:00", 3.5)]
    records = [{"started": start, "seconds": seconds} for start, seconds in times]
    assert running.busy_seconds(records) == pytest.approx(18.5)


@pytest.mark.parametrize("name", studies.names())
def test_where_every_run_diverged_verdicts_and_figure_say_so(name):
    study = studies.get(name)
    row = {"test_accuracy": float("nan"), "seed": 100, "source": "made up"}
    tables = {"epochs": pd.DataFrame([row])}
    verdicts = claims.judge(study.CLAIMS, tables)
    assert set(verdicts.verdict[verdicts.measure.notna()]) == {claims.NOT_ENOUGH_RUNS}
    assert len(claims.explore(study.CLAIMS, tables)) > 0
    (figure,) = __main__._figures(study, results.Results(name, "quick", tables, {})).values()
    assert [text.get_text() for text in figure.axes[0].texts] == ["every run diverged"]
    plt.close(figure)
