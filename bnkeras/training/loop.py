"""The epoch loop: what `model.fit` does, with many steps to a call."""

import keras
import numpy as np
from keras import ops

from bnkeras.arguments import check_integers
from bnkeras.forward import build_symbolically
from bnkeras.keras_internals import resumed_epoch
from bnkeras.training.arguments import (
    check_trainable,
    packed_tensors,
    split_off,
    validation_tensors,
    weights_of_classes,
)
from bnkeras.training.chunks import chunk_ends
from bnkeras.training.orders import epoch_orders, in_short_epochs
from bnkeras.training.trainer import Trainer


def fit(
    model,
    x,
    y=None,
    *,
    batch_size=None,
    epochs=1,
    shuffle=True,
    seed=0,
    order=None,
    drop_remainder=False,
    augment=None,
    validation_split=0.0,
    validation_data=None,
    validation_batch_size=None,
    validation_freq=1,
    class_weight=None,
    sample_weight=None,
    steps_per_epoch=None,
    callbacks=None,
    steps_per_call=None,
    jit="auto",
    initial_epoch=0,
    verbose=0,
):
    """Train a compiled Keras model as `model.fit` does, with a whole epoch as one compiled program.

    The data lie on the device; a program gathers each batch there and hands it to the model's own `train_step`, in a
    loop. Optimizer, schedules, weight decay, clipping, loss scaling, losses, metrics, dropout seeds and mixed precision
    are therefore Keras's: the same batches give the same numbers as `model.fit`, up to rounding. (With TensorFlow,
    random numbers depend on whether XLA compiles the step, here and in `model.fit`, so dropout masks do too.)

    Programs are kept with the model, and the next call uses them again. `model.compile` discards them, and so does a
    changed `trainable` flag; where that changes which variables are trained, `model.compile` has to be called. Any
    other attribute changed later (a momentum, say) takes effect after `model.compile` only, as in Keras.

    **Callbacks** are called as in `model.fit` at the level of epochs. An epoch is one chunk of steps, cut further where
    callbacks ask for it, and `on_train_batch_begin` and `on_train_batch_end` are called once per chunk, with its first
    and last step, as Keras does with `steps_per_execution`:

    - after every `callback.every` steps, for a callback that has this attribute, a positive integer; steps are counted
      over the epochs from epoch 0, that is, when `epoch * params["steps"] + batch + 1` is a multiple of it;
    - after every `save_freq` steps for `ModelCheckpoint` and `BackupAndRestore`;
    - after `steps_per_call` steps of an epoch, where it is given;
    - after every step for any other callback with a method for batches, unless `steps_per_call` is given. `TensorBoard`
      is one of these where its `update_freq` is not `"epoch"`. `ProgbarLogger` and `TerminateOnNaN` add no chunks: a
      loss that is NaN stays NaN to the end of its epoch.

    Validation is one chunk. An interrupt (Ctrl-C) takes effect at the end of the current chunk and leaves the model as
    the chunk leaves it, ready to be used or trained further.

    Args:
        model: Compiled `keras.Model`.
        x: Inputs: array or tensor, or a nested structure of them, of shape `(examples, ...)`. Floats are cast to
            `keras.config.floatx()`, as in `model.fit`; other types (`uint8` images) reach the model as they are.
        y: Targets, likewise. Defaults to `None`.
        batch_size: Integer, examples in a batch. Defaults to `None`: 32 or all there are, or as `order` says.
        epochs: Integer, index of the epoch to stop before. Defaults to `1`.
        shuffle: Boolean, whether to shuffle in each epoch; see `batch_order`. Defaults to `True`.
        seed: Integer of at least 0 that, with the epoch, determines shuffling and augmentation. Defaults to `0`.
        order: The caller's own batches: integer array of shape `[steps, batch]` of indices into `x`, or a function of
            the epoch that returns one, always of the same shape. Replaces `shuffle` and `drop_remainder`. Defaults to
            `None`.
        drop_remainder: Boolean, whether to leave out the last batch of an epoch where it is smaller. Defaults to
            `False`, as in Keras; the smaller batch then needs a program of its own, which takes time to compile.
        augment: Function `(x, generator) -> x`, written in `keras.ops`, applied to each batch on the device;
            `generator` is a `keras.random.SeedGenerator` to pass as `seed` to `keras.random`. Use one function object
            throughout: each one needs a program of its own. Defaults to `None`.
        validation_split: Float from 0 up to 1, the share of the examples, the last ones, that is kept for validation
            where there is no `validation_data`. Defaults to `0.0`.
        validation_data: Tuple `(x, y)` or `(x, y, sample_weight)`, evaluated after epochs. Defaults to `None`.
        validation_batch_size: Integer, examples in a batch of validation data. A loss or metric that is not a mean over
            examples, such as a function of a whole batch, depends on it. Defaults to `None`: up to 512, where
            `model.fit` takes `batch_size`.
        validation_freq: Integer, epochs from one validation to the next. Defaults to `1`.
        class_weight: Dict of the weight of each class of `y`, 1 for those left out, in place of `sample_weight`.
            Defaults to `None`.
        sample_weight: Array of shape `(examples,)`, as in `model.fit`. Defaults to `None`.
        steps_per_epoch: Integer, steps after which an epoch ends; the next one goes on where it ended, and the last one
            of a pass over the data has what is left. Not with `order`. Defaults to `None`, a pass.
        callbacks: Keras callback or list of them. Defaults to `None`.
        steps_per_call: Integer, the most steps in a chunk; see above. Defaults to `None`.
        jit: `True`, `False` (TensorFlow only) or `"auto"`, whether to compile with XLA. `"auto"` does unless a layer
            forbids it or TensorFlow's graphs are faster: on a CPU, where the step contains a convolution, and where
            it draws no random numbers and fewer than 4,000 steps are expected in all, by those that the optimizer has
            behind it and those of this call. Where XLA turns out not to compile the model, the graph runs instead, and
            a line says so where `verbose` is not 0. JAX always compiles; where its loops are slow (convolutions on a
            CPU), Python calls one step after the other. What `model.compile` was given (`jit_compile`,
            `steps_per_execution`) has no effect. Defaults to `"auto"`.
        initial_epoch: Integer, index of the epoch to begin with. Defaults to `0`.
        verbose: `0`, `1` or `2`, as in `model.fit`. Defaults to `0`.

    Returns:
        `keras.callbacks.History`, as `model.fit` returns it.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If the model is not compiled, compiled to run eagerly, or distributed, if an argument is out of
            range, if data come in batches or are sparse, if the arrays differ in length, if `batch_size` exceeds the
            data, or if `order` is ill-formed or has an index out of range.

    Warns:
        UserWarning: If the model computes in bfloat16 on a device that has to emulate it.

    Example:

    >>> model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> history = training.fit(model, x, y, batch_size=60, epochs=10, seed=3, validation_data=(x_test, y_test))
    >>> history.history["val_accuracy"][-1]
    """
    check_trainable(model, augment, jit)
    check_integers(0, epochs=epochs, initial_epoch=initial_epoch, seed=seed)
    check_integers(1, validation_freq=validation_freq)
    sizes = {"batch_size": batch_size, "validation_batch_size": validation_batch_size}
    check_integers(1, optional=True, steps_per_call=steps_per_call, steps_per_epoch=steps_per_epoch, **sizes)
    if not isinstance(shuffle, (bool, np.bool_)):
        raise ValueError(f"`shuffle` must be a boolean. Received: shuffle={shuffle!r}")
    if steps_per_epoch is not None and order is not None:
        raise ValueError(
            f"`steps_per_epoch` and `order` exclude each other. Received: {steps_per_epoch=}, and an order"
        )
    if validation_split and validation_data is None:
        (x, y, sample_weight), validation_data = split_off((x, y, sample_weight), validation_split)
    if class_weight is not None:
        sample_weight = weights_of_classes(y, sample_weight, class_weight)
    data, n = packed_tensors(x, y, sample_weight)
    validation = None if validation_data is None else validation_tensors(validation_data, validation_batch_size)
    orders = epoch_orders(
        n, batch_size=batch_size, shuffle=shuffle, seed=seed, order=order, drop_remainder=drop_remainder
    )
    if steps_per_epoch is not None:
        orders = in_short_epochs(orders, steps_per_epoch)
    steps = steps_per_epoch or sum(map(len, orders(initial_epoch)))
    callbacks = _callback_list(model, callbacks, epochs, steps, verbose)
    # Raises now, before any work, where a callback has a bad `every`.
    chunk_ends(callbacks.callbacks, steps, 0, 0, steps_per_call)
    build_symbolically(model, keras.utils.unpack_x_y_sample_weight(data)[0])
    trainer = Trainer(model, data, augment, callbacks, jit=jit, verbose=verbose)

    model.stop_training = False
    callbacks.on_train_begin()
    logs = None
    first_epoch = resumed_epoch(model) or initial_epoch
    trainer.epochs = _epochs_done(model, steps) + epochs - first_epoch
    for epoch in range(first_epoch, epochs):
        trainer.begin_epoch(seed, epoch)
        logs = trainer.train(orders(epoch), chunk_ends(callbacks.callbacks, steps, epoch, first_epoch, steps_per_call))
        if validation is not None and (epoch + 1) % validation_freq == 0:
            logs |= {f"val_{name}": value for name, value in trainer.validate(*validation).items()}
        callbacks.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    if isinstance(model.optimizer, keras.optimizers.Optimizer) and epochs > 0:
        model.optimizer.finalize_variable_values(model.trainable_weights)
    callbacks.on_train_end(logs)
    return model.history


def _callback_list(model, callbacks, epochs, steps, verbose):
    # A callback outside of a list would be taken, with JAX, for one that may run in a thread of its own.
    return keras.callbacks.CallbackList(
        [] if callbacks is None else keras.tree.flatten(callbacks),
        add_history=True,
        add_progbar=verbose != 0,
        verbose=verbose,
        epochs=epochs,
        steps=steps,
        model=model,
    )


def _epochs_done(model, steps):
    """How many epochs of so many steps the optimizer has behind it: in this call, calls before, or before a backup."""
    if not isinstance(model.optimizer, keras.optimizers.Optimizer):
        return 0
    return int(ops.convert_to_numpy(model.optimizer.iterations)) // steps
