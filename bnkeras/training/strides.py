"""Where an epoch is cut into chunks of steps, so that callbacks get their turn."""

import keras

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
# These act on what has added up since the last call, so that they may be called at any stride.
_ANY_STRIDE = (keras.callbacks.ProgbarLogger, keras.callbacks.TerminateOnNaN, keras.callbacks.History)


def chunk_ends(callbacks, steps, epoch, first_epoch, steps_per_call):
    """Ends (exclusive) of the chunks of one epoch, in order; the last is `steps`.

    Args:
        callbacks: List of Keras callbacks.
        steps: Steps of an epoch.
        epoch: Index of the epoch.
        first_epoch: Index of the epoch that this training began with.
        steps_per_call: The most steps in a chunk, or `None`.
    """
    ends = {steps, *range(steps_per_call or steps, steps, steps_per_call or steps)}
    for callback in callbacks:
        stride, since = _stride(callback, steps_per_call is None)
        if stride:
            done = (epoch - (first_epoch if since == "start" else 0)) * steps
            ends.update(range(stride - done % stride, steps, stride))
        if stride and isinstance(callback, keras.callbacks.BackupAndRestore):
            # It miscounts an epoch of which it does not see the first step.
            ends.add(1)
    return sorted(ends)


def _stride(callback, every_step):
    """After how many steps a callback wants its turn (0: whenever), and whether counted from the start of this call."""
    every = getattr(callback, "every", None)
    if every is not None:
        return _checked(every, callback, "every"), "epoch 0"
    if isinstance(callback, _ANY_STRIDE):
        return 0, None
    for name in ("save_freq", "update_freq"):
        frequency = getattr(callback, name, None)
        if isinstance(callback, keras.callbacks.Callback) and type(callback).__module__.startswith("keras."):
            if frequency in ("epoch", False):
                return 0, None
            if frequency is not None:
                return _checked(1 if frequency == "batch" else frequency, callback, name), "start"
    return int(every_step and _overrides_batch_hook(callback)), "start"


def _overrides_batch_hook(callback):
    return any(not getattr(getattr(callback, hook), "_is_default", False) for hook in _BATCH_HOOKS)


def _checked(stride, callback, name):
    if isinstance(stride, bool) or not isinstance(stride, int) or stride < 1:
        raise ValueError(
            f"`{name}` of the callback {type(callback).__name__} must be a positive integer. Received: {stride!r}"
        )
    return stride
