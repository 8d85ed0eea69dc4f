"""Attention read from every transformer unchanged; rollout and relevance as slow loops."""

import numpy as np
import pytest
import torch
from torch import nn

from vesalius.core import ModelError
from vesalius.encoders.timm_images import TimmTower
from vesalius.explanation import attention_rollout, relevance
from vesalius.explanation.probabilities import Probabilities

from .nets import of

torch.set_num_threads(1)
SCORE = {"it": lambda image_BD: image_BD[:, 3], "other": lambda image_BD: image_BD[:, 5]}


class Pooled(nn.Module):
    """A tower of transformers as a plain module."""

    def __init__(self, vision):
        super().__init__()
        self.vision = vision

    def forward(self, pixels_BCHW):
        return self.vision(pixel_values=pixels_BCHW).pooler_output


def model(small_tower, family, size=16):
    tower = small_tower(family)
    return of(Pooled(tower) if family.startswith("tr") else tower, size, 8).eval()


def pixels(size, number=2):
    return torch.randn(number, 3, size, size, generator=torch.Generator().manual_seed(2))


FAMILIES = {
    "timm ViT": (160, 6, 0),
    "timm ViT with registers": (160, 6, 0),
    "open_clip ViT": (16, 3, 0),
    "transformers CLIP": (16, 3, 0),
    "transformers SigLIP": (16, 3, 1),
    "transformers DINOv2": (16, 3, 0),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_reading_attention_changes_no_result_and_each_row_sums_to_one(family, small_tower):
    size, blocks, pools = FAMILIES[family]
    tower = model(small_tower, family, size).image
    with torch.no_grad():
        alone = tower(pixels(size))
        with Probabilities() as seen:
            watched = tower(pixels(size))
        after = tower(pixels(size))
    torch.testing.assert_close(watched, alone, atol=1e-5, rtol=1e-5)
    assert len(seen.found) == blocks + pools
    for found_BhLM in seen.found:
        torch.testing.assert_close(found_BhLM.sum(-1), torch.ones(found_BhLM.shape[:-1]))
    assert torch.equal(after, alone), "nothing stays behind"


def test_the_probabilities_are_those_that_transformers_gives_itself(small_tower):
    tower = model(small_tower, "transformers CLIP").image
    with Probabilities() as seen:
        tower(pixels(16))
    tower.vision.set_attn_implementation("eager")
    own = tower.vision(pixel_values=pixels(16), output_attentions=True).attentions
    for found, expected in zip(seen.found, own, strict=True):
        torch.testing.assert_close(found, expected)


def films(size):
    rng = np.random.default_rng(1)
    return [rng.integers(0, 255, (size, size, 3), dtype=np.uint8) for _ in range(2)]


def slow(small, film, score):
    """Rollout and relevance of timm's ViT, by loops over blocks, heads and tokens."""
    attentions = []
    vit = small.image.model
    x = vit.norm_pre(vit._pos_embed(vit.patch_embed(small.preprocess(film)[None].double())))
    for block in vit.blocks:
        own, normed = block.attn, block.norm1(x)
        q, k, v = own.qkv(normed).view(1, x.shape[1], 3, own.num_heads, -1).permute(2, 0, 3, 1, 4)
        weights = (own.q_norm(q) @ own.k_norm(k).mT * q.shape[-1] ** -0.5).softmax(-1)
        attentions.append(weights)
        mixed = own.proj(own.norm((weights @ v).transpose(1, 2).flatten(2)))
        x = x + block.ls1(mixed)
        x = x + block.ls2(block.mlp(block.norm2(x)))
    total = score(vit.forward_head(vit.norm(x))).sum()
    slopes = torch.autograd.grad(total, attentions)
    length = x.shape[1]
    rollout = effect = torch.eye(length).double()
    for weights, slope in zip(attentions, slopes, strict=True):
        heads = range(weights.shape[1])
        mean = sum(weights[0, h] for h in heads).detach() / len(heads)
        rollout = (0.5 * mean + 0.5 * torch.eye(length)) @ rollout
        positive = sum((weights[0, h] * slope[0, h]).clamp(min=0) for h in heads).detach()
        effect = effect + positive / len(heads) @ effect
    return rollout[0], effect[0]


def test_causal_attention_is_left_as_it_is_and_a_mask_is_kept_to():
    q_BhLD = torch.randn(1, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    attend, mask = nn.functional.scaled_dot_product_attention, torch.eye(3, dtype=torch.bool)
    for settings, read in [({"is_causal": True}, 0), ({"attn_mask": mask}, 1), ({"scale": 2.0}, 1)]:
        with Probabilities() as seen:
            watched = attend(q_BhLD, q_BhLD, q_BhLD, **settings)
        torch.testing.assert_close(watched, attend(q_BhLD, q_BhLD, q_BhLD, **settings))
        assert len(seen.found) == read


def test_gradients_reach_the_attention_of_torchs_own_module():
    """A score of one attention: its slope is value by value what the query's weight moves."""
    own = nn.MultiheadAttention(4, 1, batch_first=True).eval()
    given = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with Probabilities() as seen:
        score = own(given, given, given, need_weights=False)[0][0, 0, 0]
    (slope,) = torch.autograd.grad(score, seen.found[0]._base)
    values_LD = given[0] @ own.in_proj_weight[8:].T + own.in_proj_bias[8:]
    expected = values_LD @ own.out_proj.weight[0]
    torch.testing.assert_close(slope[0, 0], expected)
    assert not slope[0, 1:].any()


def test_rollout_and_relevance_are_those_of_a_slow_loop(small_tower):
    small = of(TimmTower(small_tower("timm ViT with registers").double(), name="s"), 160, 64)
    small.preprocess = Doubled(small.preprocess)
    rolled = attention_rollout(small, films(160), SCORE)
    effects = relevance(small, films(160), SCORE)
    for film, flows, counts in zip(films(160), rolled, effects, strict=True):
        for flow, count, score in zip(flows, counts, SCORE.values(), strict=True):
            expected = [row[5:].view(10, 10).numpy() for row in slow(small, film, score)]
            for heat, wanted in zip((flow, count), expected, strict=True):
                assert wanted.any()
                # a place's centre lies between the pixels 7 and 8 of its 16
                at = heat.values_HW.reshape(10, 16, 10, 16)[1:-1, 7:9, 1:-1, 7:9].mean((1, 3))
                near = np.eye(10) * (1 - 1 / 32) + (np.eye(10, k=1) + np.eye(10, k=-1)) / 64
                smooth = (near @ wanted @ near)[1:-1, 1:-1]
                np.testing.assert_allclose(at, smooth, rtol=1e-5, atol=1e-9)


class Doubled:
    """Preprocessing in float64."""

    def __init__(self, own):
        self.own, self.size, self.operations = own, own.size, own.operations

    def __call__(self, image):
        return self.own(image).double()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("explain", [attention_rollout, relevance])
def test_every_vit_of_the_zoo_has_a_map_also_where_attention_pools(family, explain, small_tower):
    size = FAMILIES[family][0]
    for maps in explain(model(small_tower, family, size), films(size), SCORE):
        assert all(heat.values_HW.any() and (heat.values_HW >= 0).all() for heat in maps)


def test_a_vit_that_pools_by_the_mean_asks_all_patches(small_tower):
    small = model(small_tower, "timm ViT", 160)
    first = relevance(small, films(160), SCORE)[0][0]
    small.image.global_pool = "avg"
    second = relevance(small, films(160), SCORE)[0][0]
    assert second.values_HW.any()
    assert np.abs(first.values_HW - second.values_HW).max() > 0


@pytest.mark.parametrize("explain", [attention_rollout, relevance])
def test_towers_without_attention_among_all_tokens_say_so(explain, small_tower):
    with pytest.raises(ModelError, match="its layers give maps"):
        explain(model(small_tower, "timm ResNet", 64), films(64), SCORE)
    with pytest.raises(ModelError, match="no attention"):
        explain(model(small_tower, "timm Swin", 224), films(224), SCORE)
    with pytest.raises(ModelError, match="no attention among all of its"):
        explain(model(small_tower, "transformers Swin", 32), films(32), SCORE)
