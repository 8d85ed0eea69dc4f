"""The U-Net: shapes, seeds, and names that are not there."""

import pytest
import torch

from vesalius.core import ChoiceError, ModelError
from vesalius.segmentation import unet


def test_logits_lie_on_the_pixels_of_the_image():
    model = unet("resnet18", channels=3, depth=3).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 3, 32, 40)).shape == (2, 1, 32, 40)


def test_the_seed_alone_decides_the_weights_and_the_global_state_stays():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (unet(depth=3, seed=seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    name = "segmentation_head.0.weight"
    assert not torch.equal(first[name], other[name])


def test_an_unknown_encoder_is_answered_with_the_nearest():
    with pytest.raises(ChoiceError, match="did you mean 'resnet18'"):
        unet("resnet81")
    with pytest.raises(ModelError, match="tu-nothing"):
        unet("tu-nothing")


@pytest.mark.parametrize("settings", [{"channels": 2}, {"depth": 2}, {"depth": 6}])
def test_what_cannot_be_built_is_refused(settings):
    with pytest.raises(ModelError, match=next(iter(settings))):
        unet(**settings)
