"""What Keras computes on: its backend, a plain processor or an accelerator, with or without arithmetic in bfloat16."""

import functools
import json
import os
import sys
from pathlib import Path


def backend():
    """Return the name of the backend that Keras has, or would choose; loads nothing."""
    if "keras" in sys.modules:
        return sys.modules["keras"].config.backend()
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return os.environ.get("KERAS_BACKEND") or json.loads((home / "keras.json").read_text())["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


@functools.cache
def has_accelerator():
    """Return whether the backend sees a device other than a CPU."""
    if backend() == "jax":
        import jax

        return jax.default_backend() != "cpu"
    import tensorflow as tf

    return any(device.device_type != "CPU" for device in tf.config.list_logical_devices())


@functools.cache
def computes_in_bfloat16():
    """Return whether convolutions and matrix products in bfloat16 are faster here than in float32.

    They are on a TPU, on a GPU of NVIDIA's compute capability 8.0 or higher, and for TensorFlow on a processor with
    AVX512-BF16 or AMX, as far as Linux tells. JAX computes them in float32 on any processor.
    """
    return _accelerator_has_bfloat16() if has_accelerator() else processor_computes_in_bfloat16()


def processor_computes_in_bfloat16():
    """Return what `computes_in_bfloat16` says of a machine without an accelerator; loads no backend."""
    flags = Path("/proc/cpuinfo")
    words = flags.read_text().split() if backend() == "tensorflow" and flags.exists() else ()
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(words)


def _accelerator_has_bfloat16():
    if backend() == "jax":
        import jax

        capability = str(getattr(jax.devices()[0], "compute_capability", ""))
        return jax.default_backend() == "tpu" or (capability[:1].isdigit() and float(capability) >= 8)
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return all(detail.get("compute_capability", (0, 0)) >= (8, 0) for detail in details)
