"""InfoNCE: closed form → slow loop → invariance → gradients → edge cases → peer library."""

from math import exp, log, sqrt

import pytest
import torch

from vesalius.objectives import infonce

torch.set_num_threads(1)


def pair(batch, width=5, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(batch, width, generator=generator, dtype=dtype)
    return image, torch.randn(batch, width, generator=generator, dtype=dtype)


def slow(image, text, scale):
    """The same written twice, from the definition, one number at a time."""
    image, text, n = image.tolist(), text.tolist(), len(image)

    def cosine(a, b):
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        return dot / sqrt(sum(x * x for x in a)) / sqrt(sum(y * y for y in b))

    total = 0.0
    for i in range(n):
        row = [scale * cosine(image[i], text[j]) for j in range(n)]
        column = [scale * cosine(image[j], text[i]) for j in range(n)]
        for line in (row, column):
            total += log(sum(exp(v - max(line)) for v in line)) + max(line) - line[i]
    return total / (2 * n)


def test_two_orthogonal_pairs_have_the_closed_form():
    expected = log(1 + exp(-3.0))
    assert float(infonce(torch.eye(2), torch.eye(2), logit_scale=3.0)) == pytest.approx(expected)


@pytest.mark.parametrize("batch", [1, 2, 7, 16])
@pytest.mark.parametrize("scale", [1.0, 14.3, 100.0])
def test_equals_a_slow_loop(batch, scale):
    image, text = pair(batch)
    assert abs(float(infonce(image, text, logit_scale=scale)) - slow(image, text, scale)) < 1e-10


def test_is_symmetric_in_image_and_text():
    image, text = pair(6)
    assert torch.allclose(
        infonce(image, text, logit_scale=10.0), infonce(text, image, logit_scale=10.0)
    )


def test_does_not_depend_on_the_order_of_pairs_nor_on_their_lengths():
    image, text = pair(6)
    order, lengths = torch.randperm(6), torch.rand(6, 1, dtype=torch.float64) + 0.5
    shuffled = infonce(3 * image[order] * lengths, text[order], logit_scale=10.0)
    assert torch.allclose(infonce(image, text, logit_scale=10.0), shuffled)


def test_gradients_are_right():
    image, text = (t.requires_grad_() for t in pair(4, 3))
    scale = torch.tensor(7.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda i, t, s: infonce(i, t, logit_scale=s), (image, text, scale)
    )


def test_a_batch_of_one_costs_nothing():
    assert float(infonce(*pair(1), logit_scale=100.0)) == 0.0


@pytest.mark.parametrize("batch", [2, 9])
def test_collapsed_embeddings_cost_log_batch(batch):
    same = torch.ones(batch, 4, dtype=torch.float64)
    assert float(infonce(same, same, logit_scale=100.0)) == pytest.approx(log(batch))


def test_zero_rows_give_a_finite_loss_and_gradient():
    image, text = torch.zeros(3, 4, requires_grad=True), torch.zeros(3, 4)
    loss = infonce(image, text, logit_scale=100.0)
    loss.backward()
    assert loss.isfinite()
    assert image.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_true_at_scale_100(dtype):
    image, text = (t.to(dtype) for t in pair(8, 16))
    half = infonce(image, text, logit_scale=100.0)
    assert half.dtype == torch.float32
    assert float(half) == pytest.approx(slow(image, text, 100.0), rel=1e-5)


def test_autocast_does_not_make_it_coarse():
    image, text = pair(8, 16, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = infonce(image, text, logit_scale=100.0)
    assert torch.equal(inside, infonce(image, text, logit_scale=100.0))


def test_unequal_shapes_are_named():
    with pytest.raises(ValueError, match=r"\(3, 5\).*\(4, 5\)"):
        infonce(pair(3)[0], pair(4)[1], logit_scale=1.0)


def test_equals_open_clip():
    from open_clip.loss import ClipLoss

    image, text = pair(12, 8, dtype=torch.float32)
    unit = torch.nn.functional.normalize
    expected = ClipLoss()(unit(image), unit(text), torch.tensor(14.3))
    assert abs(float(infonce(image, text, logit_scale=14.3)) - float(expected)) < 1e-5
