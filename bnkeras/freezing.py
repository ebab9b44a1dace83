"""Freeze batch normalization: its statistics, its affine weights, or both, in compiled models too."""

import warnings

import numpy as np
from keras import ops

from bnkeras.arguments import check_choice
from bnkeras.forward import check_built, chosen_batch_norms, models_of
from bnkeras.keras_internals import optimized_variables


def freeze(model, what="both", layers=None):
    """Freeze the batch normalization of a model.

    | `what`         | training normalizes by | `moving_mean`, `moving_variance` | `gamma`, `beta` |
    |----------------|------------------------|----------------------------------|-----------------|
    | `"both"`       | the moving statistics  | stay                             | stay            |
    | `"statistics"` | the moving statistics  | stay                             | are trained     |
    | `"affine"`     | the batch              | move                             | stay            |

    `"both"` is `layer.trainable = False`. Setting that alone does nothing in a model that has been trained since it
    was compiled, and Keras 3 does not say so. Here it takes effect: the compiled functions of the model, and of
    models inside of it, are made anew when they are next used, and an optimizer that was in use is made anew for the
    variables that are trained now, with the state that it had. A model that has this one inside of it, or a training
    loop of your own, cannot be seen from here: compile it again.

    Afterwards `model.trainable = True` (or of a layer) undoes it. A saved model keeps `trainable` of each layer alone:
    after loading, freeze `"statistics"` and `"affine"` again.

    Args:
        model: A built `keras.Model` with `BatchNormLayer` or `keras.layers.BatchNormalization` layers, in nested
            models too.
        what: `"both"`, `"statistics"` or `"affine"`. Defaults to `"both"`.
        layers: List of batch normalization layers of the model. Defaults to `None`: all.

    Returns:
        List of the layers that were frozen.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If it has no such layer or is not built, or if an argument is not one of those listed.

    Warns:
        UserWarning: If statistics are frozen that still are the initial ones, by which training would then normalize;
            if the optimizer of a compiled model cannot be made anew.

    Example:

    ```python
    base = keras.applications.MobileNetV2(include_top=False, pooling="avg", input_shape=(96, 96, 3))
    model = keras.Sequential([base, keras.layers.Dense(5)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    freeze(model)                        # batch normalization as it was trained, all other weights move
    model.fit(x_train, y_train)
    unfreeze(model, "affine")            # gamma and beta too; takes effect in the next fit
    model.fit(x_train, y_train)
    ```
    """
    chosen = _chosen(model, what, layers)
    if what != "affine":
        _warn_of_initial_statistics(chosen)
    for layer in chosen:
        statistics, affine = _state(layer)
        _set(layer, statistics and what == "affine", affine and what == "statistics")
    _renew(model)
    return chosen


def unfreeze(model, what="both", layers=None):
    """Undo `freeze`: let the statistics move, train the affine weights, or both.

    It takes effect in compiled models as `freeze` does.

    Args:
        model: A built `keras.Model` with batch normalization.
        what: `"both"`, `"statistics"` or `"affine"`; the rest stays as it is. Defaults to `"both"`.
        layers: List of batch normalization layers of the model. Defaults to `None`: all.

    Returns:
        List of the layers that were unfrozen.

    Raises:
        TypeError, ValueError: As `freeze`.

    Warns:
        UserWarning: If the optimizer of a compiled model cannot be made anew.

    Example:

    ```python
    freeze(model)
    unfreeze(model, "affine")   # the statistics stay frozen
    ```
    """
    chosen = _chosen(model, what, layers)
    for layer in chosen:
        statistics, affine = _state(layer)
        _set(layer, statistics or what != "affine", affine or what != "statistics")
    _renew(model)
    return chosen


def _chosen(model, what, layers):
    check_built(model)
    check_choice(("both", "statistics", "affine"), what=what)
    return chosen_batch_norms(model, layers)


def _affine(layer):
    return [weight for weight in (layer.gamma, layer.beta) if weight is not None]


def _state(layer):
    """Whether training changes the statistics of a layer, and its affine weights."""
    affine = _affine(layer)
    return layer.trainable, any(weight.trainable for weight in affine) if affine else layer.trainable


def _set(layer, statistics, affine):
    # The layer's flag says by what it normalizes, and sets those of its weights; these say what is trained.
    layer.trainable = statistics
    for weight in _affine(layer):
        weight.trainable = affine


def _warn_of_initial_statistics(layers):
    names = [layer.name for layer in layers if _is_initial(layer)]
    if names:
        warnings.warn(
            f"The moving statistics of {names} still are the initial ones, and training will normalize by them. "
            "Estimate them first: `estimate_population_statistics(model, x)`.",
            stacklevel=3,
        )


def _is_initial(layer):
    pairs = (layer.moving_mean, 0), (layer.moving_variance, 1)
    return all(np.all(ops.convert_to_numpy(ops.cast(variable, "float32")) == value) for variable, value in pairs)


def _renew(model):
    """Let what is frozen now take effect in compiled models."""
    for one in models_of(model):
        if one.compiled:
            _renew_optimizer(one)
            one.train_function = one.test_function = one.predict_function = None


def _renew_optimizer(model):
    """Replace an optimizer that was built for other variables by one for those trained now, with the same state."""
    known = optimized_variables(model)
    if known is None or list(map(id, known)) == list(map(id, model.trainable_variables)):
        return
    old = model.optimizer
    try:
        new = type(old).from_config(old.get_config())
        new.build(model.trainable_variables)
    except Exception as error:
        warnings.warn(
            f"The optimizer of {model.name!r} cannot be made anew for the variables that are trained now "
            f"({type(error).__name__}: {error}). Call `model.compile` with a new one.",
            stacklevel=4,
        )
        return
    _copy_state(old, new)
    model.optimizer = new


def _copy_state(old, new):
    """Copy what both optimizers have, by its path, where that is unique."""
    paths = [variable.path for variable in old.variables]
    values = {path: v for path, v in zip(paths, old.variables, strict=True) if paths.count(path) == 1}
    for variable in new.variables:
        known = values.get(variable.path)
        if known is not None and known.shape == variable.shape:
            variable.assign(known)
