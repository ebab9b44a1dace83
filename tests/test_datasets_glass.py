import hashlib
import http.server
import os
import sys
import threading

import numpy as np
import pytest

from bnkeras import datasets
from bnkeras.datasets import DataError, TableData, bng_glass, glass_drawn


def glass_arrays(rows=14, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.normal(2.0, 1.0, (rows, 9)).astype("float32"),
        "y": (np.arange(rows) % 7).astype("uint8"),
        "feature_names": np.array(bng_glass.FEATURE_NAMES),
        "class_names": np.array(bng_glass.CLASS_NAMES),
    }
    return {**arrays, **changes}


def arff(arrays):
    """The table as OpenML writes it: nominal classes, quoted."""
    names = arrays["class_names"]
    lines = ["@relation glass", *(f"@attribute {name} numeric" for name in arrays["feature_names"])]
    lines.append(f"@attribute Type {{{','.join(repr(str(name)) for name in names)}}}")
    lines.append("@data")
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

    The dictionary that it yields holds the table's `text`, its `md5` (None: the right one), and the `requests` so far.
    """
    monkeypatch.setenv("OPENML_CACHE_DIR", str(tmp_path_factory.mktemp("openml")))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    openml = pytest.importorskip("openml")
    served = {"text": None, "md5": None, "requests": []}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            served["requests"].append(self.path)
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
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        monkeypatch.setattr(openml.config, "server", f"http://127.0.0.1:{running.server_port}/api/v1/xml")
        monkeypatch.setattr(openml.config, "connection_n_retries", 1)
        yield served
        running.shutdown()
        thread.join()


def test_download_by_the_openml_client_is_cached_without_pickles(folder, openml_server):
    arrays = glass_arrays()
    openml_server["text"] = arff(arrays)
    data = datasets.load("bng_glass")
    np.testing.assert_array_equal(data.x, arrays["x"].astype("float64"))
    np.testing.assert_array_equal(data.y, arrays["y"])
    assert data.source == "BNG(glass), OpenML 265, 14 rows"
    assert [path.name for path in folder.iterdir()] == ["bng_glass.npz"]
    with np.load(folder / "bng_glass.npz", allow_pickle=False) as file:
        assert {file[key].dtype.kind for key in file} == {"f", "u", "U"}
    asked = len(openml_server["requests"])
    datasets._load.cache_clear()
    again = datasets.load("bng_glass")
    assert len(openml_server["requests"]) == asked
    assert (again.source, again.sha256) == (data.source, data.sha256)


def test_a_download_leaves_the_client_as_it_was(folder, openml_server, monkeypatch):
    import openml

    monkeypatch.setenv("OPENML_SKIP_PARQUET", "false")
    cache = openml.config._root_cache_directory
    openml_server["text"] = arff(glass_arrays())
    datasets.load("bng_glass")
    assert openml.config._root_cache_directory == cache
    assert os.environ["OPENML_SKIP_PARQUET"] == "false"
    assert not list(cache.rglob("*265*"))


def test_a_cached_download_that_was_changed_is_not_used(folder, openml_server):
    openml_server["text"] = arff(glass_arrays())
    datasets.load("bng_glass")
    with np.load(folder / "bng_glass.npz") as file:
        arrays = dict(file)
    arrays["y"] = arrays["y"][::-1]
    np.savez(folder / "bng_glass.npz", **arrays)
    datasets._load.cache_clear()
    with pytest.raises(DataError, match=r"bng_glass.npz is not the data .* expected SHA-256 \w{64}, found \w{64}"):
        datasets.load("bng_glass")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({}, "Unknown dataset"),
        ({"text": arff(glass_arrays()), "md5": "0" * 32}, "Checksum of downloaded file is unequal"),
        ({"text": "@relation glass\n@data\n1,2,"}, "download from OpenML failed"),
    ],
    ids=["no such data set", "wrong checksum", "damaged"],
)
def test_a_failed_download_says_what_to_provide_and_where(folder, openml_server, broken, message):
    openml_server.update(broken)
    with pytest.raises(DataError, match=rf"(?s){message}.*put bng_glass.npz into .* or set BNKERAS_DATA"):
        datasets.load("bng_glass")
    assert list(folder.iterdir()) == []


def test_without_the_openml_package(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "openml", None)
    with pytest.raises(DataError, match=r"needs openml \(pip install openml\); put bng_glass.npz into"):
        datasets.load("bng_glass")


def test_downloaded_rows_are_checked(folder, openml_server):
    arrays = glass_arrays()
    arrays["x"][3, 2] = np.nan
    openml_server["text"] = arff(arrays)
    with pytest.raises(DataError, match="row 3 has no value of feature 'Mg'"):
        datasets.load("bng_glass")
    openml_server["text"] = arff(glass_arrays(class_names=np.array([*bng_glass.CLASS_NAMES[:6], "porcelain"])))
    with pytest.raises(DataError, match="row 6 has the unknown class 'porcelain'"):
        datasets.load("bng_glass")
    assert list(folder.iterdir()) == []


def test_local_copy_of_unknown_origin(folder):
    np.savez(folder / "bng_glass.npz", **glass_arrays())
    data = datasets.load("bng_glass")
    assert data.source.startswith("BNG(glass), a local file of unknown origin")
    assert data.feature_names == ("RI", "Na", "Mg", "Al", "Si", "K", "Ca", "Ba", "Fe")
    assert data.class_names[3] == "vehic wind non-float"
    with pytest.raises(ValueError, match="read-only"):
        data.x[0] = 0


@pytest.mark.real_data("bng_glass")
def test_real_data():
    data = datasets.load("bng_glass")
    assert data.x.shape == (137_781, 9)
    if data.sha256 == bng_glass.REGENERATED_SHA256:
        assert data.source == "BNG(glass), regenerated, 137,781 rows"
        assert tuple(np.bincount(data.y)) == glass_drawn.CLASS_ROWS


def table_with(**changes):
    return bng_glass.table(glass_arrays(**changes), "made up")


def test_bad_tables_are_named():
    x = glass_arrays()["x"]
    missing, infinite, constant = x.copy(), x.copy(), x.copy()
    missing[5, 1] = np.nan
    infinite[2, 8] = np.inf
    constant[:, 7] = 0.25
    with pytest.raises(DataError, match=r"row 5 has no value of feature 'Na' \(it is nan\); 1 values"):
        table_with(x=missing)
    with pytest.raises(DataError, match="row 2 has no value of feature 'Fe'"):
        table_with(x=infinite)
    with pytest.raises(DataError, match=r"feature 'Ba' is constant, 0\.25"):
        table_with(x=constant)
    with pytest.raises(DataError, match=r"class, must lie in 0 to 6, got 7 \(1 labels outside, the first in row 4\)"):
        table_with(y=np.where(np.arange(14) == 4, 7, 0))
    with pytest.raises(DataError, match="class_names has the unknown 'porcelain'"):
        table_with(class_names=np.array([*bng_glass.CLASS_NAMES[:6], "porcelain"]))
    with pytest.raises(DataError, match="feature_names must be RI, Na"):
        table_with(feature_names=np.array(bng_glass.FEATURE_NAMES[::-1]))
    with pytest.raises(DataError, match=r"x must be floats .* got shape \(14, 8\)"):
        table_with(x=x[:, :8])
    with pytest.raises(DataError, match="x has 14 rows, y has 13 labels"):
        table_with(y=np.zeros(13, "uint8"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", None], ids=["empty", "truncated", "lacks keys"])
def test_unreadable_file_is_named(folder, content):
    path = folder / "bng_glass.npz"
    if content is None:
        np.savez(path, x=np.zeros((2, 9)))
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"(?s)bng_glass.npz can't be read .*file's own SHA-256 is \w{64}"):
        datasets.load("bng_glass")


def test_pickled_labels_are_refused(folder):
    np.savez(folder / "bng_glass.npz", **glass_arrays(y=np.array(["containers"] * 14, object)))
    with pytest.raises(DataError, match="can't be read"):
        datasets.load("bng_glass")


def test_stand_in_has_the_shares_and_statistics_of_its_table():
    data = datasets.load("glass_drawn")
    assert isinstance(data, TableData)
    assert data.source == "stand-in: 5,000 rows drawn from the class statistics of UCI Glass"
    np.testing.assert_array_equal(np.bincount(data.y), [1621, 1770, 404, 11, 306, 219, 669])
    float_glass = data.x[data.y == 0].astype("float64")
    np.testing.assert_allclose(float_glass[:, :5].mean(0), [1.51872, 13.24, 3.55, 1.16, 72.62], rtol=0.01)
    np.testing.assert_allclose(float_glass[:, :5].std(0), [0.00227, 0.50, 0.25, 0.27, 0.57], rtol=0.1)
    assert (data.x >= 0).all()
    assert not data.x[data.y == 5][:, [5, 7, 8]].any()
    assert glass_drawn.load().sha256 == data.sha256


def test_a_class_without_examples_is_drawn_from_all_classes():
    mean, std = glass_drawn.class_statistics("vehic wind non-float")
    np.testing.assert_allclose(mean[2], (70 * 3.55 + 76 * 3.0 + 17 * 3.54 + 13 * 0.77 + 9 * 1.31 + 29 * 0.54) / 214)
    assert std[2] > 1.22


def test_split_keeps_the_shares_of_the_classes():
    data = datasets.load("glass_drawn")
    x_train, y_train, x_test, y_test = datasets.stratified_split(data, test_size=0.2, seed=3)
    np.testing.assert_array_equal(np.bincount(y_test), [324, 354, 81, 2, 61, 44, 134])
    assert len(x_train) == len(y_train) == 4000
    same = datasets.stratified_split(data, test_size=0.2, seed=3)
    other = datasets.stratified_split(data, test_size=0.2, seed=4)
    np.testing.assert_array_equal(same[2], x_test)
    assert (other[2] != x_test).any()


def test_a_class_of_one_row_can_not_be_split():
    labels = np.array([0] * 7 + [1] * 6 + [4])
    with pytest.raises(DataError, match="class 'containers' has 1 row, which can't be split"):
        datasets.stratified_split(table_with(y=labels))


def test_standardize_by_the_training_part():
    train, test = np.array([[1.0, 10.0], [3.0, 30.0]]), np.array([[5.0, 20.0]])
    scaled_train, scaled_test = datasets.standardize(train, test)
    np.testing.assert_allclose(scaled_train, [[-1, -1], [1, 1]])
    np.testing.assert_allclose(scaled_test, [[3, 0]])
    assert scaled_test.dtype == np.float32


def test_standardize_names_a_constant_feature():
    with pytest.raises(DataError, match=r"feature 'Ba' is constant over the training part, 0\.5"):
        datasets.standardize(np.array([[1.0, 0.5], [2.0, 0.5]]), feature_names=("RI", "Ba"))
