"""The claims of Tang & Fong that `placement` judges."""

from bnkeras.claims import Claim
from bnkeras.studies import _placement_effects as effects


def _claim(id, sentence, reported, measure, effect, **options):
    return Claim(id, "tang-fong", sentence, reported, measure, effect, **options)


_ALL_ROWS = "99.67 stable .01, 33.94 unstable .02 without, and so on: ten rows"

CLAIMS = (
    _claim(
        "T1",
        "Which of the networks trains stably, at which learning rate, with and without batch normalization.",
        _ALL_ROWS,
        "share of runs as stable as reported, less one half",
        effects.as_reported("stable"),
    ),
    _claim(
        "T1",
        "Which of the networks gets stuck, at which learning rate, with and without batch normalization.",
        _ALL_ROWS,
        "share of runs stuck, or not, as reported, less one half",
        effects.as_reported("stuck"),
    ),
    _claim(
        "T2",
        "The later the one layer of batch normalization, the lower the accuracy.",
        "faces 99.83, 99.53, 97.79, 87.40; CIFAR-10 79.98, 78.5, 79.1, 79.31 %",
        "accuracy lost for each block that the layer moves back, points",
        effects.fall_per_block,
    ),
    _claim(
        "T2",
        "After the last block the layer does far less than after the first.",
        "faces 99.83 against 87.40, CIFAR-10 79.98 against 79.31 %",
        "test accuracy, layer after block 1 minus block 4, points",
        effects.first_over_last,
    ),
    _claim(
        "T2",
        "What is lost after the last block is lost by the moving averages, not by the training.",
        "not reported",
        "test accuracy, layer after block 4, the population's statistics minus moving averages, points",
        effects.lag_at_last,
    ),
    _claim(
        "T3",
        "Batch normalization on the first layer gives the best result.",
        "table 2",
        "test accuracy, layer after block 1 minus the best other block, points",
        effects.first_over_best_other,
    ),
    _claim(
        "T4",
        "Batch normalization allows a larger learning rate.",
        "table 1",
        "largest learning rate that trains, BN over base, doublings",
        effects.larger_rate,
    ),
    _claim(
        "T4",
        "At a larger learning rate, batch normalization is ahead.",
        "model 1 at 0.02: 99.50 against 33.94 %",
        "test accuracy, BN minus base, points",
        effects.lead("accuracy"),
    ),
    _claim(
        "T4",
        "At a larger learning rate, batch normalization is ahead.",
        "model 1 at 0.02: 99.50 against 33.94 %",
        "test accuracy, BN with the population's statistics minus base, points",
        effects.lead("population"),
    ),
    _claim(
        "T4",
        "At a larger learning rate, fewer networks with batch normalization get stuck.",
        "model 1 at 0.02: 99.50 against 33.94 %",
        "share of runs stuck, base minus BN, points",
        effects.lead("stuck", -100),
    ),
    _claim(
        "T5",
        "Batch normalization at 0.04 converges in fewer epochs than the base at 0.01.",
        "99 % by epoch 7 against epoch 9 (model 1) and 14 (model 2)",
        "epochs to 99 % of the final test accuracy, base at 0.01 minus BN at 0.04",
        effects.sooner("epochs_test", 0.01, 0.04),
    ),
    _claim(
        "T5",
        "Batch normalization at 0.04 converges in fewer epochs than the base at 0.01.",
        "99 % by epoch 7 against epoch 9 (model 1) and 14 (model 2)",
        "epochs to 99 % of the final training accuracy, base at 0.01 minus BN at 0.04",
        effects.sooner("epochs_train", 0.01, 0.04),
    ),
    _claim(
        "T5",
        "It does so at one and the same learning rate, 0.01.",
        "not reported",
        "epochs to 99 % of the final test accuracy, base minus BN, both at 0.01",
        effects.sooner("epochs_test", 0.01, 0.01),
    ),
    _claim(
        "T5",
        "It does so at one and the same learning rate, 0.01.",
        "not reported",
        "epochs to 99 % of the final training accuracy, base minus BN, both at 0.01",
        effects.sooner("epochs_train", 0.01, 0.01),
    ),
    _claim(
        "T6",
        "With max-pooling before ReLU (model 3) the network does worse than the other way round (model 1).",
        "33.3 against 99.67 %",
        "test accuracy, model 1 minus model 3, beyond 1 point",
        effects.swapped,
    ),
    _claim(
        "T6",
        "Model 3, and so model 1, gets stuck.",
        "33.3 %, that is chance, at 0.01",
        "share of runs stuck, less one half",
        effects.mostly_stuck,
    ),
    Claim(
        "T6",
        "tang-fong",
        "Against the claim: max-pooling and ReLU commute, so models 1 and 3 are one function.",
        "33.3 against 99.67 %",
        "equal outputs and gradients for equal weights",
        proof="tests/test_models.py::test_pool_and_relu_commute",
    ),
)
