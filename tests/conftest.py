"""Shared test set-up: which tests a backend or a missing data set skips."""

import http.server
import os
import shutil
import threading

import hypothesis
import pytest

from bnkeras.datasets import DataError, data_folder, loading

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# How long an example takes says more about the machine.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items):
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    try:
        folder = data_folder()
    except DataError as error:
        raise pytest.UsageError(str(error)) from None
    for item in items:
        if backend != "tensorflow" and "tensorflow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=f"needs the TensorFlow backend, not {backend}"))
        for marker in item.iter_markers("real_data"):
            if not (folder / f"{marker.args[0]}.npz").exists():
                item.add_marker(pytest.mark.skip(reason=f"no {marker.args[0]}.npz in the data folder"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty data folder in force."""
    monkeypatch.setenv("BNKERAS_DATA", str(tmp_path))
    loading._load.cache_clear()
    yield tmp_path
    loading._load.cache_clear()


@pytest.fixture
def left(folder):
    """Function that names what lies in the data folder, but for locks."""
    return lambda: [path.name for path in folder.iterdir() if path.suffix != ".lock"]


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window, or a skip where there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        yield running.chromium.launch(executable_path=path, args=["--no-sandbox"])


@pytest.fixture
def file_server(tmp_path_factory):
    """A server on loopback: the folder that it serves, to put files into, and its URL."""
    served = tmp_path_factory.mktemp("served")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(served))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield served, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()
