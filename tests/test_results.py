import json

import pandas as pd
import pytest

from bnkeras import results
from bnkeras.results import Results


def made_up(scale="quick", accuracy=0.5, study="study"):
    epochs = pd.DataFrame({"seed": [0, 1], "epoch": [1, 1], "test_accuracy": [accuracy, 0.25]})
    curve = pd.DataFrame({"seed": [0, 0], "fpr": [0.0, 1.0]})
    return Results(study, scale, {"epochs": epochs, "roc": curve}, {"runs": 2})


def test_what_is_published_reads_back(tmp_path):
    paths = results.publish(made_up(), tmp_path)
    assert [path.name for path in paths] == ["study.csv", "study.roc.csv", "study.json"]
    found = results.read("study", source=tmp_path)
    assert found.about == {"runs": 2}
    assert set(found.tables) == {"epochs", "roc"}
    pd.testing.assert_frame_equal(found.tables["epochs"].drop(columns="scale"), made_up().tables["epochs"])
    assert set(found.tables["epochs"].scale) == {"quick"}


def test_publishing_replaces_the_same_scale_and_keeps_the_others(tmp_path):
    results.publish(made_up("quick", 0.5), tmp_path)
    results.publish(made_up("laptop", 0.75), tmp_path)
    results.publish(made_up("quick", 0.625), tmp_path)
    assert results.scales("study", tmp_path) == ["quick", "laptop"]
    assert results.read("study", "quick", tmp_path).tables["epochs"].test_accuracy[0] == 0.625
    assert results.read("study", source=tmp_path).tables["epochs"].test_accuracy[0] == 0.75
    assert len(pd.read_csv(tmp_path / "study.csv")) == 4


def test_a_study_whose_name_begins_like_another_is_kept_apart(tmp_path):
    results.publish(made_up(study="bn"), tmp_path)
    results.publish(made_up(study="bn_effects"), tmp_path)
    assert set(results.read("bn", source=tmp_path).tables) == {"epochs", "roc"}


def test_the_largest_scale_is_read_first(tmp_path):
    for scale in ("paper", "quick", "laptop"):
        results.publish(made_up(scale), tmp_path)
    assert results.read("study", source=tmp_path).scale == "paper"


def test_nothing_published(tmp_path):
    assert results.scales("study", tmp_path) == []
    with pytest.raises(FileNotFoundError, match="no results of 'study' at scale 'any'"):
        results.read("study", source=tmp_path)
    results.publish(made_up(), tmp_path)
    with pytest.raises(FileNotFoundError, match=r"scale 'paper', only \['quick'\]"):
        results.read("study", "paper", tmp_path)


def test_no_partial_file_is_left(tmp_path):
    results.publish(made_up(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study.csv", "study.json", "study.roc.csv"]
    assert json.loads((tmp_path / "study.json").read_text()) == {"quick": {"runs": 2}}


def test_published_results_of_the_repository_name_their_origin():
    for path in results.folder().glob("*.json"):
        for about in json.loads(path.read_text()).values():
            assert {"date", "runs", "seconds", "data", "environments"} <= set(about)
            assert all(len(entry["sha256"]) == 64 and entry["source"] for entry in about["data"].values())
