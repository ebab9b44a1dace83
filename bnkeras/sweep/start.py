"""Starting Keras without noise, and in a worker process without what training does not need."""

import gc
import logging
import sys

from bnkeras.devices import backend
from bnkeras.streams import without_start_up_logs
from bnkeras.sweep.processes import in_worker


def start_keras():
    """Imports Keras without the start-up lines that TensorFlow's libraries write past Python's logging.

    In a worker process of a sweep, Keras also does without what else it would import for its plots, its scikit-learn
    wrappers and TensorFlow Lite, a third of its start; the garbage collector leaves Keras and the backend alone; and
    TensorFlow does not warn of many models traced in one process, which is what a worker is for.
    """
    if "keras" in sys.modules:
        return
    unneeded = {"jax", "matplotlib", "sklearn"} - {backend(), *sys.modules} if in_worker() else set()
    sys.modules.update(dict.fromkeys(unneeded))  # importing a name that maps to None raises ImportError
    try:
        with without_start_up_logs():
            import keras

            keras.ops.zeros(1)  # the backend looks for its devices at the first operation
    finally:
        for name in unneeded:
            del sys.modules[name]
    if in_worker():
        gc.freeze()
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
