"""What holds for every objective in a dict: newcomers are tested by being listed."""

from inspect import Parameter, signature

import pytest
import torch

from vesalius.core import ChoiceError, VesaliusError
from vesalius.objectives import (
    GIVEN,
    OBJECTIVES,
    SELF_SUPERVISED,
    objective,
    self_supervised_loss,
)

torch.set_num_threads(1)
LOSSES = {name: objective(name) for name in OBJECTIVES} | {
    name: self_supervised_loss(name) for name in SELF_SUPERVISED
}
TILED = [name for name, loss in LOSSES.items() if "tile" in signature(loss).parameters]
NEED_TWO = {"dhn_nce", "barlow_twins"}  # no negatives, no variance


def draw(batch, width=5, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    sides = (torch.randn(batch, width, generator=generator, dtype=dtype) for _ in range(2))
    given = {
        "logit_scale": torch.tensor(7.0, dtype=torch.float64),
        "logit_bias": torch.tensor(-2.0, dtype=torch.float64),
        "image_findings_BF": torch.randint(-1, 2, (batch, 3), generator=generator).double(),
        "text_findings_BF": torch.randint(-1, 2, (batch, 3), generator=generator).double(),
        "groups_B": torch.randint(0, 4, (batch,), generator=generator),
    }
    return *sides, given


def wanted(name, given):
    names = signature(LOSSES[name]).parameters
    return {key: value for key, value in given.items() if key in names}


def slopes(loss, first, second, given, **settings):
    """The value, and the gradients of everything that could be learnt."""
    leaves = [first, second, *(given[k] for k in ("logit_scale", "logit_bias") if k in given)]
    for leaf in leaves:
        leaf.requires_grad_(True)
    value = loss(first, second, **given, **settings)
    return value.detach(), torch.autograd.grad(value, leaves)


@pytest.mark.parametrize("name", LOSSES)
def test_data_are_positional_and_every_setting_has_a_default(name):
    first, second, *rest = signature(LOSSES[name]).parameters.values()
    assert {first.kind, second.kind} == {Parameter.POSITIONAL_OR_KEYWORD}
    assert {p.kind for p in rest} == {Parameter.KEYWORD_ONLY}
    assert {p.name for p in rest if p.default is Parameter.empty} <= set(GIVEN)
    assert not {p.name for p in rest if p.default is not Parameter.empty} & set(GIVEN)


@pytest.mark.parametrize("name", LOSSES)
def test_is_a_finite_scalar_with_finite_gradients(name):
    first, second, given = draw(6)
    value, gradients = slopes(LOSSES[name], first, second, wanted(name, given))
    assert value.shape == ()
    assert value.isfinite()
    assert all(g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_right(name):
    first, second, given = draw(4, 3)
    given = wanted(name, given)
    learnt = [key for key in ("logit_scale", "logit_bias") if key in given]

    def loss(first, second, *values):
        return LOSSES[name](first, second, **{**given, **dict(zip(learnt, values, strict=True))})

    inputs = [t.requires_grad_() for t in (first, second, *(given[key] for key in learnt))]
    assert torch.autograd.gradcheck(loss, inputs)


@pytest.mark.parametrize("name", LOSSES)
def test_does_not_depend_on_the_order_of_pairs(name):
    first, second, given = draw(7)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    given = wanted(name, given)
    shuffled = {k: v[order] if v.ndim else v for k, v in given.items()}
    value = LOSSES[name](first, second, **given)
    assert torch.allclose(value, LOSSES[name](first[order], second[order], **shuffled))


@pytest.mark.parametrize("name", LOSSES)
def test_is_symmetric_in_its_two_sides(name):
    first, second, given = draw(7)
    given = wanted(name, given)
    turned = dict(given)
    if "image_findings_BF" in given:
        turned["image_findings_BF"] = given["text_findings_BF"]
        turned["text_findings_BF"] = given["image_findings_BF"]
    value = LOSSES[name](first, second, **given)
    assert torch.allclose(value, LOSSES[name](second, first, **turned))


@pytest.mark.parametrize("name", LOSSES)
def test_one_pair_is_defined_or_refused(name):
    first, second, given = draw(1)
    if name in NEED_TWO:
        with pytest.raises(VesaliusError, match="give two or more"):
            LOSSES[name](first, second, **wanted(name, given))
    else:
        value, gradients = slopes(LOSSES[name], first, second, wanted(name, given))
        assert value.isfinite()
        assert all(g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_equal_rows_and_zero_rows_give_finite_gradients(name, fill):
    same, other = (torch.full((4, 3), fill, dtype=torch.float64) for _ in range(2))
    value, gradients = slopes(LOSSES[name], same, other, wanted(name, draw(4)[2]))
    assert value.isfinite()
    assert all(g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_true_at_scale_100(name, dtype):
    first, second, given = draw(8, 16)
    given["logit_scale"] = torch.tensor(100.0)
    first, second = first.to(dtype), second.to(dtype)
    half = LOSSES[name](first, second, **wanted(name, given))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = LOSSES[name](first, second, **wanted(name, given))
    true = LOSSES[name](first.double(), second.double(), **wanted(name, given))
    assert half.dtype == torch.float32
    assert torch.equal(half, inside)
    assert float(half) == pytest.approx(float(true), rel=2e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_wrong_shapes_and_empty_batches_are_refused(name):
    first, second, given = draw(4)
    given = wanted(name, given)
    for left, right in ((first[:, :3], second), (first[0], second[0])):
        with pytest.raises(ValueError, match=f"{name}.*must be"):
            LOSSES[name](left, right, **given)
    with pytest.raises(VesaliusError, match="without rows"):
        LOSSES[name](first[:0], second[:0], **given)


@pytest.mark.parametrize("name", TILED)
@pytest.mark.parametrize("tile", [1, 3, 9, 100])
@pytest.mark.parametrize("scale", [7.0, 2000.0])  # exp(2000) overflows, even in float64
def test_tiles_change_neither_value_nor_gradients(name, tile, scale):
    first, second, given = draw(9)
    given["logit_scale"] = torch.tensor(scale, dtype=torch.float64)
    given = wanted(name, given)
    if "temperature" in signature(LOSSES[name]).parameters:
        given["temperature"] = 1 / scale
    whole, whole_gradients = slopes(LOSSES[name], first, second, given)
    tiled, tiled_gradients = slopes(LOSSES[name], first, second, given, tile=tile)
    assert torch.allclose(whole, tiled, rtol=1e-12, atol=1e-12)
    for ours, expected in zip(tiled_gradients, whole_gradients, strict=True):
        assert torch.allclose(ours, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", TILED)
@pytest.mark.parametrize("scale", [14.3, 55.0, 100.0])
def test_tiles_stay_true_in_float32(name, scale):
    first, second, given = draw(16, 8)
    given["logit_scale"] = torch.tensor(scale, dtype=torch.float64)
    given = wanted(name, given)
    if "temperature" in signature(LOSSES[name]).parameters:
        given["temperature"] = 1 / scale
    true, true_gradients = slopes(LOSSES[name], first, second, given)
    narrow = [t.detach().float() for t in (first, second)]
    given = {k: v.detach().float() if k.startswith("logit") else v for k, v in given.items()}
    tiled, gradients = slopes(LOSSES[name], *narrow, given, tile=5)
    assert float(tiled) == pytest.approx(float(true), rel=1e-5, abs=1e-5)
    for ours, expected in zip(gradients, true_gradients, strict=True):
        assert torch.allclose(ours.double(), expected, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize("name", TILED)
@pytest.mark.parametrize("tile", [0, -4, 2.5, True])
def test_a_tile_that_is_no_number_of_rows_is_refused(name, tile):
    first, second, given = draw(3)
    with pytest.raises(VesaliusError, match="whole number of rows"):
        LOSSES[name](first, second, tile=tile, **wanted(name, given))


def test_an_unknown_objective_is_answered_with_the_nearest():
    with pytest.raises(ChoiceError, match="did you mean 'infonce'"):
        objective("infonse")
    with pytest.raises(ChoiceError, match="did you mean 'nt_xent'"):
        self_supervised_loss("ntxent")
