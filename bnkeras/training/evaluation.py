"""How well a classifier does: logits, accuracy and cross-entropy, receiver operating characteristics."""

import keras
import numpy as np
from scipy.special import log_softmax, softmax

ROC_GRID = np.concatenate([[0], np.geomspace(1e-4, 1, 31)])
"""False positive rates at which `roc_tables` gives a curve, denser near 0, where curves differ."""


def logits(model, x, batch_size=1000):
    """Outputs of a model in inference, as a float64 array of shape `(examples, classes)`."""
    parts = [model(x[i : i + batch_size], training=False) for i in range(0, len(x), batch_size)]
    return np.concatenate([keras.ops.convert_to_numpy(part) for part in parts]).astype("float64")


def score(outputs, labels):
    """Accuracy and mean cross-entropy, in nats, of logits, as `{"accuracy": ..., "loss": ...}`."""
    losses = -log_softmax(outputs, axis=1)[np.arange(len(labels)), labels]
    return {"accuracy": float((outputs.argmax(1) == labels).mean()), "loss": float(losses.mean())}


def label_entropy(labels):
    """Entropy in nats of the shares of labels: the least loss of a classifier that does not look at its input."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-np.sum(shares * np.log(shares)))


def roc_tables(outputs, labels, class_names):
    """Receiver operating characteristic of each class against the rest, by scikit-learn.

    Args:
        outputs: Logits of shape `(examples, classes)`.
        labels: True classes, integers of shape `(examples,)`.
        class_names: One name a class.

    Returns:
        `(auc, roc)`: rows `class, auc`, and rows `class, fpr, tpr`, the curve at the false positive rates `ROC_GRID`.
        Both are empty where an output is not finite.
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    auc, roc = [], []
    if not np.isfinite(outputs).all():
        return auc, roc
    for index, (name, scores) in enumerate(zip(class_names, softmax(outputs, axis=1).T, strict=True)):
        fpr, tpr, _ = roc_curve(labels == index, scores)
        auc.append({"class": name, "auc": roc_auc_score(labels == index, scores)})
        curve = np.interp(ROC_GRID, fpr, tpr)
        roc += [{"class": name, "fpr": x, "tpr": y} for x, y in zip(ROC_GRID, curve, strict=True)]
    return auc, roc
