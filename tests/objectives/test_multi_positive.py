"""Multi-positive InfoNCE: closed form → slow loop → InfoNCE as a special case."""

from math import exp, log

import pytest
import torch

from vesalius.objectives import infonce, multi_positive

torch.set_num_threads(1)


def pair(batch, width=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(2, batch, width, generator=generator, dtype=torch.float64)
    return draw[0], draw[1]


def slow(image, text, groups, scale):
    """Mean over rows of the mean over positives of −log probability, each way."""
    n, total = len(image), 0.0
    for one, other in ((image, text), (text, image)):
        for i in range(n):
            z = [scale * float(one[i] @ t / one[i].norm() / t.norm()) for t in other]
            whole = log(sum(exp(v - max(z)) for v in z)) + max(z)
            positives = [j for j in range(n) if groups[j] == groups[i]]
            total += sum(whole - z[j] for j in positives) / len(positives)
    return total / (2 * n)


def test_two_texts_of_one_case_have_the_closed_form():
    image, text = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.eye(2)
    value = multi_positive(image, text, groups_B=torch.zeros(2), logit_scale=2.0)
    by_image, by_text = log(1 + exp(-2.0)) + 1, log(2)  # half of each image's target lies at 2
    assert float(value) == pytest.approx((by_image + by_text) / 2)


@pytest.mark.parametrize("groups", [[0], [3, 3], [0, 1, 0, 2, 1, 0, 9], [5] * 6])
@pytest.mark.parametrize("tile", [None, 2])
def test_equals_a_slow_loop(groups, tile):
    image, text = pair(len(groups))
    value = multi_positive(image, text, groups_B=torch.tensor(groups), logit_scale=14.3, tile=tile)
    assert abs(float(value) - slow(image, text, groups, 14.3)) < 1e-10


def test_distinct_groups_make_it_infonce():
    image, text = pair(8)
    groups = torch.randperm(8) * 1000 - 3
    value = multi_positive(image, text, groups_B=groups, logit_scale=20.0)
    assert abs(float(value) - float(infonce(image, text, logit_scale=20.0))) < 1e-12


def test_a_second_image_of_a_case_is_no_longer_pushed_from_its_text():
    image, text = (t.requires_grad_() for t in pair(2))
    slopes = []
    for groups in ([0, 1], [0, 0]):
        logit = torch.zeros((), dtype=torch.float64, requires_grad=True)
        towards = image + logit * torch.stack([text[1] * 0, text[0]])  # image 1 nearer to text 0
        loss = multi_positive(towards, text, groups_B=torch.tensor(groups), logit_scale=5.0)
        slopes.append(float(torch.autograd.grad(loss, logit)[0]))
    assert slopes[0] > slopes[1]


def test_one_number_a_pair_is_asked_for():
    with pytest.raises(ValueError, match="one number a pair"):
        multi_positive(*pair(3), groups_B=torch.zeros(2), logit_scale=1.0)
