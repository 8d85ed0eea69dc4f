"""M2IB: as a slow loop with the authors' steps; every family; the same by the same seed."""

import numpy as np
import pytest
import torch

from vesalius.core import ChoiceError
from vesalius.encoders.layers import layer_outputs, layers_of
from vesalius.encoders.timm_images import TimmTower
from vesalius.explanation import bottleneck
from vesalius.explanation.bottleneck import _block, _capacities, capacity

from .nets import Bright, of

torch.set_num_threads(1)


def it(image_BD):
    return image_BD[:, 3] / image_BD.norm(dim=1)


def test_the_capacity_is_the_divergence_that_torch_knows():
    mean, deviation = torch.randn(5).double(), torch.rand(5).double() + 0.1
    from torch.distributions import Normal, kl_divergence

    expected = kl_divergence(Normal(mean, deviation), Normal(torch.zeros(5), torch.ones(5)))
    torch.testing.assert_close(capacity(mean, deviation), expected.double())


def test_maps_are_those_of_the_authors_loop_one_image_and_target_at_a_time(small_tower):
    vit = small_tower("timm ViT").double()
    model = of(TimmTower(vit, name="small"), 160, 64).eval()
    given = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(1)).double()
    name = "model.blocks.4"
    assert _block(model, given[:1]) == name, "block 7 clipped to what the row depends on"
    output = layer_outputs(model.image, layers_of(model, [name]), given)[name]
    scores = [it, lambda image_BD: image_BD[:, 7]]
    found = _capacities(
        model, given[:1], lambda image_BD: [score(image_BD) for score in scores],
        output, layer=name, beta=0.1, seed=4,
    )  # fmt: skip
    for i, values_LD in enumerate(output.values.detach()):
        for k, score in enumerate(scores):
            alpha = torch.full(values_LD.shape, 5.0).double().requires_grad_()
            adam = torch.optim.Adam([alpha], lr=1)
            drawn = torch.Generator().manual_seed(4)
            for _ in range(10):
                adam.zero_grad()
                passing = alpha.sigmoid()
                kl = -0.5 * (1 + ((1 - passing) ** 2).log() - (values_LD * passing) ** 2)
                kl = kl + 0.5 * (1 - passing) ** 2
                total = 0
                noise = torch.randn(10, *values_LD.shape, generator=drawn).double()
                for copy in noise:
                    token = (values_LD * passing + (1 - passing) * copy)[None]
                    row = vit.forward_head(vit.norm(vit.blocks[5](token)))
                    total = total + score(row)[0] / 10
                (0.1 * kl.mean() - total).backward()
                adam.step()
            expected = kl.detach().sum(1)[1:].view(10, 10)
            torch.testing.assert_close(found[i, k], expected, rtol=1e-8, atol=1e-10)


def films(size):
    rng = np.random.default_rng(1)
    return [rng.integers(0, 255, (size, size, 3), dtype=np.uint8)]


@pytest.mark.parametrize(
    ("family", "size"),
    [("timm ResNet", 64), ("timm Swin", 224), ("open_clip ViT", 16), ("timm ConvNeXt", 64)],
)
def test_every_form_of_a_layers_output_can_be_replaced(family, size, small_tower):
    model = of(small_tower(family), size, 8)
    ((heat,),) = bottleneck(model, films(size), {"it": it})
    assert heat.values_HW.any()
    assert (heat.values_HW >= 0).all()


def test_the_seed_decides(small_tower):
    model = of(small_tower("open_clip ViT"), 16, 8)
    ((one,),), ((same,),) = (bottleneck(model, films(16), {"it": it}, seed=1) for _ in range(2))
    ((other,),) = bottleneck(model, films(16), {"it": it}, seed=2)
    assert np.array_equal(one.values_HW, same.values_HW)
    assert not np.array_equal(one.values_HW, other.values_HW)


def test_an_unknown_layer_is_named_with_the_choices():
    with pytest.raises(ChoiceError, match=r"unknown layer 'layers.7'.*choose one of layers.0"):
        bottleneck(of(Bright(), 8, 1), films(8), {"it": it}, layer="layers.7")
