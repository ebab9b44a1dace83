"""The programs of a model: which one runs which steps, compiled with XLA or not, for one size of batches or for any."""

import functools
import importlib

import keras

_FEW_STEPS = 4000  # XLA compiles for longer than it saves in this many steps of a small network
_FEWER_STEPS = 1000  # tracing for one batch size takes longer than it saves in this many steps of a graph
_BACKENDS = {"tensorflow": "bnkeras.training._tensorflow", "jax": "bnkeras.training._jax"}


def program_for(programs, model, data, order, steps, *, training, augment, jit, verbose):
    """Return the program that trains or tests a model on the data, compiled now or kept from before.

    Args:
        programs: `bnkeras.compiled.Programs` of the model.
        model: Compiled `keras.Model`.
        data: Nested tensors, examples along the first axis.
        order: Integer tensor of shape `[steps, batch]`.
        steps: Integer, how many steps the program is expected to run in all, over all calls.
        training: Boolean, whether it trains or tests.
        augment: Function of `(x, generator)`, or `None`.
        jit: `True` for XLA, `False` for a graph, or `"auto"`.
        verbose: Whether to print a line where XLA was chosen and cannot compile the model.

    Returns:
        Function `(data, order, start, stop)` that runs the steps `start` to `stop - 1` of `order` and returns the logs
        of the last one.
    """
    few = jit == "auto" and steps < _FEW_STEPS and keras.config.backend() == "tensorflow"
    # A model meets batches of any size in `model.fit` too, an augmentation may need to know their shape.
    # Without its size, Keras averages the losses of single outputs over batches.
    outputs = len(keras.tree.flatten(keras.utils.unpack_x_y_sample_weight(data)[1]))
    any_size = few and steps < _FEWER_STEPS and augment is None and outputs < 2
    options = {"training": training, "augment": augment, "jit": jit, "few": few, "any_size": any_size}
    form = keras.tree.map_structure(lambda t: (tuple(t.shape[1:]), keras.backend.standardize_dtype(t.dtype)), data)
    key = str(form), None if any_size else order.shape[1], *options.values()
    if key not in programs.compiled:
        backend = importlib.import_module(_BACKENDS[keras.config.backend()])
        if jit == "auto" and programs.graphs_alone:
            options["jit"] = False
        refused = functools.partial(_refused, programs, model, verbose)
        programs.compiled[key] = backend.compiled_steps(
            model, data, order, programs.generator, refused=refused, **options
        )
    return programs.compiled[key]


def _refused(programs, model, verbose, error):
    programs.graphs_alone = True
    if verbose:
        reason = getattr(error, "message", str(error)).strip().partition("\n")[0]
        print(f"XLA cannot compile model {model.name!r}, which runs as a graph: {reason}")
