"""Layers: found in every family, read in one form, checked by the builders' own reading."""

import pytest
import torch
from torch import nn

from vesalius.core import ChoiceError, ModelError
from vesalius.encoders import load
from vesalius.encoders.layers import blocks, layer_outputs, layers_of, watch
from vesalius.encoders.positions import as_tokens_BLD

# family: pixels a side, first and last layer, order, prefix, grid of the first and the last
FAMILIES = {
    "timm ViT": (160, "blocks.0", "blocks.5", "BLD", 1, 10, 10),
    "timm ViT with registers": (160, "blocks.0", "blocks.5", "BLD", 5, 10, 10),
    "timm ResNet": (64, "layer1.0", "layer4.1", "BDhw", 0, 16, 2),
    "timm ConvNeXt": (64, "stages.0.blocks.0", "stages.3.blocks.1", "BDhw", 0, 16, 2),
    "timm Swin": (224, "layers.0.blocks.0", "layers.1.blocks.1", "BhwD", 0, 56, 28),
    "open_clip ViT": (16, "transformer.resblocks.0", "transformer.resblocks.2", "BLD", 1, 2, 2),
    "open_clip ResNet": (32, "layer1.0", "layer4.0", "BDhw", 0, 8, 1),
    "transformers CLIP": (16, "encoder.layers.0", "encoder.layers.2", "BLD", 1, 2, 2),
    "transformers SigLIP": (16, "encoder.layers.0", "encoder.layers.2", "BLD", 0, 2, 2),
    "transformers DINOv2": (16, "encoder.layer.0", "encoder.layer.2", "BLD", 1, 2, 2),
    "transformers Swin": (32, "encoder.layers.0.blocks.0", "encoder.layers.1.blocks.1", "BLD", 0,
                          8, 4),
}  # fmt: skip


def images(side, number=2):
    return torch.randn(number, 3, side, side, generator=torch.Generator().manual_seed(1))


def hooks(tower):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in tower.modules())


def outputs(tower, pixels, names=None):
    with torch.no_grad():
        return layer_outputs(tower, layers_of(tower, names), pixels)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_layers_of_every_family_are_named_and_lie_where_they_should(name, small_tower):
    side, first, last, order, prefix, first_grid, last_grid = FAMILIES[name]
    tower = small_tower(name)
    found = outputs(tower, images(side))
    assert [next(iter(found)), list(found)[-1]] == [first, last]
    for path, grid in ((first, first_grid), (last, last_grid)):
        at = found[path].positions
        assert (at.order, at.prefix, at.grid) == (order, prefix, (grid, grid))
        assert found[path].patches_BPD.shape[:2] == (2, grid * grid)
        assert found[path].tokens_BLD.shape[:2] == (2, grid * grid + prefix)
        assert found[path].map_BDhw.shape[2:] == (grid, grid)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("number", [1, 5])
def test_an_image_does_not_depend_on_its_batch(name, number, small_tower):
    """5 images meet a ViT's 5 positions: what is the batch is told by structure."""
    tower, pixels = small_tower(name), images(FAMILIES[name][0], 7)
    together, alone = outputs(tower, pixels), outputs(tower, pixels[:number])
    for path, seen in together.items():
        assert seen.positions == alone[path].positions
        torch.testing.assert_close(seen.tokens_BLD[:number], alone[path].tokens_BLD)


@pytest.mark.parametrize("name", ["timm ViT", "timm ViT with registers"])
def test_timm_reads_the_same_map_from_each_block(name, small_tower):
    tower, pixels = small_tower(name), images(160)
    with torch.no_grad():
        peer = tower.forward_intermediates(pixels, intermediates_only=True)
    for seen, map_BDhw in zip(outputs(tower, pixels).values(), peer, strict=True):
        torch.testing.assert_close(seen.map_BDhw, map_BDhw)


@pytest.mark.parametrize(
    ("name", "lasts"),
    [
        ("timm ResNet", ["layer1.1", "layer2.1", "layer3.1", "layer4.1"]),
        ("timm ConvNeXt", [f"stages.{i}.blocks.{n}" for i, n in enumerate((0, 1, 3, 1))]),
        ("timm Swin", ["layers.0.blocks.0", "layers.1.blocks.1"]),
    ],
)
def test_timm_reads_the_same_map_from_each_stage(name, lasts, small_tower):
    tower, pixels = small_tower(name), images(FAMILIES[name][0])
    with torch.no_grad():
        peer = tower.forward_intermediates(pixels, intermediates_only=True)
    for seen, map_BDhw in zip(outputs(tower, pixels, lasts).values(), peer[-4:], strict=True):
        torch.testing.assert_close(seen.map_BDhw, map_BDhw)


def test_open_clip_reads_the_same_map_from_each_block(small_tower):
    tower, pixels = small_tower("open_clip ViT"), images(16)
    with torch.no_grad():
        peer = tower.forward_intermediates(pixels, intermediates_only=True)["image_intermediates"]
    for seen, map_BDhw in zip(outputs(tower, pixels).values(), peer, strict=True):
        torch.testing.assert_close(seen.map_BDhw, map_BDhw)


@pytest.mark.parametrize("kind", ["CLIP", "SigLIP", "DINOv2"])
def test_transformers_gives_the_same_hidden_states(kind, small_tower):
    tower, pixels = small_tower(f"transformers {kind}"), images(16)
    with torch.no_grad():
        peer = tower(pixel_values=pixels, output_hidden_states=True).hidden_states[1:]
    for seen, hidden_BLD in zip(outputs(tower, pixels).values(), peer, strict=True):
        torch.testing.assert_close(seen.tokens_BLD, hidden_BLD)


def test_a_dense_net_is_read_by_its_dense_blocks():
    from vesalius.encoders.torchxrayvision import DenseNetImages

    tower = DenseNetImages().eval()
    found = outputs(tower, images(64))
    assert list(found) == [f"features.denseblock{i}" for i in range(1, 5)]
    assert [seen.values.shape[1] for seen in found.values()] == [256, 512, 1024, 1024]
    assert [seen.positions.grid[0] for seen in found.values()] == [16, 8, 4, 2]


def test_medclips_swin_gives_maps_with_channels_last():
    from vesalius.encoders.swin import SwinTrunk

    tower = SwinTrunk().eval()
    found = outputs(tower, images(224, 1), ["features.1.0", "features.7.1"])
    assert [seen.map_BDhw.shape[1:] for seen in found.values()] == [(96, 56, 56), (768, 7, 7)]
    with torch.no_grad():
        last_BhwD = tower.norm(found["features.7.1"].map_BDhw.permute(0, 2, 3, 1))
        assert torch.allclose(last_BhwD.permute(0, 3, 1, 2), tower(images(224, 1)), atol=1e-5)


def test_own_models_have_layers_too_and_a_model_stands_for_its_image_tower():
    tiny = load("tiny", texts=["no effusion", "the heart"], image_size=32)
    assert list(layers_of(tiny)) == [f"trunk.{i}" for i in range(6)]
    assert layers_of(tiny)["trunk.3"] is tiny.image.trunk[3]
    resnet = load("resnet18-28")
    seen = outputs(resnet.image, images(28))["model.layer4.1"]
    with torch.no_grad():
        assert torch.allclose(seen.patches_BPD.mean(1), resnet.image(images(28)), atol=1e-5)


class Toy(nn.Module):
    """Two layers that multiply by 2 and 3; the values of each are known."""

    def __init__(self, first=2.0, second=3.0):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(3, 3, 1)) for _ in range(2))
        for block, factor in zip(self.blocks, (first, second), strict=True):
            nn.init.zeros_(block[0].bias)
            block[0].weight.data = factor * torch.eye(3)[:, :, None, None]

    def forward(self, pixels_BCHW):
        return self.blocks[1](self.blocks[0](pixels_BCHW)).mean((2, 3))


def test_a_toy_nets_activations_are_exact_and_carry_gradients():
    tower, pixels = Toy(), images(4)
    found = {}
    result = watch(tower, layers_of(tower), pixels, found.__setitem__)
    torch.testing.assert_close(found["blocks.0"].map_BDhw, 2 * pixels)
    torch.testing.assert_close(found["blocks.1"].map_BDhw, 6 * pixels)
    (slope,) = torch.autograd.grad(result.sum(), found["blocks.0"].values)
    torch.testing.assert_close(slope, torch.full_like(slope, 3 / 16))


class TokensFirst(nn.Module):
    """Attention on tokens before images, as CLIP's first code had it."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(8, 2, 8) for _ in range(2))

    def forward(self, pixels_BCHW):
        x_LBD = self.patches(pixels_BCHW).flatten(2).permute(2, 0, 1)
        for layer in self.layers:
            x_LBD = layer(x_LBD)
        return x_LBD.mean(0)


@pytest.mark.parametrize("number", [1, 3, 4])
def test_tokens_before_images_are_turned(number):
    tower = TokensFirst().eval()
    seen = outputs(tower, images(8, number))["layers.1"]
    assert (seen.positions.order, seen.positions.prefix, seen.positions.grid) == ("LBD", 0, (2, 2))
    with torch.no_grad():
        torch.testing.assert_close(seen.patches_BPD.mean(1), tower(images(8, number)))


def test_every_order_becomes_the_same_tokens():
    tokens_BLD = torch.randn(2, 6, 5)
    map_BhwD = tokens_BLD.reshape(2, 3, 2, 5)
    given = {"BLD": tokens_BLD, "LBD": tokens_BLD.transpose(0, 1), "BhwD": map_BhwD,
             "BDhw": map_BhwD.permute(0, 3, 1, 2)}  # fmt: skip
    for order, values in given.items():
        assert torch.equal(as_tokens_BLD(values, order=order), tokens_BLD)
    assert as_tokens_BLD(tokens_BLD[:, 0], order="BD").shape == (2, 1, 5)


class Fails(nn.Module):
    def forward(self, x):
        raise RuntimeError("out of luck")


def test_hooks_are_gone_and_the_tower_is_as_it_was_also_after_an_error(small_tower):
    def state():
        parts = [module.training for module in tower.modules()]
        return parts, [parameter.requires_grad for parameter in tower.parameters()], hooks(tower)

    tower = small_tower("timm ViT").train()
    tower.norm = Fails()
    tower.blocks[1].eval()
    tower.blocks[0].attn.qkv.weight.requires_grad_(False)
    before = state()
    with pytest.raises(RuntimeError, match="out of luck"):
        outputs(tower, images(160))
    assert state() == before
    with pytest.raises(ZeroDivisionError):
        watch(tower, layers_of(tower), images(160), lambda name, seen: 1 / 0)
    assert state() == before
    tower.norm = nn.Identity()
    outputs(tower, images(160))
    assert hooks(tower) == 0


def test_an_unknown_layer_is_answered_with_the_nearest(small_tower):
    with pytest.raises(ChoiceError, match=r"unknown layer 'block\.3'; did you mean 'blocks\.3'"):
        layers_of(small_tower("timm ViT"), ["block.3"])
    assert list(layers_of(small_tower("timm ViT"), ["blocks.4", "blocks.1"])) == [
        "blocks.4",
        "blocks.1",
    ]


def test_a_tower_without_layers_lists_its_parts():
    plain = nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
    assert blocks(plain) == []
    with pytest.raises(ModelError, match=r"consists of 0 \(Flatten\), 1 \(Linear\)"):
        layers_of(plain)


def test_a_layer_that_never_runs_or_gives_no_tokens_is_an_error():
    tower = Toy()
    spare = {**layers_of(tower), "spare": nn.Linear(2, 2)}
    with pytest.raises(ModelError, match="without the layers spare"):
        layer_outputs(tower, spare, images(4))
    tower.blocks[0].append(nn.Flatten(0, 1))
    tower.blocks[0].append(nn.Unflatten(0, (1, 6)))
    with pytest.raises(ModelError, match=r"blocks\.0 gives values of shape .* for 2 images"):
        layer_outputs(tower, layers_of(tower), images(4))
    assert hooks(tower) == 0
