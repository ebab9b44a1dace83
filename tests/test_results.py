"""Published results: what is written is read, and what was damaged is named."""

import json

import pandas as pd
import pytest

from bnkeras.evidence import results
from bnkeras.evidence.results import Results, ResultsError


def made_up(scale="quick", value=0.5):
    epochs = pd.DataFrame({"seed": [0, 1], "epoch": [1, 1], "test_accuracy": [value, 0.25], "source": ["made up"] * 2})
    roc = pd.DataFrame({"seed": [0], "class": ["a"], "fpr": [0.1]})
    return Results("study", scale, {"epochs": epochs, "roc": roc}, {"runs": 2})


def files(folder):
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"
    )


def test_round_trip(tmp_path):
    results.publish(made_up(), tmp_path)
    found = results.read("study", source=tmp_path)
    assert (found.study, found.scale, found.about) == ("study", "quick", {"runs": 2})
    for name, table in made_up().tables.items():
        pd.testing.assert_frame_equal(found.tables[name], table)
    assert files(tmp_path) == [f"study/quick/{name}" for name in ("about.json", "epochs.csv", "roc.csv")]


def test_scales_stand_side_by_side_and_the_largest_is_read(tmp_path):
    for scale in ("paper", "quick"):
        results.publish(made_up(scale), tmp_path)
    results.publish(made_up("quick", value=0.75), tmp_path)
    assert results.scales("study", tmp_path) == ["quick", "paper"]
    assert results.read("study", source=tmp_path).scale == "paper"
    assert results.read("study", "quick", tmp_path).tables["epochs"].test_accuracy[0] == 0.75


def test_a_table_that_is_empty_stays_empty(tmp_path):
    some = made_up()
    some.tables["roc"] = some.tables["roc"][:0]
    some.tables["auc"] = pd.DataFrame()
    results.publish(some, tmp_path)
    found = results.read("study", source=tmp_path).tables
    assert list(found["roc"]) == ["seed", "class", "fpr"]
    assert [len(found[name]) for name in ("epochs", "roc", "auc")] == [2, 0, 0]


def test_a_table_that_is_no_more_goes(tmp_path):
    results.publish(made_up(), tmp_path)
    fewer = made_up()
    del fewer.tables["roc"]
    results.publish(fewer, tmp_path)
    assert list(results.read("study", source=tmp_path).tables) == ["epochs"]


def test_a_publication_killed_between_two_renames_is_set_right(tmp_path):
    results.publish(made_up(), tmp_path)
    (tmp_path / "study" / "quick").rename(tmp_path / "study" / ".quick.old")
    assert results.scales("study", tmp_path) == ["quick"]
    assert results.read("study", source=tmp_path).tables["epochs"].test_accuracy[0] == 0.5
    results.publish(made_up("paper"), tmp_path)
    assert results.read("study", "quick", tmp_path).about == {"runs": 2}


def test_results_know_their_study_and_scale(tmp_path):
    results.publish(made_up(), tmp_path)
    (tmp_path / "study" / "quick").rename(tmp_path / "study" / "paper")
    with pytest.raises(ResultsError, match="'study', scale 'quick'"):
        results.read("study", source=tmp_path)


def test_where_nothing_can_be_published_is_known_before(tmp_path):
    results.check_writable("study", tmp_path)
    assert results.scales("study", tmp_path) == []
    (tmp_path / "other").write_text("mine")
    with pytest.raises(OSError, match=str(tmp_path / "other")):
        results.check_writable("other", tmp_path)


def test_missing_results(tmp_path):
    assert results.scales("study", tmp_path) == []
    with pytest.raises(ResultsError, match="scale=None"):
        results.read("study", source=tmp_path)
    results.publish(made_up(), tmp_path)
    with pytest.raises(ResultsError, match=r"scale='paper'.*'quick'"):
        results.read("study", "paper", tmp_path)


def test_protocol_in_force():
    found = results.protocol("2090-01-01T00:00:00+00:00")
    if found is None:
        pytest.skip("no history of protocol.md here")
    assert len(found["commit"]) == 40
    assert results.protocol("2000-01-01T00:00:00+00:00") is None


def test_published_results_name_their_origin():
    for path in results.folder().glob("*/*/about.json"):
        about = json.loads(path.read_text())
        assert {"started", "protocol", "runs", "seconds", "data", "environments"} <= set(about)
        assert all(len(entry["sha256"]) == 64 and entry["source"] for entry in about["data"].values())
