"""Private names of Keras and TensorFlow: each still means what the package takes it for, and stands in one file."""

import ast
import functools
import importlib
import itertools
import tomllib
from pathlib import Path

import keras
import numpy as np
import pytest
from packaging.requirements import Requirement

import bnkeras
from bnkeras import keras_internals

RELEASES = {name: importlib.import_module(name).__version__ for name in ("keras", keras.config.backend())}
INSTALLED = ", ".join(map(" ".join, RELEASES.items()))
PACKAGE = Path(bnkeras.__file__).parent


def guards(private):
    """A test of a function of `keras_internals`: where it fails, it names the installed releases."""

    def decorate(test):
        @functools.wraps(test)
        def run(*args, **kwargs):
            try:
                test(*args, **kwargs)
            except Exception as error:
                pytest.fail(f"{INSTALLED}: {private} is not what bnkeras takes it for: {error!r}")

        return run

    return decorate


class Block(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inside = keras.layers.Dense(3, name="inside")

    def call(self, x):
        return self.inside(x)


def nested():
    inner = keras.Sequential([keras.Input((3,)), Block(name="block")], name="inner")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, name="first"), inner])
    model.compile("sgd", "mse")
    return model


@guards("Layer._flatten_layers")
def test_layers_of():
    model = nested()
    layers = keras_internals.layers_of(model)
    names = [layer.name for layer in layers if not isinstance(layer, keras.layers.InputLayer)]
    assert sorted(names) == ["block", "first", "inner", "inside"]
    assert model not in layers


@guards("Trainer._initial_epoch")
def test_resumed_epoch(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def fit(model, *callbacks):
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        return model.fit(np.ones((4, 3)), np.ones((4, 3)), epochs=3, verbose=0, callbacks=[backup, *callbacks])

    model, resumed = nested(), nested()
    with pytest.raises(KeyboardInterrupt):
        fit(model, Stop())
    assert keras_internals.resumed_epoch(model) is None
    assert fit(resumed).epoch == [2]
    assert keras_internals.resumed_epoch(resumed) == 2


@guards("Optimizer._trainable_variables")
def test_optimized_variables():
    model = nested()
    assert keras_internals.optimized_variables(model) is None
    for optimizer in (keras.optimizers.SGD(0.1), keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))):
        model.compile(optimizer, "mse")
        assert keras_internals.optimized_variables(model) is None
        optimizer.build(model.trainable_variables)
        known = keras_internals.optimized_variables(model)
        assert [id(variable) for variable in known] == [id(variable) for variable in model.trainable_variables]


@guards("Layer._tracker")
def test_unlocked():
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    with keras_internals.unlocked(layer):
        layer.extra = keras.Variable(np.zeros(2, "float32"), trainable=False)
    assert layer.non_trainable_variables[-1] is layer.extra
    with pytest.raises(ValueError, match="cannot add new elements"):
        layer.more = keras.Variable(np.zeros(2, "float32"))


@guards("Optimizer._iterations")
def test_micro_steps():
    model = nested()
    model.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2), "mse")
    model.fit(np.ones((6, 3)), np.ones((6, 3)), batch_size=2, verbose=0)
    assert int(keras_internals.micro_steps(model.optimizer)) == 3
    assert int(model.optimizer.iterations) == 1


@guards("global_state's current_call_ctx")
def test_outermost_layer():
    seen = []

    class Looking(keras.layers.Layer):
        def call(self, x):
            seen.append(keras_internals.outermost_layer())
            return x

    looking = Looking()
    inner = keras.Sequential([keras.Input((3,)), looking])
    model = keras.Sequential([keras.Input((3,)), inner])
    seen.clear()
    model.predict(np.ones((2, 3)), verbose=0)
    assert all(one is model for one in seen)
    looking(np.ones((2, 3)))
    assert seen[-1] is looking
    assert keras_internals.outermost_layer() is None


@guards("the name of a class in keras.src.saving.saving_lib and file_editor")
def test_in_weight_files(tmp_path, capsys):
    answers = []

    class Asked(type(keras.layers.Layer)):
        @property
        def __name__(cls):
            answers.append(keras_internals.in_weight_files())
            return "Asking"

    class Asking(keras.layers.Layer, metaclass=Asked):
        pass

    model = keras.Sequential([keras.Input((3,)), Asking(), keras.layers.Dense(2)])
    path = tmp_path / "all.weights.h5"
    for use in (
        model.save_weights,
        model.load_weights,
        lambda path: keras.saving.KerasFileEditor(str(path)).compare(model),
    ):
        answers.clear()
        use(path)
        assert any(answers)
    answers.clear()
    repr(model.layers[0]), keras.saving.serialize_keras_object(model.layers[0]), model.summary()
    assert answers
    assert not any(answers)


@guards("control_flow_util.GraphOrParentsInXlaContext")
def test_in_xla():
    assert keras_internals.in_xla() is False
    if keras.config.backend() != "tensorflow":
        return
    import tensorflow as tf

    def seen(jit):
        answers = []

        @tf.function
        def inner(x):
            answers.append(keras_internals.in_xla())
            return x

        tf.function(lambda x: tf.cond(x > 0, lambda: inner(x), lambda: x), jit_compile=jit)(tf.constant(1.0))
        return answers

    assert (seen(True), seen(False)) == ([True], [False])


def private_names(module):
    """Private names of Keras's objects, and private modules, in the code of a module."""
    model = nested()
    objects = model, model.layers[0], model.optimizer, model.layers[0].kernel, keras.callbacks.Callback()
    private = {name for thing in objects for name in dir(thing) if name[0] == "_" and name[1] != "_"}
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) != "self":
            yield from {node.attr} & private
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr", "setattr"):
            yield from {ast.unparse(node.args[1]).strip("'")} & private
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            yield from (name for name in names if name.startswith(("keras.src", "tensorflow.python", "jax._src")))


def test_private_names_stand_in_one_file():
    found = {str(path.relative_to(PACKAGE)): sorted({*private_names(path)}) for path in PACKAGE.rglob("*.py")}
    assert {path: names for path, names in found.items() if names} == {
        "keras_internals.py": [
            "_flatten_layers",
            "_initial_epoch",
            "_iterations",
            "_tracker",
            "_trainable_variables",
            "keras.src.backend.common.global_state",
            "tensorflow.python.ops.control_flow_util",
        ]
    }


@pytest.mark.parametrize("name", RELEASES)
def test_only_tested_releases_are_allowed(name):
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    lines = itertools.chain(project["dependencies"], *project["optional-dependencies"].values())
    ranges = [required.specifier for required in map(Requirement, lines) if required.name == name]
    assert ranges
    for allowed in ranges:
        assert RELEASES[name] in allowed, f"{name} {RELEASES[name]} has not been tested: allowed are {allowed}"
        assert any(limit.operator == "<" for limit in allowed)
