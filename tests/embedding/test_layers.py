"""Encode layers: one row a case and layer, the mean of its patches, in any batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from vesalius.core import ArrayImages, CaseSet, ChoiceError, DataError, ImageError, ModelError
from vesalius.embedding import encode, encode_layers
from vesalius.encoders import load
from vesalius.encoders.image_only import image_encoder
from vesalius.encoders.layers import layers_of
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.encoders.timm_images import TimmTower

torch.set_num_threads(1)


def cohort(n=12, side=28, seed=0):
    values = np.random.default_rng(seed).integers(0, 255, (n, side, side), dtype=np.uint8)
    ids = np.array([f"c{i}" for i in range(n)])
    return CaseSet(ids, ArrayImages(values, [f"{i}.png" for i in range(n)]), np.zeros((n, 0)))


class Spoilt(ArrayImages):
    def __getitem__(self, index):
        if index == 3:
            raise ImageError("3.png is broken")
        return super().__getitem__(index)


def quiet(model, cases, **settings):
    return encode_layers(model, cases, **{"workers": 0, "progress": False, **settings})


def of(tower, size, width):
    return image_encoder(
        tower,
        name="small",
        family="timm",
        width=width,
        preprocess=Preprocessing.usual(size),
        config={},
        start="random",
    )


@pytest.fixture(scope="module")
def resnet():
    return load("resnet18-28")


def test_a_resnets_last_layer_is_what_encode_gives(resnet):
    cases = cohort()
    found = quiet(resnet, cases, batch_size=5)
    assert list(found) == [f"model.layer{i}.{n}" for i in range(1, 5) for n in range(2)]
    assert [rows.width for rows in found.values()] == [64, 64, 128, 128, 256, 256, 512, 512]
    whole = encode(resnet, cases, workers=0, progress=False)
    last = found["model.layer4.1"]
    assert last.case_ids.tolist() == cases.case_ids.tolist()
    np.testing.assert_allclose(last.values_ND, whole.values_ND, atol=1e-5)
    assert last.provenance == whole.provenance | {
        "layer": "model.layer4.1",
        "pooled": "mean of patches",
    }


def test_a_vits_rows_are_the_mean_of_its_patches_without_class_and_registers(small_tower):
    tower = small_tower("timm ViT with registers")
    cases = cohort(4, side=160)
    model = of(TimmTower(tower, name="small"), 160, 64)
    found = quiet(model, cases, layers=["model.blocks.5", "model.blocks.2"])
    assert list(found) == ["model.blocks.5", "model.blocks.2"]
    pixels_BCHW = torch.stack([model.preprocess(image) for image in cases.images])
    with torch.no_grad():
        peer = tower.forward_intermediates(pixels_BCHW, indices=[2, 5], intermediates_only=True)
    for rows, map_BDhw in zip(reversed(found.values()), peer, strict=True):
        np.testing.assert_allclose(rows.values_ND, map_BDhw.mean((2, 3)), atol=1e-5)


@pytest.mark.parametrize("workers", [0, 2])
def test_rows_do_not_depend_on_the_batch_or_the_workers(resnet, workers):
    cases = cohort(7)
    one = quiet(resnet, cases, batch_size=1)
    many = quiet(resnet, cases, batch_size=4, workers=workers)
    for name, rows in one.items():
        np.testing.assert_allclose(rows.values_ND, many[name].values_ND, atol=1e-5)


def test_unreadable_images_have_no_row_in_any_layer(resnet):
    cases = cohort(30)
    spoilt = replace(cases, images=Spoilt(cases.images.values, [f"{i}.png" for i in range(30)]))
    found = quiet(resnet, spoilt, layers=["model.layer1.0", "model.layer2.0"])
    for rows in found.values():
        assert rows.case_ids.tolist() == [f"c{i}" for i in range(30) if i != 3]
    with pytest.raises(DataError, match="1 of 30 images cannot be read"):
        quiet(resnet, spoilt, max_bad=0.0)


def test_the_same_pixels_under_two_names_have_the_same_row(resnet):
    cases = cohort(8)
    cases.images.values[4:] = cases.images.values[:4]
    for rows in quiet(resnet, cases, batch_size=3).values():
        assert np.array_equal(rows.values_ND[4:], rows.values_ND[:4])


def test_no_cases_keep_the_widths_and_no_layers_give_nothing(resnet):
    found = quiet(resnet, cohort(2).select([]))
    assert [rows.values_ND.shape for rows in found.values()][::3] == [(0, 64), (0, 128), (0, 512)]
    assert quiet(resnet, cohort(2), layers=[]) == {}


def test_the_model_comes_back_as_it_was_also_after_an_error():
    model = load("tiny", texts=["no effusion", "the heart"], image_size=28).train()
    model.image.trunk[1].eval()
    modes = [part.training for part in model.modules()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    quiet(model, cohort(4))
    model.image.trunk[5].norm.weight.data[0] = torch.nan
    with pytest.raises(ModelError, match=r"not finite in fp32, first those of c0"):
        quiet(model, cohort(4))
    model.image.trunk[5].norm.weight.data[0] = 0
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_an_unknown_layer_is_named_before_any_image_is_read(resnet):
    with pytest.raises(ChoiceError, match=r"unknown layer 'model\.layer9\.0'"):
        quiet(resnet, None, layers=["model.layer9.0"])
    with pytest.raises(ModelError, match="no layers can be told apart"):
        quiet(of(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), 2, 2), cohort(2))
    assert len(layers_of(resnet)) == 8
