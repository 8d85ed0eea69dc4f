"""Swin-T with transformers' weights is transformers' Swin-T."""

import pytest
import torch

from vesalius.core import ModelError
from vesalius.encoders.checkpoint import fill
from vesalius.encoders.swin import SwinTrunk, names_in_transformers, unused


@pytest.fixture(scope="module")
def peer(noisy):
    from transformers import SwinConfig, SwinModel

    return noisy(SwinModel(SwinConfig()))


@torch.no_grad()
def test_its_map_is_transformers_last_hidden_state(peer, swin_under, tmp_path):
    trunk, names = SwinTrunk().eval(), names_in_transformers("swin.")
    fill(trunk, swin_under("swin.", peer), tmp_path, names=names, ignore=unused("swin."))
    pixels_BCHW = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    theirs_BLC = peer(pixel_values=pixels_BCHW).last_hidden_state
    ours_BLC = trunk(pixels_BCHW).flatten(2).transpose(1, 2)
    torch.testing.assert_close(ours_BLC, theirs_BLC, rtol=1e-4, atol=1e-4)


def test_the_tables_of_older_files_are_named_one_by_one(peer, swin_under, tmp_path):
    tensors = swin_under("", peer)
    assert {name for name in tensors if name.endswith("relative_position_index")} == unused("")
    with pytest.raises(ModelError, match=r"12 not of this model.*relative_position_index"):
        fill(SwinTrunk(), tensors, tmp_path, names=names_in_transformers(""))
