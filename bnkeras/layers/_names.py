"""Names of classes of layers in files of weights."""

import keras

from bnkeras.keras_internals import in_weight_files


class NamedInFiles(type(keras.layers.Layer)):
    """A class of layers whose weights stand in files under the name of another class, so that files pass between them.

    That name is the class attribute `name_in_files`. Everywhere else, in summaries, messages, configurations and the
    default names of layers, the class goes by its own; so do its subclasses in files too.
    """

    @property
    def __name__(cls):
        own = type.__dict__["__name__"].__get__(cls)
        return vars(cls).get("name_in_files", own) if in_weight_files() else own
