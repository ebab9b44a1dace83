import os
import subprocess
import sys

import pytest

START = """
import sys
from bnkeras.sweep import start_keras
start_keras()
import keras
print("sklearn" in sys.modules, "matplotlib" in sys.modules)
import sklearn, matplotlib.pyplot
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(keras.ops.ones((4, 2)), keras.ops.ones((4, 1)), verbose=0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("worker", [True, False])
def test_a_worker_starts_keras_without_plots_and_wrappers_and_can_import_them_later(worker):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment.pop("BNKERAS_SWEEP_WORKER", None)
    if worker:
        environment["BNKERAS_SWEEP_WORKER"] = "1"
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(not worker)] * 2
