"""Label losses: unknown takes no part; otherwise they are torch's and scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from vesalius.objectives import SUPERVISED, cross_entropy, masked_bce, supervised_loss

torch.set_num_threads(1)
NAN = float("nan")


def drawn(seed=0, batch=6, labels=4):
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(size=(batch, labels)))
    truths = torch.tensor(rng.choice([0.0, 1.0, NAN], size=(batch, labels)))
    return logits, truths


def test_bce_equals_scikit_learn_over_the_known_truths():
    logits, truths = drawn()
    known = ~torch.isnan(truths)
    expected = log_loss(truths[known].numpy(), torch.sigmoid(logits[known]).numpy())
    assert float(masked_bce(logits, truths)) == pytest.approx(expected, abs=1e-12)


def test_unknown_truths_get_no_gradient_and_change_nothing():
    logits, truths = drawn()
    logits.requires_grad_()
    masked_bce(logits, truths).backward()
    assert (logits.grad[torch.isnan(truths)] == 0).all()
    assert (logits.grad[~torch.isnan(truths)] != 0).all()
    moved = torch.where(torch.isnan(truths), logits + 50, logits)
    assert torch.equal(masked_bce(moved, truths), masked_bce(logits, truths))


def test_nothing_known_costs_nothing():
    logits = torch.zeros(2, 3, requires_grad=True)
    for loss in (masked_bce, cross_entropy):
        value = loss(logits, torch.full((2, 3), NAN))
        value.backward()
        assert value.item() == 0
        assert logits.grad.isfinite().all()


def test_pos_weight_weighs_the_positives():
    logits, truths = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
    weighted = masked_bce(logits, truths, pos_weight=torch.tensor([3.0, 3.0]))
    assert float(weighted) == pytest.approx(2 * np.log(2))


@pytest.mark.parametrize("loss", [masked_bce, cross_entropy])
def test_gradients_are_right(loss):
    truths = torch.eye(4, dtype=torch.float64)[:3]
    truths[2] = NAN
    logits = drawn()[0][:3].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, truths), (logits,))


def test_cross_entropy_equals_scikit_learn_over_the_known_cases():
    logits, _ = drawn(batch=8)
    classes = np.array([0, 1, 2, 3, 0, 1, 2, 3])
    truths = torch.eye(4, dtype=torch.float64)[classes]
    truths[3], truths[5] = NAN, 0.0
    known = [0, 1, 2, 4, 6, 7]
    expected = log_loss(classes[known], logits.softmax(1).numpy()[known], labels=[0, 1, 2, 3])
    assert float(cross_entropy(logits, truths)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("loss", [masked_bce, cross_entropy])
def test_huge_half_precision_logits_stay_finite(loss):
    logits = torch.tensor([[60000.0, -60000.0]], dtype=torch.float16)
    assert loss(logits, torch.tensor([[0.0, 1.0]])).isfinite()


@pytest.mark.parametrize("loss", [masked_bce, cross_entropy])
def test_unequal_shapes_are_named(loss):
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(2, 4\)"):
        loss(torch.zeros(2, 3), torch.zeros(2, 4))


def test_every_task_has_its_loss():
    for task in SUPERVISED:
        assert supervised_loss(task)(torch.zeros(2, 2), torch.eye(2)).shape == ()
