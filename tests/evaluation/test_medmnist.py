"""AUC and ACC are those of MedMNIST's own Evaluator."""

import numpy as np
import pytest

from vesalius.core import Predictions
from vesalius.evaluation import classification

evaluator = pytest.importorskip("medmnist.evaluator", reason="the extra 'medmnist' is the peer")


def scored(truths_NC, scores_NC, task):
    n, c = truths_NC.shape
    own = Predictions(scores_NC, truths_NC, tuple(f"l{i}" for i in range(c)),
                      np.array([f"c{i}" for i in range(n)]), task=task)  # fmt: skip
    found = classification(own, protocol="medmnist", replicates=20)
    assert {score.protocol for score in found} == {"medmnist/v1"}
    return [score.value for score in found]


def test_multi_label():
    rng = np.random.default_rng(0)
    truths_NC = (rng.random((200, 5)) < 0.3).astype(float)
    scores_NC = rng.random((200, 5))
    peer = [f(truths_NC, scores_NC, "multi-label, binary-class")
            for f in (evaluator.getAUC, evaluator.getACC)]  # fmt: skip
    assert scored(truths_NC, scores_NC, "multilabel") == pytest.approx(peer, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 4])
def test_one_of_several_classes_and_binary(classes):
    rng = np.random.default_rng(1)
    class_N = rng.integers(0, classes, 150)
    scores_NC = rng.dirichlet(np.ones(classes), 150)
    task = "binary-class" if classes == 2 else "multi-class"
    peer = [f(class_N, scores_NC, task) for f in (evaluator.getAUC, evaluator.getACC)]
    found = scored(np.eye(classes)[class_N], scores_NC, "multiclass")
    assert found == pytest.approx(peer, abs=1e-12)
