"""The compiled programs of a model, kept with it."""

import importlib

import keras

_FEW_STEPS = 4000  # XLA compiles for longer than it saves in this many steps of a small network
_FEWER_STEPS = 1000  # tracing for one batch size takes longer than it saves in this many steps of a graph
_BACKENDS = {"tensorflow": "._tensorflow", "jax": "._jax"}


def programs_of(model):
    """The programs of `model`; they live as long as it does."""
    if not hasattr(model, "_bnkeras_programs"):
        model._bnkeras_programs = _Programs()
    return model._bnkeras_programs


class _Programs:
    """Programs by what they were compiled for, until `compile` is called again or layers are frozen or thawed."""

    def __init__(self):
        self.generator = keras.random.SeedGenerator(0)
        self._compiled_with = None
        self._flags = None
        self._trainable = None
        self._programs = {}

    def __len__(self):
        return len(self._programs)

    def update(self, model):
        """Drops the programs that `compile` or a change of `trainable` has made out of date.

        Raises:
            ValueError: Variables were frozen or thawed without `compile`, so that the optimizer does not know of it.
        """
        compiled_with = (model.metrics[0], model.optimizer)
        flags = [layer.trainable for layer in model._flatten_layers()]
        trainable = {id(variable) for variable in model.trainable_variables}
        if self._programs and compiled_with == self._compiled_with:
            if flags == self._flags:
                return
            if trainable != self._trainable:
                raise ValueError(
                    "The trainable variables of the model have changed since it was last trained. Call "
                    f"`model.compile()` again for this to take effect. Received: model={model.name}"
                )
        self._programs.clear()
        self._compiled_with, self._flags, self._trainable = compiled_with, flags, trainable

    def train(self, model, data, batch_size, augment, jit, steps):
        """The program that trains for so many steps on batches of that size."""
        return self._get(model, True, data, batch_size, augment, jit, steps)

    def test(self, model, data, batch_size, jit, steps):
        """The program that evaluates so many batches of that size."""
        return self._get(model, False, data, batch_size, None, jit, steps)

    def _get(self, model, training, data, batch_size, augment, jit, steps):
        form = keras.tree.map_structure(lambda t: (tuple(t.shape[1:]), keras.backend.standardize_dtype(t.dtype)), data)
        few = jit == "auto" and steps < _FEW_STEPS
        # A model meets batches of any size in `model.fit` too, an augmentation may need to know their shape.
        batch_size = None if few and steps < _FEWER_STEPS and augment is None else batch_size
        key = (training, batch_size, str(form), augment, jit, few)
        if key not in self._programs:
            module = importlib.import_module(_BACKENDS[keras.config.backend()], __package__)
            generator = self.generator if augment else None
            self._programs[key] = module.Program(model, training, augment, generator, jit, few, batch_size)
        return self._programs[key]
