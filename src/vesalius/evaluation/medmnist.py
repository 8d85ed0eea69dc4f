"""AUC and ACC as MedMNIST's Evaluator defines them, to stand beside its published table.

AUC is the mean one-vs-rest AUROC. ACC is the share of cases whose highest score is the true class
(multi-class, and binary as two classes), or the mean over labels of the share decided rightly at
0.5 (multi-label). Source: medmnist 3.0, ``evaluator.py``. Legend: N cases, C labels, R replicates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.evaluation.measures import accuracy, macro_auroc
from vesalius.evaluation.panel import Panel
from vesalius.evaluation.parts import Part
from vesalius.evaluation.ranking import ratio

if TYPE_CHECKING:
    from jaxtyping import Float

MEDMNIST = "medmnist/v1"
CUT = 0.5


def medmnist_part(panel: Panel, task: str) -> Part:
    """Return ``medmnist_auc`` and ``medmnist_acc``, over the cases whose truth is known."""
    some_N = ~np.isnan(panel.truths_NC).all(1)
    right = accuracy if task == "multiclass" else label_accuracy

    def measure(weights_RN: NDArray[np.float64]) -> NDArray[Any]:
        own = panel.truths_NC, panel.scores_NC, weights_RN
        return np.stack([macro_auroc(*own), right(*own)], axis=1)

    return Part([panel.score(name, some_N) for name in ("medmnist_auc", "medmnist_acc")], measure)


def label_accuracy(
    truths_NC: Float[np.ndarray, "N C"],
    scores_NC: Float[np.ndarray, "N C"],
    weights_RN: Float[np.ndarray, "R N"],
) -> Float[np.ndarray, "R"]:
    """Mean over labels of the share of known cases that a cut at 0.5 decides rightly.

    >>> one = np.ones((1, 2))
    >>> label_accuracy(np.array([[1.0, 0], [0, 0]]), np.array([[0.9, 0.6], [0.1, 0.5]]), one)
    array([0.75])
    """
    known_NC = ~np.isnan(truths_NC) & ~np.isnan(scores_NC)
    right_NC = known_NC & ((scores_NC > CUT) == (truths_NC == 1))
    share_RC = ratio(weights_RN @ right_NC.astype(float), weights_RN @ known_NC.astype(float))
    return np.asarray(share_RC[:, known_NC.any(0)].mean(1))
