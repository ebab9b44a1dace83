"""Shared test set-up: which tests a backend or a missing data set skips."""

import os

import pytest

from bnkeras.datasets import data_folder

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def pytest_collection_modifyitems(items):
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    for item in items:
        if backend != "tensorflow" and "tensorflow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=f"needs the TensorFlow backend, not {backend}"))
        for marker in item.iter_markers("real_data"):
            if not (data_folder() / f"{marker.args[0]}.npz").exists():
                item.add_marker(pytest.mark.skip(reason=f"no {marker.args[0]}.npz in the data folder"))
