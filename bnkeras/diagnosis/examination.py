"""One call on a model that tells what is wrong with its batch normalization."""

import keras
import numpy as np
import pandas as pd
from keras import ops
from scipy import stats

from bnkeras.diagnosis import answers, causes, configuration
from bnkeras.diagnosis.evidence import HIDES, Evidence
from bnkeras.diagnosis.examples import Examples
from bnkeras.diagnosis.lag import gaps, noise, steps_to_settle
from bnkeras.diagnosis.measures import Passes
from bnkeras.diagnosis.report import Diagnosis, worst_first
from bnkeras.forward import batch_norms, build


def diagnose(model, x, y=None, batch_size=None, steps=None, seed=0):
    """Tell what is wrong with the batch normalization of a model, worst first, each with its cure.

    It passes the data through the model as training does and as inference does, and compares: the moving statistics
    with those of the data, layer by layer; the loss in training mode, with the batch's statistics, with the
    population's, and in inference. It finds

    - averages that lag, and after how many steps they would not; averages of too few batches, which are noise;
    - batches too small for the statistics of a layer;
    - channels without variance, or with one that `epsilon` hides;
    - statistics frozen while weights move, or the reverse; `trainable` changed after `compile`;
    - answers that depend on the other examples of a batch, or are random;
    - dropout before normalization, so that the variance in training is not that in inference;
    - overflow of float16, NaN and infinite values.

    Layers are `BatchNormLayer` and `keras.layers.BatchNormalization`, those of nested models included. The model is
    left as it is, save that one without weights is built.

    Args:
        model: A `keras.Model`; with `y`, a compiled one.
        x: The training data, or enough of them: an array of shape `(examples, ...)` or the structure of arrays that
            the model takes; or batches `x`, `(x, y)` or `(x, y, sample_weight)`: a `tf.data.Dataset`, a
            `keras.utils.PyDataset` or a generator, which are kept in memory. With validation data, a difference
            between the two sets looks like lag.
        y: Array, or structure of arrays, of targets, for the loss. Defaults to `None`: no loss.
        batch_size: Integer, that of the training, for arrays only; what is left over of full batches is not looked
            at. Defaults to `None`: 32.
        steps: Integer, the most batches to look at; required for a generator and for endless data. Defaults to
            `None`: all.
        seed: Integer, the order in which arrays are shuffled for the passes that are as in training. Defaults to `0`.

    Returns:
        A `Diagnosis`.

    Raises:
        TypeError: If `model` is not a Keras model, or `x` is of a kind not listed.
        ValueError: If an argument is out of range; if the data do not fit the model or are too few for a statistic;
            if there are targets and the model is not compiled; on a backend other than TensorFlow and JAX.

    Example:

    ```python
    model.fit(x_train, y_train, batch_size=32, validation_data=(x_val, y_val))  # the validation loss explodes
    diagnosis = diagnose(model, x_train, y_train, batch_size=32)
    print(diagnosis)      # sentences, worst first, each with its cure
    diagnosis.table       # a row for each layer
    diagnosis.figure()
    estimate_population_statistics(model, x_train, batch_size=32)  # the cure of averages that lag
    diagnose(model, x_train, y_train, batch_size=32).healthy
    ```

    References:
        - Wu & Johnson, *Rethinking "Batch" in BatchNorm*, 2021, section 3 (moving averages against the population).
        - Li et al., *Understanding the Disharmony between Dropout and Batch Normalization by Variance Shift*, 2019.
    """
    return examined(*prepared(model, x, y, batch_size, steps, seed))


def prepared(model, x, y=None, batch_size=None, steps=None, seed=0):
    """Return `(passes, examples)` for `examined`: arguments are those of `diagnose`, checked here."""
    batch_norms(model)
    if keras.config.backend() not in ("tensorflow", "jax"):
        raise ValueError(f"`diagnose` needs the TensorFlow or JAX backend. Received: {keras.config.backend()!r}")
    examples = Examples(x, y, batch_size, steps, seed)
    first = next(iter(examples.mixed()))
    build(model, first[0], "x")
    # Only now: a model may make its layers when it is built.
    return Passes(model, batch_norms(model), _prepared_loss(model, first)), examples


def examined(passes, examples):
    """Return the `Diagnosis` of a model by its passes over examples, which may be used again."""
    evidence = _examine(passes, examples)
    findings = [cause(evidence) for cause in (*causes.CAUSES, *answers.CAUSES, *configuration.CAUSES)]
    found = worst_first(finding for finding in findings if finding is not None)
    return Diagnosis(passes.model.name, found, evidence.table, evidence.losses, examples.count, examples.batch_size)


def check(passes, examples):
    """Refuse data that are too few for a statistic of a layer."""
    _check_enough(passes.layers, passes.run("training", examples.mixed())[1])


def _prepared_loss(model, batch):
    """Whether there is a loss to measure; creates the variables of the loss, where it has any."""
    x, y, weights = batch
    if y is None:
        return False
    if not model.compiled:
        raise ValueError(f"With targets, `model` must be compiled, for its loss. Received: model={model.name!r}")
    with keras.StatelessScope():
        outputs = model(x, training=False)
    model.compute_loss(x, y, outputs, weights)
    return True


def _examine(passes, examples):
    layers = passes.layers
    losses, seen = {}, {}
    for mode in ("training", "batch"):
        losses[mode], seen[mode] = passes.run(mode, examples.mixed())
        _check_enough(layers, seen[mode])
    moving = [tuple(map(_values, (layer.moving_mean, layer.moving_variance))) for layer in layers]
    population = [one.pooled if one and i in passes.trained else moving[i] for i, one in enumerate(seen["batch"])]
    random, depends = _dependence(passes, next(iter(examples.mixed())), _float32(moving))
    losses |= _inference_losses(passes, examples, moving, population, passes.by_batch or depends > answers.DEPENDENCE)
    training, batch = seen["training"], seen["batch"]
    return Evidence(
        model=passes.model,
        layers=layers,
        table=_table(layers, moving, seen, passes),
        losses=pd.Series(
            {name: loss for name, loss in losses.items() if loss is not None}, name="loss", dtype="float64"
        ),
        batch_size=examples.batch_size,
        moving=moving,
        data=[one and one.averaged for one in training],
        dtypes=[one and one.dtype for one in training],
        as_inference=[
            bool(one) and _distances(*rest, one, two)[1]
            for *rest, one, two in zip(layers, moving, training, batch, strict=True)
        ],
        hidden=sorted(passes.hidden),
        depends=depends,
        random=random,
    )


def _inference_losses(passes, examples, moving, population, order_matters):
    as_is, estimated = _float32(moving), keras.tree.map_structure(np.nan_to_num, _float32(population))
    inference, _ = passes.run("inference", (examples.given or examples.mixed)(), as_is)
    # One compiled function serves both, where no layer infers with the batch's statistics.
    by_population, _ = passes.run("population" if passes.by_batch else "inference", examples.mixed(), estimated)
    losses = {"population": by_population, "inference": inference}
    if order_matters and examples.given:
        losses["inference, mixed"], _ = passes.run("inference", examples.mixed(), as_is)
    return losses


def _check_enough(layers, seen):
    for layer, one in zip(layers, seen, strict=True):
        values = None if one is None else int(one.count.sum(0).min())
        if values is not None and values < 2:
            raise ValueError(
                "A variance takes at least two values per channel. "
                f"Received: {values} at layer {layer.name!r}; is `x` too short, or masked?"
            )


def _values(variable):
    return ops.convert_to_numpy(ops.cast(ops.convert_to_tensor(variable), "float32")).astype("float64")


def _float32(statistics):
    return [tuple(part.astype("float32") for part in pair) for pair in statistics]


def _dependence(passes, batch, statistics):
    """How far outputs change from call to call, and with the second half of the batch, in standard deviations."""
    half = -(-len(keras.tree.flatten(batch[0])[0]) // 2)
    doubled = keras.tree.map_structure(lambda a: ops.concatenate([a[:half], a[: len(a) - half]]), batch[0])
    calls = (batch, 0), (batch, 1), ((doubled, *batch[1:]), 0)
    outputs, again, other = (passes.outputs(data, step, statistics) for data, step in calls)

    def change(others):
        pairs = [(a[:half], b[:half]) for a, b in zip(outputs, others, strict=True) if a.ndim and len(a) > 1]
        changes = [np.abs(a - b).max() / (np.abs(a).std() + 1e-12) for a, b in pairs if np.isfinite([a, b]).all()]
        return float(max(changes, default=0.0))

    random = change(again)
    return random, 0.0 if random else change(other)


def _table(layers, moving, seen, passes):
    names = [layer.name for layer in layers]
    index = names if len(set(names)) == len(names) else [layer.path for layer in layers]
    rows = []
    for i, layer in enumerate(layers):
        flags = {"frozen": i not in passes.trained, "by_batch": i in passes.by_batch}
        rows.append(
            _row(layer, moving[i], seen["training"][i], seen["batch"][i]) | flags if seen["training"][i] else {}
        )
    columns = [
        *("values", "effective", "frozen", "by_batch", "mean_gap", "variance_gap", "noise", "steps"),
        *("constant", "hidden_by_epsilon", "dropout_shift", "peak", "not_finite"),
    ]
    return pd.DataFrame(rows, index=pd.Index(index, name="layer"), columns=columns)


def _row(layer, moving, training, batch):
    live = training.live & batch.live
    variance = batch.pooled[1]
    (mean_gap, variance_gap), _ = _distances(layer, moving, training, batch)
    gap = max(mean_gap, variance_gap)
    shift = np.log(training.pooled[1][live] / variance[live]).mean() if live.any() else 0.0
    return {
        "values": int(np.median(training.count)),
        "effective": _effective(training),
        "mean_gap": mean_gap,
        "variance_gap": variance_gap,
        "noise": noise(training.mean, training.variance, layer.epsilon, layer.momentum, live),
        "steps": steps_to_settle(gap, layer.momentum) * (getattr(layer, "accumulation_steps", None) or 1),
        "constant": float(np.mean(~batch.live)),
        "hidden_by_epsilon": float(np.mean(HIDES * variance[batch.live] < layer.epsilon)) if batch.live.any() else 0.0,
        "dropout_shift": float(np.exp(shift)),
        "peak": max(training.peak, batch.peak),
        "not_finite": training.wrong + batch.wrong,
    }


def _distances(layer, moving, training, batch):
    """Gaps to what moving averages tend to or to the population's statistics, which are nearer; and whether these."""
    live = training.live & batch.live
    of_training, of_inference = (gaps(moving, one, layer.epsilon, live) for one in (training.averaged, batch.pooled))
    return min(of_training, of_inference, key=max), max(of_inference) < max(of_training)


def _effective(seen):
    """The most independent values per channel that would make the means of batches as noisy as they are.

    The upper end of a 95 % interval, were all channels one: with few batches their spread is known badly.
    """
    n = len(seen.mean)
    if n < 8 or not seen.live.any():
        return np.nan
    noise = seen.mean.var(0, ddof=1)[seen.live] / seen.pooled[1][seen.live]
    return float(stats.chi2.ppf(0.975, n - 1) / (n - 1) / max(np.mean(noise), 1e-12))
