"""Where an epoch is cut into chunks of steps, so that callbacks get their turn."""

import keras

from bnkeras.arguments import check_integers

_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
_SAVERS = (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore)
# These can wait for the end of a chunk: logs are running means over the epoch.
_PATIENT = (keras.callbacks.ProgbarLogger, keras.callbacks.TerminateOnNaN)


def chunk_ends(callbacks, steps, epoch, first_epoch, steps_per_call):
    """Return the ends (exclusive) of the chunks that an epoch of so many steps is cut into, in order.

    Args:
        callbacks: List of Keras callbacks.
        steps: Integer, steps of an epoch.
        epoch: Integer, index of the epoch.
        first_epoch: Integer, index of the epoch that this training began with.
        steps_per_call: Integer, the most steps in a chunk, or `None`.

    Raises:
        ValueError: If the attribute `every` of a callback is not a positive integer.
    """
    ends = {steps, *_multiples(steps_per_call or steps, 0, steps)}
    for callback in callbacks:
        if getattr(callback, "every", None) is not None:
            check_integers(1, **{f"{type(callback).__name__}.every": callback.every})
            ends |= {*_multiples(callback.every, epoch * steps, steps)}
        elif _saves_by_step(callback):
            # Keras miscounts an epoch of which the callback does not see the first step.
            ends |= {1, *_multiples(callback.save_freq, (epoch - first_epoch) * steps, steps)}
        elif steps_per_call is None and _wants_every_step(callback):
            ends |= {*range(1, steps)}
    return sorted(ends)


def _multiples(stride, done, steps):
    """Steps of this epoch after which the count, `done` at its begin, is a multiple of the stride."""
    return range(stride - done % stride, steps, stride)


def _saves_by_step(callback):
    return isinstance(callback, _SAVERS) and isinstance(callback.save_freq, int) and callback.save_freq > 0


def _wants_every_step(callback):
    if isinstance(callback, (*_PATIENT, *_SAVERS)):
        return False
    if isinstance(callback, keras.callbacks.TensorBoard):
        # It counts calls and takes them for steps.
        return callback.update_freq != "epoch"
    # Methods of its own, in place of those of the base class that do nothing.
    base = keras.callbacks.Callback
    return any(getattr(getattr(callback, hook), "__func__", None) is not getattr(base, hook) for hook in _HOOKS)
