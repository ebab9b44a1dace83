"""Keras's own tests of `BatchNormalization`, run on `BatchNormLayer`."""

import types

import keras
import pytest

from bnkeras.layers import BatchNormLayer, WSConv1D, WSConv2D, WSConv3D, WSDense

suite = pytest.importorskip("keras.src.layers.normalization.batch_normalization_test")
testing = pytest.importorskip("keras.src.testing")

pytestmark = [
    # Keras's tests read its variables through NumPy, and TensorFlow's variables lack the copy keyword of NumPy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
    # One of its layers has neither gamma nor beta.
    pytest.mark.filterwarnings("ignore:The model does not have any trainable weights:UserWarning"),
    # run_layer_test trains on a generator with fit's default shuffle.
    pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning"),
]


class TestBatchNormLayerInKerasSuite(suite.BatchNormalizationTest):
    @pytest.fixture(autouse=True)
    def _patch_layer(self, monkeypatch):
        layers = types.SimpleNamespace(**vars(suite.layers) | {"BatchNormalization": BatchNormLayer})
        monkeypatch.setattr(suite, "layers", layers)

    def test_suite_is_patched(self):
        assert suite.layers.BatchNormalization is BatchNormLayer
        assert keras.layers.BatchNormalization is not BatchNormLayer


class TestRunLayerTest(testing.TestCase):
    def _run(self, layer, shape, output_shape, weights=(2, 0), losses=0, masking=False, **kwargs):
        self.run_layer_test(
            layer,
            init_kwargs=kwargs,
            input_shape=shape,
            expected_output_shape=output_shape,
            expected_num_trainable_weights=weights[0],
            expected_num_non_trainable_weights=weights[1],
            expected_num_seed_generators=0,
            expected_num_losses=losses,
            supports_masking=masking,
        )

    def test_batch_norm(self):
        self._run(BatchNormLayer, (4, 3), (4, 3), weights=(2, 2), masking=True, group_size=2)
        self._run(BatchNormLayer, (4, 3, 5), (4, 3, 5), weights=(1, 2), masking=True, axis=1, scale=False)
        self._run(BatchNormLayer, (2, 3, 3, 2), (2, 3, 3, 2), weights=(2, 2), masking=True, inference="batch")

    def test_dense(self):
        self._run(WSDense, (2, 3), (2, 4), masking=True, units=4)
        self._run(WSDense, (2, 5, 3), (2, 5, 4), (1, 0), 1, True, units=4, use_bias=False, kernel_regularizer="l2")

    def test_conv(self):
        self._run(WSConv1D, (2, 7, 3), (2, 7, 4), filters=4, kernel_size=3, padding="causal", dilation_rate=2)
        self._run(WSConv2D, (2, 6, 6, 4), (2, 3, 3, 4), filters=4, kernel_size=3, strides=2, padding="same", groups=2)
        self._run(WSConv3D, (2, 4, 4, 4, 2), (2, 2, 2, 2, 3), filters=3, kernel_size=3, activation="relu")
