"""Where an epoch is cut into chunks of steps, so that callbacks get their turn."""

import numbers

import keras

_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
# What these do at the end of a step may as well be done at the end of many: logs are running means over the epoch.
_PATIENT = (keras.callbacks.ProgbarLogger, keras.callbacks.TerminateOnNaN)


def chunk_ends(callbacks, steps, epoch, first_epoch, steps_per_call):
    """Ends (exclusive) of the chunks that one epoch is cut into, in order; the last is `steps`.

    Args:
        callbacks: List of Keras callbacks.
        steps: Steps of an epoch.
        epoch: Index of the epoch.
        first_epoch: Index of the epoch that this training began with.
        steps_per_call: The most steps in a chunk; `None` for as many as the callbacks allow.
    """
    ends = {steps, *_multiples(steps_per_call or steps, 0, steps)}
    for callback in callbacks:
        if getattr(callback, "every", None) is not None:
            ends.update(_multiples(_every(callback), epoch * steps, steps))
        elif _saves_by_step(callback):
            ends.update(_multiples(callback.save_freq, (epoch - first_epoch) * steps, steps))
            # BackupAndRestore miscounts an epoch of which it does not see the first step.
            ends.update({1} if isinstance(callback, keras.callbacks.BackupAndRestore) else ())
        elif steps_per_call is None and _wants_every_step(callback):
            return list(range(1, steps + 1))
    return sorted(ends)


def _multiples(stride, done, steps):
    """Steps of this epoch after which the count, `done` at its begin, is a multiple of the stride."""
    return range(stride - done % stride, steps, stride)


def _every(callback):
    every = callback.every
    if isinstance(every, bool) or not isinstance(every, numbers.Integral) or every < 1:
        name = type(callback).__name__
        raise ValueError(f"`every` of the callback {name} must be a positive integer. Received: {every!r}")
    return every


def _saves_by_step(callback):
    savers = (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore)
    return isinstance(callback, savers) and isinstance(callback.save_freq, int) and callback.save_freq > 0


def _wants_every_step(callback):
    if isinstance(callback, (*_PATIENT, keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore)):
        return False
    if isinstance(callback, keras.callbacks.TensorBoard):
        # It counts calls and takes them for steps.
        return callback.update_freq != "epoch"
    return any(not getattr(getattr(callback, hook), "_is_default", False) for hook in _HOOKS)
