"""Batch normalization, a drop-in for `keras.layers.BatchNormalization`."""

import keras
from keras import constraints, initializers, ops, regularizers

from bnkeras.layers import _checks, _fused, _renorm, accumulation
from bnkeras.layers._groups import normalize_groups
from bnkeras.layers._names import NamedInFiles
from bnkeras.layers.moments import axes_but, moments, moved, widened

_PLAIN_ARGUMENTS = (
    *("axis", "momentum", "epsilon", "center", "scale", "renorm", "renorm_clipping", "renorm_momentum"),
    *("synchronized", "group_size", "inference", "accumulation_steps"),
)
_SERIALIZED_ARGUMENTS = {
    initializers: tuple(f"{w}_initializer" for w in ("beta", "gamma", "moving_mean", "moving_variance")),
    regularizers: ("beta_regularizer", "gamma_regularizer"),
    constraints: ("beta_constraint", "gamma_constraint"),
}


@keras.saving.register_keras_serializable(package="bnkeras")
class BatchNormLayer(keras.layers.Layer, metaclass=NamedInFiles):
    """Normalizes each channel by the mean and variance of the batch.

    In training, with `mean` and the biased `variance` taken per channel over the batch and its positions:

        y = gamma * (x - mean) / sqrt(variance + epsilon) + beta
        moving_mean     <- momentum * moving_mean     + (1 - momentum) * mean
        moving_variance <- momentum * moving_variance + (1 - momentum) * variance

    In inference, and in training while `layer.trainable` is `False`, `moving_mean` and `moving_variance` stand in for
    the batch's own and stay as they are.

    With `renorm=True` (batch renormalization), training normalizes by running statistics, as far as the limits of
    `renorm_clipping` let it, and so depends less on the batch. No gradient flows through r and d:

        sigma = sqrt(variance + epsilon), running = max(renorm_stddev, sqrt(epsilon))
        r = clip(sigma / running, rmin, rmax)
        d = clip((mean - renorm_mean) / running, -dmax, dmax)
        y = gamma * ((x - mean) / sigma * r + d) + beta
        renorm_mean     <- renorm_momentum * renorm_mean   + (1 - renorm_momentum) * mean
        renorm_stddev   <- renorm_momentum * renorm_stddev + (1 - renorm_momentum) * sigma
        moving_stddev   <- momentum * moving_stddev + (1 - momentum) * sigma
        moving_variance <- max(moving_stddev^2 - epsilon, 0)

    Arguments, defaults, weights and their order are those of `keras.layers.BatchNormalization` in Keras 3.15, so that
    either layer takes the other's `get_weights()` and files of weights, and this one the other's configuration.
    Statistics are computed in float32 at least, whatever the inputs are.

    Args:
        axis: Integer, the channel axis: -1 for channels last, 1 for channels first. Defaults to `-1`.
        momentum: Float in [0, 1], how much of the moving statistics a training step keeps. Defaults to `0.99`.
        epsilon: Float >= 0, added to the variance. Defaults to `1e-3`.
        center: Boolean, whether there is a `beta`. Defaults to `True`.
        scale: Boolean, whether there is a `gamma`. Defaults to `True`.
        beta_initializer: Initializer of `beta`. Defaults to `"zeros"`.
        gamma_initializer: Initializer of `gamma`. Defaults to `"ones"`.
        moving_mean_initializer: Initializer of `moving_mean`. Defaults to `"zeros"`.
        moving_variance_initializer: Initializer of `moving_variance`. Defaults to `"ones"`.
        beta_regularizer: Optional regularizer of `beta`. Defaults to `None`.
        gamma_regularizer: Optional regularizer of `gamma`. Defaults to `None`.
        beta_constraint: Optional constraint on `beta`. Defaults to `None`.
        gamma_constraint: Optional constraint on `gamma`. Defaults to `None`.
        renorm: Boolean, whether training renormalizes. Adds the weights `moving_stddev`, `renorm_mean` and
            `renorm_stddev`, of which inference uses none. Defaults to `False`.
        renorm_clipping: Optional dict of the limits `"rmax"`, `"rmin"` and `"dmax"`, floats; one that is missing is no
            limit. `{"rmax": 1.0, "rmin": 1.0, "dmax": 0.0}` normalizes as without renorm. Defaults to `None`, no
            limits.
        renorm_momentum: Float in [0, 1], as `momentum` for `renorm_mean` and `renorm_stddev`. Defaults to `0.99`.
        synchronized: Boolean, whether statistics span all replicas of a `tf.distribute` strategy; without it each
            replica normalizes by its own, and the moving statistics average over replicas. On JAX, where one program
            sees the whole batch, they always span it. Defaults to `False`.
        group_size: Optional integer n (ghost batches): wherever the batch's own statistics are used, each n
            consecutive examples are normalized by theirs, and the moving statistics take the mean over groups of
            both. The batch must be a multiple of n. Excludes `synchronized` and `renorm`. Defaults to `None`, the
            whole batch.
        inference: `"population"`: inference uses the moving statistics; `"batch"`: it uses the batch's own, and
            leaves the moving ones alone. Read when a function is traced: after a change, compile again. Defaults to
            `"population"`.
        accumulation_steps: Optional integer k, for an optimizer with `gradient_accumulation_steps=k`: the moving
            statistics are updated at every k-th call in training alone, by the mean and the variance of all values in
            these k micro-batches, as by one batch of them; a layer that a step calls m times needs k * m. Adds the
            weights `accumulated_steps`, `accumulated_count`, `accumulated_mean` and `accumulated_variance`. What is
            normalized is each micro-batch, by its own statistics, so that layers behind another normalization see
            other inputs than with one batch, and their statistics equal those of the batch no more than about.
            `accumulate_statistics` sets it throughout a model. Defaults to `None`, an update at every call.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`, `dtype` and `trainable`.

    Call arguments:
        inputs: Tensor of any rank and dtype; the result has the layer's compute dtype.
        training: Boolean, training or inference mode. Defaults to `None`, inference unless a caller says otherwise.
        mask: Optional tensor of the shape of `inputs` without its last axis, or one that broadcasts to it. Positions
            where it is false do not count in the statistics.

    Raises:
        ValueError: If an argument is out of range, if `axis` is out of range for the inputs or their size along it
            unknown, if rank or channels differ from those at build, if `mask` is not of one rank less than `inputs`,
            or if `group_size` does not divide the batch (`tf.errors.InvalidArgumentError` where the batch size is not
            known before the step runs).

    Example:

    >>> layer = BatchNormLayer(epsilon=0.0)
    >>> layer(np.array([[1.0], [3.0]]), training=True)
    [[-1.], [1.]]

    References:
        - Ioffe & Szegedy, *Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
          Shift*, 2015, algorithms 1 and 2.
        - Ioffe, *Batch Renormalization*, 2017.
        - Hoffer et al., *Train longer, generalize better*, 2017, section 4 (ghost batches).
    """

    # Files of weights pass between the two.
    name_in_files = keras.layers.BatchNormalization.__name__
    # Inside of `batch_statistics`; `inference` would be saved with the layer.
    _own_statistics = False

    def __init__(
        self,
        axis=-1,
        momentum=0.99,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        moving_mean_initializer="zeros",
        moving_variance_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        renorm=False,
        renorm_clipping=None,
        renorm_momentum=0.99,
        synchronized=False,
        group_size=None,
        inference="population",
        accumulation_steps=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _checks.check_numbers(axis, momentum, epsilon)
        _checks.check_modes(synchronized, renorm, group_size, inference, accumulation_steps)
        _renorm.check(renorm, renorm_clipping, renorm_momentum)
        self.axis = int(axis)
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.renorm = renorm
        self.renorm_clipping = renorm_clipping
        self.renorm_momentum = renorm_momentum
        self.synchronized = synchronized
        self.group_size = group_size
        self.inference = inference
        self.accumulation_steps = accumulation_steps
        self.supports_masking = True
        self.gamma = self.beta = self.moving_mean = self.moving_variance = None

    def build(self, input_shape):
        """Create `gamma`, `beta`, `moving_mean` and `moving_variance`, and those of renorm, of shape `(channels,)`."""
        self.compute_output_shape(input_shape)
        channels = input_shape[self.axis]
        if channels is None:
            raise ValueError(f"Channels must be known at build. Received: axis={self.axis}, input_shape={input_shape}")
        if self.group_size is not None and self.axis % len(input_shape) == 0:
            raise ValueError(f"With `group_size`, axis 0 must be that of the examples. Received: axis={self.axis}")
        for name, wanted in [("gamma", self.scale), ("beta", self.center)]:
            if wanted:
                setattr(self, name, self._add_channel_weight(name, channels))
        self.moving_mean = self._add_channel_weight("moving_mean", channels, self.moving_mean_initializer)
        self.moving_variance = self._add_channel_weight("moving_variance", channels, self.moving_variance_initializer)
        if self.renorm:
            initial = _renorm.initial(self.moving_mean_initializer, self.moving_variance_initializer)
            for name, initializer in initial.items():
                setattr(self, name, self._add_channel_weight(name, channels, initializer))
        if self.accumulation_steps is not None:
            accumulation.add_weights(self)
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def _add_channel_weight(self, name, channels, moving=None):
        """Add a weight that is trained, or one that is not and has the initializer `moving`."""
        return self.add_weight(
            shape=(channels,),
            name=name,
            initializer=moving or getattr(self, f"{name}_initializer"),
            regularizer=None if moving else getattr(self, f"{name}_regularizer"),
            constraint=None if moving else getattr(self, f"{name}_constraint"),
            trainable=moving is None,
            autocast=False,
            aggregation="mean" if moving else "none",
        )

    def compute_output_shape(self, input_shape):
        """Return the shape of the inputs."""
        if not -len(input_shape) <= self.axis < len(input_shape):
            raise ValueError(f"`axis` is out of range. Received: axis={self.axis}, input_shape={input_shape}")
        return input_shape

    def call(self, inputs, training=None, mask=None):
        """Normalize `inputs`; in training, update the moving statistics as well."""
        if mask is not None:
            _checks.check_mask(tuple(mask.shape), tuple(inputs.shape))
        x = inputs if keras.backend.standardize_dtype(inputs.dtype) == self.compute_dtype else widened(inputs)
        if training and self.trainable:
            normalize = self._renormalize if self.renorm else self._normalize_by_batch
            y, mean, variance = normalize(x, mask)
            self._update(mean, variance, x, mask)
        elif self.inference == "batch" or self._own_statistics:
            y, _, _ = self._normalize_by_batch(x, mask)
        else:
            y = self._normalize_by_population(x, training)
        return ops.cast(y, self.compute_dtype)

    def _normalize(self, x, mean, variance):
        """Return gamma * (x - mean) / sqrt(variance + epsilon) + beta."""
        gamma, beta, mean, variance = (
            None if w is None else ops.cast(w, x.dtype) for w in (self.gamma, self.beta, mean, variance)
        )
        return ops.batch_normalization(x, mean, variance, self.axis, offset=beta, scale=gamma, epsilon=self.epsilon)

    def _normalize_by_population(self, x, training):
        weights = self.gamma, self.beta, self.moving_mean, self.moving_variance
        fused = None if training else _fused.normalize_by_population(x, *weights, self.axis, self.epsilon)
        return self._normalize(widened(x), self.moving_mean, self.moving_variance) if fused is None else fused

    def _normalize_by_batch(self, x, mask):
        """Return `x` normalized by its own mean and variance, and these per channel."""
        _checks.warn_of_single_values(self, tuple(x.shape))
        if mask is None and not self.synchronized and self.group_size is None:
            fused = _fused.normalize_by_batch(x, self.gamma, self.beta, self.axis, self.epsilon)
            if fused is not None:
                return fused
        mask = None if mask is None else ops.expand_dims(mask, -1)
        if self.group_size is not None:
            return normalize_groups(x, self.gamma, self.beta, self.group_size, self.axis, self.epsilon, mask)
        x = widened(x)
        mean, variance = self._moments(x, mask)
        return self._normalize(x, mean, variance), mean, variance

    def _moments(self, x, mask):
        return moments(x, axes_but(self.axis, x), mask, synchronized=self.synchronized)

    def _renormalize(self, x, mask):
        """Return `x` normalized as batch renormalization does, and its own mean and variance per channel."""
        x = widened(x)
        mean, variance = self._moments(x, None if mask is None else ops.expand_dims(mask, -1))
        gamma, beta = _renorm.transformed(self, mean, variance)
        y = ops.batch_normalization(x, mean, variance, self.axis, offset=beta, scale=gamma, epsilon=self.epsilon)
        return y, mean, variance

    def _update(self, mean, variance, x, mask):
        """Move the statistics towards those of a batch `x`, or of the batch that it is the last part of."""
        due = None
        if self.accumulation_steps is not None:
            due, mean, variance = accumulation.pool(self, mean, variance, x, mask)
        if self.renorm:
            pairs = _renorm.moved_statistics(self, mean, variance)
        else:
            pairs = moved(self.moving_mean, mean, self.momentum), moved(self.moving_variance, variance, self.momentum)
        for weight, value in pairs:
            weight.assign(value if due is None else ops.where(due, value, ops.cast(weight, value.dtype)))

    def load_own_variables(self, store):
        """Load weights, also those of a layer that differs in whether it has `accumulation_steps`."""
        super().load_own_variables(accumulation.fitted(self, store))

    def get_config(self):
        """Return the arguments that make this layer."""
        config = {name: getattr(self, name) for name in _PLAIN_ARGUMENTS}
        for module, names in _SERIALIZED_ARGUMENTS.items():
            config |= {name: module.serialize(getattr(self, name)) for name in names}
        return super().get_config() | config
