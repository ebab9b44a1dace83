import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from bnkeras import claims, models
from bnkeras.studies import _batches, _comparison, _features
from bnkeras.studies import ln_bn_ws as study
from bnkeras.studies.ln_bn_ws import Run

SIZES = (1, 2, 10, 64, 256)
LEVEL = {"none": 0.5, "bn": 0.8, "ln": 0.85, "ws": 0.75, "ws_bn": 0.9, "gn": 0.95, "ghost_bn": 0.99}
SMALL = {"bn": {1: 0.6, 2: 0.2, 10: 0.1}, "ws_bn": {1: 0.6, 2: 0.3}}


def run(**changes):
    settings = {
        "features": "as they are",
        "normalization": "bn",
        "batch_size": 16,
        "learning_rate": 0.5,
        "epochs": 1,
        "seed": 0,
        "jit": False,
    }
    return Run(**{**settings, "data": "mnist_sample", "examples": 64, **changes})


def made_up_tables():
    """Tables of known accuracies; the rate 0.05 is five points worse, correlation gives LN ten points more."""
    rows, correlation = [], []
    data = [("mnist_sample", "as they are"), *(("bng_glass_sample", level) for level in _features.LEVELS)]
    for (name, level), kind, size, rate, seed in itertools.product(data, LEVEL, SIZES, (0.05, 0.5), range(3)):
        if kind == "ghost_bn" and size % 16:
            continue
        if level in ("decorrelated", "correlated") and (kind not in ("bn", "ln") or size not in (10, 64)):
            continue
        value = LEVEL[kind] - SMALL.get(kind, {}).get(size, 0) - (0.05 if rate == 0.05 else 0) + 0.001 * seed
        value += 0.1 if (level, kind) == ("correlated", "ln") else 0
        setting = {"data": name, "features": level, "normalization": kind, "batch_size": size, "learning_rate": rate}
        row = {**setting, "seed": seed, "source": name, "scale": "quick"}
        rows.append({**row, "inference": _batches.MOVING, "test_accuracy": value})
        if kind in _batches.BATCH_NORMS:
            exact = value + (0.04 if size == 256 else 0)
            rows.append({**row, "inference": _batches.POPULATION, "test_accuracy": exact})
        correlation.append({**setting, "seed": seed, "mean_correlation": {"correlated": 0.8}.get(level, 0.1)})
    correlation = [row for row in correlation if row["features"] != "as they are"]
    return {"epochs": pd.DataFrame(rows), "correlation": pd.DataFrame(correlation)}


def test_scales():
    assert {scale: len(study.runs(scale)) for scale in study.SCALES} == {"quick": 102, "laptop": 960, "paper": 1460}
    for scale in study.SCALES:
        assert len(set(study.runs(scale))) == len(study.runs(scale))
    assert {item.batch_size for item in study.runs("laptop") if item.normalization == "ghost_bn"} == {64, 256}
    changed = [item for item in study.runs("laptop") if item.features == "correlated"]
    assert {(item.normalization, item.batch_size) for item in changed} == set(itertools.product(("bn", "ln"), (10, 64)))


@pytest.mark.parametrize("kind", study.NORMALIZATIONS)
def test_every_kind_of_network(kind):
    model = models.mlp((5,), 3, kind, units=(20,), group_size=16 if kind == "ghost_bn" else None)
    norm = {"bn": "BatchNormLayer", "ws_bn": "BatchNormLayer", "ghost_bn": "BatchNormLayer"}.get(kind)
    norm = norm or {"ln": "LayerNormalization", "gn": "GroupNormalization"}.get(kind)
    names = [type(layer).__name__ for layer in model.layers[1:]]
    dense = "WSDense" if kind.startswith("ws") else "Dense"
    assert names == [dense, *([norm] if norm else []), "Activation", "Dense"]
    assert model.get_layer("hidden_1").use_bias == (norm is None)
    assert model.predict(np.zeros((16, 5)), verbose=0).shape == (16, 3)


def test_group_size_goes_with_ghost_batches():
    with pytest.raises(ValueError, match="group_size goes with 'ghost_bn', got None with 'ghost_bn'"):
        models.mlp(normalization="ghost_bn")
    with pytest.raises(ValueError, match="group_size goes with 'ghost_bn', got 4 with 'bn'"):
        models.mlp(normalization="bn", group_size=4)


def test_a_run_on_images_and_one_on_a_table():
    tables = run(normalization="ghost_bn", batch_size=32).train()
    assert [(row["step"], row["inference"]) for row in tables["epochs"]] == [
        (2, _batches.MOVING),
        (2, _batches.POPULATION),
    ]
    assert "correlation" not in tables
    tables = run(data="bng_glass_sample", features="correlated", normalization="ws").train()
    assert [row["inference"] for row in tables["epochs"]] == [_batches.MOVING]
    assert tables["correlation"][0]["mean_correlation"] > 0.7
    assert tables["epochs"][0]["source"].endswith("10,000 rows, 64 of them for training")


def test_features():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 9)).astype("float32")
    x[:, 1] += x[:, 0]
    x = (x - x.mean(0)) / x.std(0)
    train, test = x[:400], x[400:]
    assert _features.mean_correlation(np.array([[1.0, 2.0], [2.0, 4.0], [0.0, 0.0]])) == pytest.approx(1.0)
    assert _features.transform(train, test, "standardized") == (train, test)
    low, high = (_features.transform(train, test, level)[0] for level in ("decorrelated", "correlated"))
    assert _features.mean_correlation(low) < 1e-5
    assert _features.mean_correlation(high) > 0.7
    for changed in (low, high):
        np.testing.assert_allclose(changed.std(0), 1, rtol=1e-3)
        # A linear map that can be undone: the old features are a linear function of the new ones.
        _, residual, rank, _ = np.linalg.lstsq(np.c_[changed, np.ones(len(changed))], train, rcond=None)
        assert rank == 10
        assert residual.max() < 1e-3


def test_every_kind_is_taken_at_its_better_rate():
    wide = _comparison.at_better_rate(made_up_tables()["epochs"])
    assert wide.loc[("mnist_sample", "as they are", 0), ("ln", 64)] == pytest.approx(85)
    assert ("ghost_bn", 10) not in wide


def test_claims_on_known_effects():
    verdicts = claims.judge(study, made_up_tables())
    effect = verdicts.set_index(["id", "condition"]).effect.round(6)
    assert effect["B2", "mnist_sample, mean of batches 2 to 10"] == 20
    assert effect["B2", "mnist_sample, mean of batches 64 to 256"] == 5
    assert effect["B2", "mnist_sample"] == 15
    assert effect["B2", "mnist_sample, mean of batches 64 to 256, BN with the population's statistics"] == 3
    assert effect["B2", "mnist_sample, BN with the population's statistics"] == 17
    assert effect["B3", "bng_glass_sample, mean of batches 64 to 256"] == 5
    assert effect["B4", "mnist_sample"] == pytest.approx(np.std([20, 60, 70, 80, 80]))
    assert effect["B5", "mnist_sample, batch 1"] == 60
    assert effect["B5", "mnist_sample, batch 2"] == 30
    assert effect["B6", "mnist_sample"] == 5
    assert effect["F1", "mnist_sample, batch 10"] == 15
    assert effect["F1", "mnist_sample, batch 1"] == -45
    assert effect["F2", "bng_glass_sample, decorrelated, batch 64"] == 5
    assert effect["F2", "bng_glass_sample, correlated, batch 64"] == 15
    assert effect["F2", "bng_glass_sample, batch 10"] == 10
    assert set(verdicts.seeds) == {3}


def test_figures():
    figures = study.figures(made_up_tables())
    assert list(figures) == ["accuracy", "small", "features"]
    for figure in figures.values():
        figure.canvas.draw()
        plt.close(figure)
