"""Claims T1 to T6, each with its headline and what else was explored."""

from bnkeras.evidence.claims import NONE, Claim, Measure
from bnkeras.evidence.effects import at
from bnkeras.studies.placement.effects import (
    TARGET,
    as_reported,
    by_placement,
    epochs_saved,
    everywhere,
    fall_per_block,
    first_over_last,
    first_over_others,
    half_over_full,
    in_notebook,
    larger_rate,
    lead,
    model_3_stuck,
    more_stuck,
    on_faces,
    single_layer_trains,
    stuck_as_reported,
    summary,
)


def _claim(id, sentence, reported, headline, *explored, **options):
    return Claim(id, "tang-fong", sentence, reported, headline, explored, **options)


_FIRST_LAST = "test accuracy, layer after block 1 minus block 4"
_FIRST = "test accuracy, layer after block 1 minus the mean of the others"
_DOUBLINGS = "largest learning rate that trains, BN after every block over base"
_EPOCHS = f"epochs to {TARGET:g} % accuracy"

CLAIMS = (
    _claim(
        "T1",
        "Which of the networks trains, and which gets stuck, at which learning rate, with and without BN (table 1).",
        "33.94 and 33.3 % in two of nine settings, 98.5 to 99.83 in the others",
        Measure("share of runs stuck, settings reported stuck minus the others", stuck_as_reported, "points", 20),
        Measure("share of runs as stable as reported, above one half", as_reported("stable"), "points", 20),
        Measure("share of runs stuck, or not, as reported, above one half", as_reported("stuck"), "points", 20),
        reported_effect=100,
        plain=(
            "Networks get stuck in the settings that the paper says.",
            "Networks get stuck no more often there than elsewhere.",
            "Networks get stuck elsewhere.",
        ),
    ),
    _claim(
        "T2",
        "The later the one layer of batch normalization, the lower the accuracy.",
        "faces 99.83, 99.53, 97.79, 87.40; CIFAR-10 79.98, 78.5, 79.1, 79.31 %",
        Measure(
            f"{_FIRST_LAST}, as in the authors' notebook",
            lambda tables: first_over_last(by_placement(in_notebook(summary(tables)))),
            "points",
            2,
        ),
        Measure(_FIRST_LAST, everywhere(first_over_last), "points", 2),
        Measure("accuracy lost for each block that the layer moves back", everywhere(fall_per_block), "points", 1),
        reported_effect=12.43,
        plain=(
            "The layer does better after the first block than after the last.",
            "First block or last makes no difference that matters.",
            "The layer does better after the last block than after the first.",
        ),
    ),
    _claim(
        "T3",
        "Batch normalization on the first layer gives the best result.",
        "table 2",
        Measure(
            _FIRST,
            lambda t: first_over_others(by_placement(on_faces(summary(t), model=2, learning_rate=0.01))),
            "points",
            2,
        ),
        Measure(_FIRST, everywhere(first_over_others), "points", 2),
        Measure(
            "test accuracy, bfloat16 minus float32",
            half_over_full,
            "points",
            2,
            NONE,
            sentence="Networks end in half precision as in float32.",
        ),
        reported_effect=4.92,
        plain=(
            "The first block is the best place.",
            "No place is better by what matters.",
            "The first block is worse than the other places.",
        ),
    ),
    _claim(
        "T4",
        "Batch normalization allows a larger learning rate.",
        "model 1 at 0.02: 99.50 against 33.94 %",
        Measure(f"{_DOUBLINGS}, model 2", lambda t: at(larger_rate(t), model=2), "doublings", 0.5),
        Measure(_DOUBLINGS, larger_rate, "doublings", 0.5),
        Measure("test accuracy, BN minus base", lead, "points", 2),
        Measure("share of runs stuck, base minus BN", more_stuck, "points", 20),
        Measure(
            "share of runs with a single layer that train, above one half",
            single_layer_trains,
            "points",
            20,
            sentence="A single layer anywhere starts the network at rates at which the base model gets stuck.",
        ),
        reported_effect=2,
        plain=(
            "With BN the network trains at larger rates.",
            "BN allows no larger rate.",
            "With BN the network trains at smaller rates only.",
        ),
    ),
    _claim(
        "T5",
        "Batch normalization at 0.04 converges in fewer epochs than the base at 0.01.",
        "99 % by epoch 7 against epoch 9 (model 1) and 14 (model 2)",
        Measure(
            f"{_EPOCHS}, base at 0.01 minus BN at 0.04, model 2",
            lambda tables: at(epochs_saved()(tables), model=2),
            "epochs",
            2,
        ),
        Measure(f"{_EPOCHS}, base at 0.01 minus BN at 0.04", epochs_saved(), "epochs", 2),
        Measure(f"{_EPOCHS}, both at 0.01", epochs_saved(bn_rate=0.01), "epochs", 2),
        Measure(f"{_EPOCHS} on training images, both at 0.01", epochs_saved("epochs_train", 0.01, 0.01), "epochs", 2),
        reported_effect=7,
        plain=(
            "BN at the larger rate converges in fewer epochs.",
            "BN at the larger rate converges in as many epochs.",
            "BN at the larger rate converges in more epochs.",
        ),
    ),
    _claim(
        "T6",
        "With max-pooling before ReLU (model 3) the network gets stuck.",
        "33.3 % against 99.67 %",
        Measure(
            "share of runs of model 3 stuck at 0.01, above one half",
            lambda tables: at(model_3_stuck(tables), learning_rate=0.01),
            "points",
            20,
        ),
        Measure("share of runs of model 3 stuck, above one half", model_3_stuck, "points", 20),
        proof="tests/test_models.py::test_pool_and_relu_commute",
        reported_effect=50,
        plain=(
            "Model 3 gets stuck in most of its runs.",
            "Model 3 gets stuck in about half of its runs.",
            "Model 3 trains in most of its runs.",
        ),
    ),
)
