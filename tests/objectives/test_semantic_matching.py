"""Semantic matching: closed form → slow double loop → decoupled sides → hostile findings."""

from math import exp, isnan, log, sqrt

import pytest
import torch

from vesalius.core import ChoiceError, DataError
from vesalius.objectives import semantic_matching

torch.set_num_threads(1)
NAN = float("nan")


def draw(images, texts, width=5, findings=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    sides = [
        torch.randn(n, width, generator=generator, dtype=torch.float64) for n in (images, texts)
    ]
    values = torch.tensor([1.0, 0.0, -1.0, NAN], dtype=torch.float64)
    image, text = (
        values[torch.randint(0, 4, (n, findings), generator=generator)] for n in (images, texts)
    )
    return sides, {"image_findings_BF": image, "text_findings_BF": text}


def similarity(a, b, variant):
    if variant == "released":
        return sum(0.0 if isnan(x * y) else x * y for x, y in zip(a, b, strict=True))
    a, b = ([float(x == 1) for x in row] for row in (a, b))
    lengths = sqrt(sum(a)) * sqrt(sum(b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else 0.0


def slow(sides, findings, scale, variant):
    image, text = sides
    s = [
        [similarity(a, b, variant) for b in findings["text_findings_BF"].tolist()]
        for a in findings["image_findings_BF"].tolist()
    ]
    z = [[scale * float(a @ b / a.norm() / b.norm()) for b in text] for a in image]
    loss = 0.0
    for targets, logits in ((s, z), (list(zip(*s, strict=True)), list(zip(*z, strict=True)))):
        for target, line in zip(targets, logits, strict=True):
            whole = log(sum(exp(v - max(line)) for v in line)) + max(line)
            weights = [exp(v) for v in target]
            cross = sum(w * (whole - v) for w, v in zip(weights, line, strict=True))
            loss += cross / sum(weights) / len(logits) / 2
    return loss


def test_two_findings_have_the_closed_form():
    value = semantic_matching(
        torch.eye(2),
        torch.eye(2),
        image_findings_BF=torch.eye(2),
        text_findings_BF=torch.eye(2),
        logit_scale=3.0,
    )
    right = exp(1) / (exp(1) + 1)  # softmax of a cosine of 1 beside one of 0
    assert float(value) == pytest.approx(log(1 + exp(-3.0)) + 3 * (1 - right))


@pytest.mark.parametrize("variant", ["paper", "released"])
@pytest.mark.parametrize(("images", "texts"), [(1, 1), (6, 6), (5, 9), (7, 1)])
@pytest.mark.parametrize("tile", [None, 2])
def test_equals_a_slow_loop(variant, images, texts, tile):
    sides, findings = draw(images, texts)
    value = semantic_matching(*sides, **findings, logit_scale=14.3, variant=variant, tile=tile)
    assert abs(float(value) - slow(sides, findings, 14.3, variant)) < 1e-10


def test_images_and_texts_need_not_be_in_step():
    sides, findings = draw(6, 6)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(3))
    moved = {**findings, "text_findings_BF": findings["text_findings_BF"][order]}
    value = semantic_matching(*sides, **findings, logit_scale=9.0)
    shuffled = semantic_matching(sides[0], sides[1][order], **moved, logit_scale=9.0)
    assert torch.allclose(value, shuffled)


def test_the_lowest_loss_is_the_entropy_of_the_targets():
    eye = torch.eye(3, dtype=torch.float64)
    findings = {"image_findings_BF": eye, "text_findings_BF": eye}
    target = eye.softmax(1)
    entropy = float(-(target * target.log()).sum(1).mean())
    at_target = semantic_matching(eye, eye, **findings, logit_scale=1.0)  # z = S
    assert float(at_target) == pytest.approx(entropy)
    for scale in (0.5, 2.0):
        assert float(semantic_matching(eye, eye, **findings, logit_scale=scale)) > entropy


def test_nothing_known_makes_the_target_uniform():
    sides, findings = draw(4, 4)
    unknown = {key: torch.full_like(value, NAN) for key, value in findings.items()}
    absent = {key: torch.zeros_like(value) for key, value in findings.items()}
    for variant in ("paper", "released"):
        value = semantic_matching(*sides, **unknown, logit_scale=5.0, variant=variant)
        assert value.isfinite()
        same = semantic_matching(*sides, **absent, logit_scale=5.0, variant=variant)
        assert torch.equal(value, same)


def test_wrong_findings_and_variants_are_named():
    sides, findings = draw(3, 3)
    infinite = {**findings, "image_findings_BF": torch.full((3, 4), torch.inf)}
    with pytest.raises(DataError, match=r"image findings is outside -1 \.\.\. 1"):
        semantic_matching(*sides, **infinite, logit_scale=1.0)
    short = {**findings, "text_findings_BF": findings["text_findings_BF"][:2]}
    with pytest.raises(ValueError, match=r"text findings are \(2, 4\)"):
        semantic_matching(*sides, **short, logit_scale=1.0)
    narrow = {**findings, "text_findings_BF": findings["text_findings_BF"][:, :2]}
    with pytest.raises(ValueError, match="must be the same ones"):
        semantic_matching(*sides, **narrow, logit_scale=1.0)
    with pytest.raises(ChoiceError, match="did you mean 'paper'"):
        semantic_matching(*sides, **findings, logit_scale=1.0, variant="papers")
