"""DHN-NCE: closed form → slow double loop of paper and of released code → what tells them apart."""

from math import exp, log

import pytest
import torch

from vesalius.core import ChoiceError, RecipeError
from vesalius.objectives import dhn_nce

torch.set_num_threads(1)


def pair(batch, width=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(2, batch, width, generator=generator, dtype=torch.float64)
    return draw[0], draw[1]


def logits_of(image, text, temperature):
    unit = torch.nn.functional.normalize
    return (unit(image) @ unit(text).T / temperature).tolist()


def slow_paper(image, text, temperature, beta1, beta2):
    z, n, total = logits_of(image, text, temperature), len(image), 0.0
    for beta, at in ((beta1, lambda i, j: z[i][j]), (beta2, lambda i, j: z[j][i])):
        for i in range(n):
            others = [at(i, j) for j in range(n) if j != i]
            norm = sum(exp(beta * v) for v in others)
            weighted = sum((n - 1) * exp(beta * v) / norm * exp(v) for v in others)
            total += log(weighted) - z[i][i]
    return total / n


def slow_released(image, text, temperature, beta1, beta2):
    """Entry by entry: other pairs have a "positive" of exp 0, own pairs a "negative" of exp 0."""
    z, n, total = logits_of(image, text, temperature), len(image), 0.0
    for beta, at in ((beta1, lambda i, j: z[i][j]), (beta2, lambda i, j: z[j][i])):
        norms = [sum(exp(at(i, j)) if j != i else 1.0 for j in range(n)) for i in range(n)]
        for i in range(n):
            for j in range(n):
                positive = exp(z[i][i]) if i == j else 1.0
                v = 0.0 if i == j else at(i, j)
                total -= log(positive / ((n - 1) * exp(beta * v) / norms[j] * exp(v)))
    return total / n**2


def test_three_orthogonal_pairs_have_the_closed_form():
    eye = torch.eye(3, dtype=torch.float64)
    assert float(dhn_nce(eye, eye, temperature=0.5)) == pytest.approx(2 * (log(2) - 2))


@pytest.mark.parametrize("batch", [2, 3, 8])
@pytest.mark.parametrize("betas", [(0.15, 0.15), (0.0, 1.0), (2.0, 0.3)])
@pytest.mark.parametrize("tile", [None, 2])
def test_both_variants_equal_a_slow_loop(batch, betas, tile):
    image, text = pair(batch)
    settings = {"temperature": 0.6, "beta1": betas[0], "beta2": betas[1]}
    for variant, slow in (("paper", slow_paper), ("released", slow_released)):
        value = dhn_nce(image, text, **settings, variant=variant, tile=tile)
        assert abs(float(value) - slow(image, text, **settings)) < 1e-10


@pytest.mark.parametrize(("variant", "pushed"), [("paper", True), ("released", False)])
@pytest.mark.parametrize("tile", [None, 3])
def test_the_hardest_negative_is_pushed_away_as_written_and_pulled_closer_as_released(
    variant, pushed, tile
):
    image, text = torch.eye(8, dtype=torch.float64), torch.eye(8, dtype=torch.float64)
    text[1] = torch.tensor([0.9, 0.3] + [0.0] * 6)  # text 1 is nearly image 0
    closer = torch.zeros((), dtype=torch.float64, requires_grad=True)
    moved = image + closer * torch.outer(image[0], text[1])  # image 0 towards text 1
    loss = dhn_nce(moved, text, variant=variant, temperature=0.2, tile=tile)
    without_own = loss + 2 * own_part(moved, text, 0.2, variant)
    slope = torch.autograd.grad(without_own, closer)[0]
    assert (slope > 0) == pushed


def own_part(image, text, temperature, variant):
    """The positives' share, taken out so that the negatives' alone is looked at."""
    unit = torch.nn.functional.normalize
    own = (unit(image) * unit(text)).sum(1) / temperature
    return own.mean() if variant == "paper" else own.sum() / len(own) ** 2


def test_without_weights_it_is_decoupled_infonce():
    image, text = pair(5)
    z = torch.tensor(logits_of(image, text, 0.6))
    others = z.masked_fill(torch.eye(5, dtype=torch.bool), -torch.inf)
    expected = others.logsumexp(1).mean() + others.logsumexp(0).mean() - 2 * z.diagonal().mean()
    value = dhn_nce(image, text, beta1=0.0, beta2=0.0)
    assert float(value) == pytest.approx(float(expected), abs=1e-5)


def test_wrong_settings_are_named():
    for setting in ({"temperature": 0.0}, {"beta1": -1.0}, {"beta2": float("nan")}):
        with pytest.raises(RecipeError, match=next(iter(setting))):
            dhn_nce(*pair(3), **setting)
    with pytest.raises(ChoiceError, match="did you mean 'released'"):
        dhn_nce(*pair(3), variant="release")
