"""What the studies of batch sizes share: prepared data, training to two checkpoints, three ways of inference."""

import functools
import warnings

from bnkeras.studies import _reuse

BATCH_NORMS = ("bn", "ws_bn", "ghost_bn")
POPULATION = "population"
MOVING = "moving averages"
OWN = "batch's own"


@functools.lru_cache(maxsize=4)
def images(name, count):
    """`(x_train, y_train, x_test, y_test, source)` of a set of images: the first `count` for training, from 0 to 1."""
    from bnkeras import datasets

    data = datasets.load(name)
    x_train, x_test = (x.astype("float32") / 255 for x in (data.x_train[:count], data.x_test))
    source = f"{data.source}, the first {len(x_train):,} for training"
    return x_train, data.y_train[:count], x_test, data.y_test, source


def train(model, data, run, inference, steps=0):
    """Train for a number of epochs and of steps, whichever is more, and test at both.

    Args:
        model: from `_reuse.network`.
        data: arrays `(x_train, y_train, x_test, y_test)`.
        run: settings with `batch_size`, `epochs`, `seed` and `jit`.
        inference: function from the model to `{inference: logits}` of the test examples.
        steps: further checkpoint, in training steps; 0 is none.

    Returns:
        Rows with `budget` (`"epochs"` or `"steps"`, the checkpoint), `step`, `seen` (examples so far), `train_accuracy`
        and `train_loss` (averages over the epoch that far), `inference`, `test_accuracy` and `test_loss`.
    """
    import keras

    from bnkeras import training

    x_train, y_train, _, y_test = data
    per_epoch = len(x_train) // run.batch_size
    checkpoints = {"epochs": run.epochs * per_epoch, **({"steps": steps} if steps else {})}
    rows = []

    class Checkpoints(keras.callbacks.Callback):
        every = steps or per_epoch
        begun = 0

        def on_epoch_begin(self, epoch, logs=None):
            self.begun = epoch * per_epoch

        def on_train_batch_end(self, batch, logs=None):
            step = self.begun + batch + 1
            progress = {"step": step, "seen": step * run.batch_size}
            progress |= {f"train_{name}": float(logs[name]) for name in ("accuracy", "loss")}
            for budget in [name for name, at in checkpoints.items() if at == step]:
                for kind, outputs in inference(self.model).items():
                    labels = y_test[: len(outputs)]
                    rows.append({"budget": budget, **progress, "inference": kind, **_reuse.score(outputs, labels)})
            if step >= max(checkpoints.values()):
                self.model.stop_training = True

    epochs = -(-max(checkpoints.values()) // per_epoch)
    with warnings.catch_warnings():
        # A batch of one is an object of study here.
        warnings.filterwarnings("ignore", message=".*takes its statistics from one value per channel")
        options = {"drop_remainder": True, "jit": _reuse.jit(run), "callbacks": [Checkpoints()]}
        training.fit(model, x_train, y_train, batch_size=run.batch_size, epochs=epochs, seed=run.seed, **options)
    return rows


def inferences(x_train, x_test, batch_size=None):
    """The ways of inference of a network with batch normalization, as `train` wants them.

    With the moving averages of the training; with the population's statistics, estimated anew over `x_train`; and,
    where a `batch_size` is given and there are as many test examples, with each test batch's own. Weights and moving
    averages are left as they are. Without batch normalization, the first is all there is.
    """

    def infer(model):
        outputs = {MOVING: _reuse.logits(model, x_test)}
        if model.name.removeprefix("mlp_") in BATCH_NORMS:
            outputs[POPULATION] = _by_population(model, x_train, x_test)
            if batch_size is not None and batch_size <= len(x_test):
                outputs[OWN] = _by_own_batches(model, x_test, batch_size)
        return outputs

    return infer


def _by_population(model, x_train, x_test):
    from bnkeras import statistics

    weights = model.get_weights()
    statistics.estimate_population_statistics(model, x_train, batch_size=len(x_train), progress=False)
    outputs = _reuse.logits(model, x_test)
    model.set_weights(weights)
    return outputs


def _by_own_batches(model, x, batch_size):
    """Logits of as many examples as fill whole batches, all batches at once as groups of one large batch."""
    from bnkeras.layers import BatchNormLayer

    whole = len(x) // batch_size * batch_size
    layers = [layer for layer in model.layers if isinstance(layer, BatchNormLayer)]
    before = [(layer.inference, layer.group_size) for layer in layers]
    try:
        for layer in layers:
            layer.inference, layer.group_size = "batch", batch_size
        return _reuse.logits(model, x[:whole])
    finally:
        for layer, (inference, group_size) in zip(layers, before, strict=True):
            layer.inference, layer.group_size = inference, group_size
