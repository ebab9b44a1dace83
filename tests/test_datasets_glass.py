import hashlib
import http.server
import os
import sys
import threading
import time

import numpy as np
import pytest

from bnkeras import datasets
from bnkeras.datasets import DataError, bng_glass, cache, loading, tables


def glass_arrays(rows=14, **changes):
    rng = np.random.default_rng(0)
    arrays = {"x": rng.normal(2.0, 1.0, (rows, 9)).astype("float32"), "y": (np.arange(rows) % 7).astype("uint8")}
    names = {"feature_names": np.array(bng_glass.FEATURE_NAMES), "class_names": np.array(bng_glass.CLASS_NAMES)}
    return {**arrays, **names, **changes}


def arff(arrays):
    """The table as OpenML writes it: nominal classes, quoted."""
    names = arrays["class_names"]
    lines = ["@relation glass", *(f"@attribute {name} numeric" for name in arrays["feature_names"])]
    lines += [f"@attribute Type {{{','.join(repr(str(name)) for name in names)}}}", "@data"]
    for row, label in zip(arrays["x"], arrays["y"], strict=True):
        values = ["?" if np.isnan(value) else repr(float(value)) for value in row]
        lines.append(",".join([*values, f"'{names[label]}'"]))
    return "\n".join(lines) + "\n"


DESCRIPTION = """<oml:data_set_description xmlns:oml="http://openml.org/openml">
  <oml:id>265</oml:id><oml:name>BNG(glass)</oml:name><oml:version>1</oml:version>
  <oml:description>BNG(glass)</oml:description><oml:format>ARFF</oml:format>
  <oml:url>{url}/data/v1/download/1591/BNG_glass.arff</oml:url>
  <oml:parquet_url>{url}/datasets/dataset_265.pq</oml:parquet_url>
  <oml:default_target_attribute>Type</oml:default_target_attribute>
  <oml:md5_checksum>{md5}</oml:md5_checksum>
</oml:data_set_description>"""
NO_SUCH_DATA_SET = """<oml:error xmlns:oml="http://openml.org/openml">
  <oml:code>111</oml:code><oml:message>Unknown dataset</oml:message></oml:error>"""


@pytest.fixture
def openml_server(tmp_path_factory, monkeypatch):
    """A server on loopback that answers as OpenML does, in force for the real client.

    The dictionary that it yields holds the table's `text`, its `md5` (None: the right one), the `requests` so far, and
    the seconds of `delay` before an answer.
    """
    monkeypatch.setenv("OPENML_CACHE_DIR", str(tmp_path_factory.mktemp("openml")))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    openml = pytest.importorskip("openml")
    served = {"text": None, "md5": None, "requests": [], "delay": 0}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            served["requests"].append(self.path)
            time.sleep(served["delay"])
            status, body = self.answer()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def answer(self):
            if served["text"] is not None and self.path == "/api/v1/xml/data/265":
                md5 = served["md5"] or hashlib.md5(served["text"].encode()).hexdigest()
                return 200, DESCRIPTION.format(url=f"http://127.0.0.1:{self.server.server_port}", md5=md5).encode()
            if served["text"] is not None and self.path.endswith("/BNG_glass.arff"):
                return 200, served["text"].encode()
            return 412, NO_SUCH_DATA_SET.encode()

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.handle_error = lambda *args: None  # A client that has gone away.
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        monkeypatch.setattr(openml.config, "server", f"http://127.0.0.1:{running.server_port}/api/v1/xml")
        monkeypatch.setattr(openml.config, "connection_n_retries", 1)
        yield served
        running.shutdown()
        thread.join()


def test_download_by_the_openml_client_is_cached_without_pickles(folder, openml_server, left, monkeypatch):
    import openml
    import requests

    monkeypatch.setenv("OPENML_SKIP_PARQUET", "false")
    arrays, kept, request = glass_arrays(), openml.config._root_cache_directory, requests.Session.request
    openml_server["text"] = arff(arrays)
    data = datasets.load("bng_glass")
    assert (openml.config._root_cache_directory, requests.Session.request) == (kept, request)
    assert os.environ["OPENML_SKIP_PARQUET"] == "false"
    assert not list(kept.rglob("*265*"))
    np.testing.assert_array_equal(data.x, arrays["x"].astype("float64"))
    np.testing.assert_array_equal(data.y, arrays["y"])
    assert data.source == "BNG(glass), OpenML 265, 14 rows"
    assert left() == ["bng_glass.npz"]
    with np.load(folder / "bng_glass.npz", allow_pickle=False) as file:
        assert {file[key].dtype.kind for key in file} == {"f", "u", "U"}
        changed = {**file, "y": file["y"][::-1]}
    asked = len(openml_server["requests"])
    loading._load.cache_clear()
    again = datasets.load("bng_glass")
    assert len(openml_server["requests"]) == asked
    assert (again.source, again.sha256) == (data.source, data.sha256)
    np.savez(folder / "bng_glass.npz", **changed)
    loading._load.cache_clear()
    with pytest.raises(DataError, match=r"bng_glass.npz is not the data .* expected SHA-256 \w{64}, found \w{64}"):
        datasets.load("bng_glass")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({}, "Unknown dataset"),
        ({"text": arff(glass_arrays()), "md5": "0" * 32}, "Checksum of downloaded file is unequal"),
        ({"text": "@relation glass\n@data\n1,2,"}, "its download failed"),
        ({"delay": 1}, "timed out"),
    ],
    ids=["no such data set", "wrong checksum", "damaged", "no answer"],
)
def test_a_failed_download_says_what_to_provide_and_where(folder, openml_server, monkeypatch, broken, message, left):
    openml_server.update(broken)
    monkeypatch.setattr(cache, "TIMEOUT", 0.3)
    with pytest.raises(DataError, match=rf"{message}.*put bng_glass.npz into .* or set BNKERAS_DATA"):
        datasets.load("bng_glass")
    assert left() == []


def test_without_the_openml_package(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "openml", None)
    with pytest.raises(DataError, match=r"needs openml \(pip install openml\); put bng_glass.npz into"):
        datasets.load("bng_glass")


def test_downloaded_rows_are_checked(folder, openml_server, left):
    arrays = glass_arrays()
    arrays["x"][3, 2] = np.nan
    openml_server["text"] = arff(arrays)
    with pytest.raises(DataError, match="nan in row 3, feature 'Mg'"):
        datasets.load("bng_glass")
    openml_server["text"] = arff(glass_arrays(class_names=np.array([*bng_glass.CLASS_NAMES[:6], "porcelain"])))
    with pytest.raises(DataError, match="row 6 has the unknown class 'porcelain'"):
        datasets.load("bng_glass")
    assert left() == []


@pytest.mark.real_data("bng_glass")
def test_real_data():
    data = datasets.load("bng_glass")
    assert data.x.shape == (137_781, 9)
    if data.sha256 == bng_glass.REGENERATED_SHA256:
        assert data.source == "BNG(glass), regenerated, 137,781 rows"
        assert np.bincount(data.y).tolist() == [44_669, 48_774, 11_126, 313, 8_428, 6_034, 18_437]


def test_split_keeps_the_shares_of_the_classes():
    data = datasets.load("bng_glass_sample")
    x_train, y_train, x_test, y_test = datasets.stratified_split(data, test_size=0.2, seed=3)
    np.testing.assert_allclose(np.bincount(y_test), np.bincount(data.y) / 5, atol=1)
    assert len(x_train) == len(y_train) == 8000
    np.testing.assert_array_equal(datasets.stratified_split(data, test_size=0.2, seed=3)[2], x_test)
    assert (datasets.stratified_split(data, test_size=0.2, seed=4)[2] != x_test).any()


def test_a_class_of_one_row_can_not_be_split():
    table = bng_glass.table("glass", glass_arrays(y=np.array([0] * 7 + [1] * 6 + [4])), "made up", "")
    with pytest.raises(DataError, match="class 'containers' has 1 row, which can't be split"):
        datasets.stratified_split(table)


def test_standardize_by_the_training_part():
    train, test = np.array([[1.0, 10.0], [3.0, 30.0]]), np.array([[5.0, 20.0]])
    scaled_train, scaled_test = datasets.standardize(train, test)
    np.testing.assert_allclose(scaled_train, [[-1, -1], [1, 1]])
    np.testing.assert_allclose(scaled_test, [[3, 0]])
    assert scaled_test.dtype == np.float32
    with pytest.raises(DataError, match=r"feature 'Ba' is constant over the training part, 0\.5"):
        datasets.standardize(np.array([[1.0, 0.5], [2.0, 0.5]]), feature_names=("RI", "Ba"))


def test_features_are_decorrelated_or_correlated():
    decorrelated, standardized, correlated = (
        datasets.prepared_table("bng_glass_sample", 2000, features, seed=1) for features in tables.CORRELATIONS
    )
    assert datasets.mean_correlation(decorrelated.x_train) < 1e-5
    assert 0.05 < datasets.mean_correlation(standardized.x_train) < 0.3
    assert datasets.mean_correlation(correlated.x_train) > 0.5
    for data in (decorrelated, standardized, correlated):
        assert data.x_train.shape == (2000, 9)
        assert data.x_test.shape == (8000, 9)
        np.testing.assert_allclose(data.x_train.mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(data.x_train.std(0), 1, atol=1e-5)
        np.testing.assert_array_equal(data.y_test, standardized.y_test)
    rank = np.linalg.matrix_rank(np.cov(correlated.x_train.T), tol=1e-4)
    assert rank == np.linalg.matrix_rank(np.cov(standardized.x_train.T), tol=1e-4)
    assert standardized.source.endswith("sample of 10,000 rows, 2,000 of them for training")


def test_mean_correlation_is_over_pairs_of_features_whatever_their_sign():
    x = np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0]])
    assert datasets.mean_correlation(x) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("name", "value"), [("examples", 10_000), ("examples", 0), ("features", "rotated"), ("test_examples", 0)]
)
def test_what_can_not_be_prepared(name, value):
    with pytest.raises(DataError, match=rf"`{name}` must be .*Received: {name}='?{value}"):
        datasets.prepared_table("bng_glass_sample", **{"examples": 100, name: value})
