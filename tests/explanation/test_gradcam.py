"""Grad-CAM: exact where a hand can check, else as a slow loop and the grad-cam package."""

import numpy as np
import pytest
import torch
from torch import nn

from vesalius.core import ChoiceError, ModelError
from vesalius.encoders import load
from vesalius.encoders.layers import layers_of, watch
from vesalius.encoders.positions import LayerOutput
from vesalius.encoders.timm_images import TimmTower
from vesalius.explanation import gradcam, gradcam_maps
from vesalius.explanation.sensitivity import last_with_gradient

from .nets import Bright, Hand, of, same, state

torch.set_num_threads(1)
TEXTS = ["no effusion", "the heart is large", "a nodule"]


@pytest.fixture(scope="module")
def tiny():
    model = load("tiny", texts=TEXTS, image_size=64).double()
    with torch.no_grad():
        model.image.trunk[5].norm.weight.fill_(0.5)
    return model


@pytest.fixture
def vit(small_tower):
    return of(TimmTower(small_tower("timm ViT with registers").double(), name="small"), 160, 64)


def pixels(side, number=3):
    generator = torch.Generator().manual_seed(2)
    return torch.randn(number, 3, side, side, generator=generator, dtype=torch.float64)


def channels(*chosen):
    return {f"channel {c}": lambda image_BD, c=c: image_BD[:, c] for c in chosen}


def test_a_hand_made_net_has_the_map_that_a_hand_computes():
    model, given = of(Hand(), 4, 1), torch.rand(2, 3, 4, 4)
    maps_BKhw = gradcam_maps(model, given, {"it": lambda image_BD: image_BD[:, 0]})
    expected = (2 * given[:, 0] - 3 * given[:, 1]).relu() / 16
    torch.testing.assert_close(maps_BKhw[:, 0], expected)


def test_a_score_of_nothing_gives_a_map_of_zeros_and_twice_the_score_twice_the_map():
    model, given = of(Hand(), 4, 1), torch.rand(2, 3, 4, 4)
    scores = {
        "nothing": lambda image_BD: image_BD[:, 0] * 0,
        "fixed": lambda image_BD: torch.ones(len(image_BD), requires_grad=True),
        "it": lambda image_BD: image_BD[:, 0],
        "twice": lambda image_BD: 2 * image_BD[:, 0],
    }
    nothing, fixed, it, twice = gradcam_maps(model, given, scores).unbind(1)
    assert not nothing.any()
    assert not fixed.any()
    torch.testing.assert_close(twice, 2 * it)
    assert it.max() < 0.5, "a map is not scaled to 1"


def slow(model, module, image_CSS, score, as_map):
    """Grad-CAM of one image for one score, by loops over channels and places."""
    kept = {}
    handle = module.register_forward_hook(lambda m, given, output: kept.update(out=output))
    row = model.image(image_CSS[None])[0]
    handle.remove()
    (slope,) = torch.autograd.grad(score(row), kept["out"])
    values_Dhw, slopes_Dhw = as_map(kept["out"].detach())[0], as_map(slope)[0]
    width, height, across = values_Dhw.shape
    found_hw = np.zeros((height, across))
    for d in range(width):
        weight = sum(float(x) for x in slopes_Dhw[d].flatten()) / (height * across)
        for y in range(height):
            for x in range(across):
                found_hw[y, x] += weight * float(values_Dhw[d, y, x])
    return np.maximum(found_hw, 0)


def cosine(text_D):
    return lambda row_D: row_D @ text_D / (row_D.norm() * text_D.norm())


def test_maps_are_those_of_a_slow_loop_over_texts_and_images(tiny):
    given = pixels(64)
    found_BKhw = gradcam_maps(tiny.train(), given, TEXTS)
    assert tiny.training
    tiny.eval()
    assert found_BKhw.any((2, 3)).all()
    with torch.no_grad():
        text_KD = tiny.encode_text(TEXTS)
    for image_CSS, map_Khw in zip(given, found_BKhw, strict=True):
        for text_D, map_hw in zip(text_KD, map_Khw, strict=True):
            expected = slow(tiny, tiny.image.trunk[5], image_CSS, cosine(text_D), lambda x: x)
            np.testing.assert_allclose(map_hw, expected, rtol=1e-10, atol=1e-14)


def patches(values_BLD, prefix=5):
    return values_BLD[:, prefix:].transpose(1, 2).unflatten(2, (10, 10))


def test_a_vits_maps_are_those_of_a_slow_loop_at_the_input_of_its_last_block(vit):
    given = pixels(160, 1)
    found_BKhw = gradcam_maps(vit, given, channels(3, 8))
    below = vit.image.model.blocks[4]
    for place, channel in enumerate((3, 8)):
        expected = slow(vit, below, given[0], lambda row_D, c=channel: row_D[c], patches)
        assert expected.any()
        np.testing.assert_allclose(found_BKhw[0, place], expected, rtol=1e-10, atol=1e-14)
    assert not gradcam_maps(vit, given, channels(3), layer="model.blocks.5").any(), (
        "the patches of the last block get no gradient"
    )


def test_auto_takes_the_last_layer_on_whose_patches_the_row_depends(small_tower, tiny, vit):
    def last(name, size):
        model = of(TimmTower(small_tower(name), name="small"), size, 8)
        return last_with_gradient(model, pixels(size, 1).float())

    assert last("timm ResNet", 64) == "model.layer4.1"
    assert last("timm ResNet", 32) == "model.layer3.1", "one place is no map"
    assert last("timm Swin", 224) == "model.layers.1.blocks.1"
    assert last_with_gradient(vit, pixels(160, 1)) == "model.blocks.4"
    vit.image.model.global_pool = "avg"
    assert last_with_gradient(vit, pixels(160, 1)) == "model.blocks.5"
    assert last_with_gradient(tiny, pixels(64, 1)) == "trunk.5"


class Pooled(nn.Module):
    """A tower of transformers as a plain module."""

    def __init__(self, vision):
        super().__init__()
        self.vision = vision

    def forward(self, pixels_BCHW):
        return self.vision(pixel_values=pixels_BCHW).pooler_output


FAMILIES = {
    "timm ConvNeXt": (64, "stages.3.blocks.1"),
    "timm Swin": (224, "layers.1.blocks.1"),
    "open_clip ViT": (16, "transformer.resblocks.1"),
    "open_clip ResNet": (64, "layer4.0"),
    "transformers CLIP": (16, "vision.encoder.layers.1"),
    "transformers SigLIP": (16, "vision.encoder.layers.2"),
    "transformers DINOv2": (16, "vision.encoder.layer.1"),
    "transformers Swin": (32, "vision.encoder.layers.1.blocks.1"),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_the_maps_of_the_whole_graph_one_image_at_a_time(family, small_tower):
    size, expected_layer = FAMILIES[family]
    tower = small_tower(family) if "ResNet" not in family else larger_resnet()
    model = of(Pooled(tower) if family.startswith("tr") else tower, size, 8).double().eval()
    given = pixels(size, 2)
    layer = last_with_gradient(model, given[:1])
    assert layer == expected_layer
    weights_D = torch.linspace(-1, 2, model.image(given[:1]).shape[1], dtype=torch.float64)
    found_Bhw = gradcam_maps(model, given, {"it": lambda image_BD: image_BD @ weights_D})[:, 0]
    for image_CSS, map_hw in zip(given, found_Bhw, strict=True):
        outputs = {}
        row = watch(model.image, layers_of(model, [layer]), image_CSS[None], outputs.__setitem__)
        output = outputs[layer]
        (slope,) = torch.autograd.grad((row @ weights_D).sum(), output.values)
        slopes_PD = LayerOutput(slope, output.positions).patches_BPD[0]
        found_P = (output.patches_BPD[0] @ slopes_PD.mean(0)).relu()
        torch.testing.assert_close(map_hw.flatten(), found_P.detach(), rtol=1e-9, atol=1e-12)
    assert found_Bhw.any()


def larger_resnet():
    from open_clip.modified_resnet import ModifiedResNet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ModifiedResNet((1, 2, 1, 1), output_dim=16, heads=2, image_size=64, width=8)


@pytest.mark.parametrize("family", ["timm ResNet", "timm ConvNeXt", "timm ViT"])
def test_the_grad_cam_package_gives_the_same_maps(family, small_tower):
    peer = pytest.importorskip("pytorch_grad_cam", reason="the group `peers` is not installed")
    size = 160 if family == "timm ViT" else 96
    tower = small_tower(family)
    model = of(TimmTower(tower, name="small"), size, 8)
    given = pixels(size).float()
    drawn_KD = torch.rand(2, tower.num_features, generator=torch.Generator().manual_seed(4)) - 0.25
    scores = [lambda row, weights_D=weights_D: row @ weights_D for weights_D in drawn_KD]
    found_BKhw = gradcam_maps(model, given, dict(zip("ab", scores, strict=True)))
    layer, turn = {
        "timm ResNet": (lambda: tower.layer4[1], None),
        "timm ConvNeXt": (lambda: tower.stages[3].blocks[1], None),
        "timm ViT": (lambda: tower.blocks[4], lambda values: patches(values, 1)),
    }[family]
    cam = peer.GradCAM(tower, [layer()], reshape_transform=turn)
    for place, score in enumerate(scores):
        wanted = [score] * len(given)
        cam(given, wanted)
        kept = cam.activations_and_grads
        values, slopes = kept.activations[0].numpy(), kept.gradients[0].numpy()
        expected_Bhw = np.maximum(cam.get_cam_image(given, layer(), wanted, values, slopes), 0)
        assert expected_Bhw.any()
        scale = np.abs(expected_Bhw).max()
        np.testing.assert_allclose(found_BKhw[:, place] / scale, expected_Bhw / scale, atol=1e-5)
    cam.activations_and_grads.release()


def films(number=5):
    rng = np.random.default_rng(3)
    shapes = [(80, 64), (64, 64), (50, 90), (64, 80), (70, 71)][:number]
    return [rng.integers(0, 255, shape, dtype=np.uint8) for shape in shapes]


def test_heatmaps_have_the_originals_shape_and_do_not_depend_on_the_batch():
    model = load("tiny", texts=TEXTS, image_size=64)
    together, alone = gradcam(model, films(), TEXTS), gradcam(model, films(), TEXTS, batch_size=1)
    for film, several, single in zip(films(), together, alone, strict=True):
        assert [found.target for found in several] == TEXTS
        for found, single_one in zip(several, single, strict=True):
            assert (found.values_HW.shape, found.values_HW.dtype) == (film.shape, np.float32)
            assert found.method == "gradcam"
            np.testing.assert_allclose(found.values_HW, single_one.values_HW, atol=1e-6)
    assert gradcam(model, [], TEXTS) == []
    ((found,),) = gradcam(model, films(1), TEXTS[0])
    assert found.target == TEXTS[0], "one text is not its letters"
    np.testing.assert_allclose(found.values_HW, together[0][0].values_HW, atol=1e-6)


def test_a_spot_is_found_where_it_lies_in_the_original():
    film = np.zeros((120, 90), dtype=np.uint8)
    film[70:80, 20:30] = 255
    model = of(Bright(), 60, 1)
    ((found,),) = gradcam(model, [film], {"bright": lambda image_BD: image_BD[:, 0]})
    assert found.target == "bright"
    inside = found.values_HW[69:81, 19:31].sum() / found.values_HW.sum()
    assert inside > 0.95
    assert not found.values_HW[:15].any(), "what the crop cut off is 0"


def test_the_model_comes_back_as_it_was_also_after_an_error(tiny):
    tiny.train()
    tiny.image.trunk[1].eval()
    tiny.image.projection.weight.requires_grad_(False)
    before = state(tiny)
    gradcam_maps(tiny, pixels(64), TEXTS)
    assert same(state(tiny), before)
    with pytest.raises(ZeroDivisionError):
        gradcam_maps(tiny, pixels(64), {"it": lambda image_BD: 1 / 0}, layer="trunk.4")
    assert same(state(tiny), before)
    tiny.image.projection.weight.requires_grad_(True)


def test_wrong_layers_and_models_without_words_are_named(tiny, vit):
    with pytest.raises(ChoiceError, match="unknown layer 'trunk.9'"):
        gradcam_maps(tiny, pixels(64), TEXTS, layer="trunk.9")
    with pytest.raises(ModelError, match="sees images only"):
        gradcam_maps(vit, pixels(160), TEXTS)
    with pytest.raises(ModelError, match="depends on the places of no layer"):
        gradcam_maps(of(Hand(), 1, 1), pixels(1).float(), channels(0))


def test_a_score_that_is_not_one_number_an_image_is_an_error():
    model, given = of(Hand(), 4, 1), torch.rand(2, 3, 4, 4)
    with pytest.raises(ModelError, match=r"target 0 gives scores of shape \(2, 1\); wanted"):
        gradcam_maps(model, given, {"all": lambda image_BD: image_BD})
    detached = {"b": lambda image_BD: image_BD.detach()[:, 0]}
    with pytest.raises(ModelError, match=r"target 1 .* without a gradient"):
        gradcam_maps(model, given, channels(0) | detached)
