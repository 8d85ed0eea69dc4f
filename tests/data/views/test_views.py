"""Views: torchvision's distributions and pixels, for whole batches, whichever way they are cut."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp, kstest
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as peer

from vesalius.core import ChoiceError, DataError
from vesalius.data.views import PRESETS, Draws, Preset, apply, applying, preset
from vesalius.data.views.blur import blurred, taps_of
from vesalius.data.views.colour import brighten_, contrast_, luminance, saturate_, shift_hue_

torch.set_num_threads(1)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def picture(count=4, side=28, channels=3, seed=0):
    """Smooth pictures with noise: interpolation and colour both show."""
    coarse = torch.rand(count, channels, 5, 5, generator=generator(seed))
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    noise = 0.1 * torch.rand(count, channels, side, side, generator=generator(seed + 1))
    return (255 * (smooth + noise).clamp(0, 1)).to(torch.uint8)


def still(count, size, **changes):
    """Draws that change nothing but what is named."""
    values = {
        "boxes_B4": torch.tensor([0.0, 0.0, *size]).repeat(count, 1),
        "flips_B": torch.zeros(count, dtype=torch.bool),
        "angles_B": None,
        "jitter_B": torch.zeros(count, dtype=torch.bool),
        "factors_B4": torch.tensor([1.0, 1.0, 1.0, 0.0]).repeat(count, 1),
        "order_B4": torch.arange(4).repeat(count, 1),
        "grey_B": torch.zeros(count, dtype=torch.bool),
        "sigmas_B": torch.zeros(count),
    }
    return Draws(**{**values, **changes})


def test_nothing_drawn_leaves_every_byte():
    pixels = picture()
    torch.testing.assert_close(apply(pixels, still(4, (28, 28))), pixels / 255, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("source", "side"), [(28, 28), (60, 28), (28, 20), (80, 96), (120, 64)])
def test_a_crop_is_torchvisions_antialiased_one(source, side):
    pixels = picture(6, source)
    drawn = PRESETS["simclr"].draw(6, (source, source), generator())
    views = apply(pixels, still(6, (source, source), boxes_B4=drawn.boxes_B4), size=(side, side))
    for image, box, view in zip(pixels, drawn.boxes_B4.int().tolist(), views, strict=True):
        expected = peer.resized_crop(image, *box, [side, side], antialias=True)
        assert (view * 255 - expected).abs().max() <= 1


def test_a_flip_is_torchvisions_exactly():
    pixels = picture()
    views = apply(pixels, still(4, (28, 28), flips_B=torch.tensor([True, False, True, False])))
    expected = pixels.clone()
    expected[::2] = peer.horizontal_flip(pixels[::2])
    torch.testing.assert_close(views, expected / 255, rtol=0, atol=1e-7)


def test_a_turn_is_torchvisions_away_from_the_corners():
    pixels = picture(3, 41)
    angles = torch.tensor([10.0, -25.0, 90.0])
    views = apply(pixels, still(3, (41, 41), angles_B=angles))
    for image, angle, view in zip(pixels, angles.tolist(), views, strict=True):
        expected = peer.rotate(image, angle, interpolation=v2.InterpolationMode.BILINEAR)
        middle = slice(10, 31)
        assert (view * 255 - expected)[:, middle, middle].abs().max() <= 1


def test_crop_flip_and_turn_at_once_are_torchvisions_one_after_another():
    """One interpolation instead of two: the same picture, a little sharper."""
    pixels = picture(8, 48)
    pixels = peer.gaussian_blur(pixels, 9, [2.0])  # smooth: what is left is the geometry
    drawn = PRESETS["grey"].draw(8, (48, 48), generator())
    still_colour = still(
        8, (48, 48), boxes_B4=drawn.boxes_B4, flips_B=drawn.flips_B, angles_B=drawn.angles_B
    )
    views = apply(pixels, still_colour)
    assert drawn.flips_B.any()
    for i, view in enumerate(views):
        one = peer.resized_crop(pixels[i], *drawn.boxes_B4[i].int().tolist(), [48, 48])
        one = peer.horizontal_flip(one) if drawn.flips_B[i] else one
        one = peer.rotate(one, float(drawn.angles_B[i]), v2.InterpolationMode.BILINEAR)
        middle = slice(14, 34)
        assert (view * 255 - one)[:, middle, middle].abs().max() <= 3


@pytest.mark.parametrize(
    ("ours", "theirs", "values"),
    [
        (brighten_, peer.adjust_brightness, (0.6, 1.0, 1.4)),
        (contrast_, peer.adjust_contrast, (0.6, 1.0, 1.4)),
        (saturate_, peer.adjust_saturation, (0.0, 0.6, 1.4)),
        (shift_hue_, peer.adjust_hue, (-0.5, -0.1, 0.3)),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_change_of_colour_is_torchvisions(ours, theirs, values, channels):
    pixels = picture(3, 16, channels) / 255
    changed = ours(pixels.clone(), torch.tensor(values))
    for image, value, own in zip(pixels, values, changed, strict=True):
        torch.testing.assert_close(own, theirs(image, value), rtol=0, atol=2e-6)


def test_the_grey_of_a_colour_and_a_hue_without_colour_are_torchvisions():
    pixels = picture(2, 16) / 255
    torch.testing.assert_close(luminance(pixels), peer.rgb_to_grayscale(pixels))
    plain = luminance(pixels).expand(-1, 3, -1, -1).contiguous()
    torch.testing.assert_close(shift_hue_(plain.clone(), torch.tensor([0.1, 0.4])), plain)


@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
def test_a_blur_is_torchvisions(sigma):
    pixels = picture(2, 40) / 255
    own = blurred(pixels, torch.tensor([sigma, 1.0]), taps=7)
    torch.testing.assert_close(own[:1], peer.gaussian_blur(pixels[:1], 7, [sigma]))


def test_small_images_stay_sharp():
    assert (taps_of(28), taps_of(63), taps_of(64), taps_of(224)) == (1, 1, 7, 23)
    pixels = picture(2, 28)
    views = apply(pixels, still(2, (28, 28), sigmas_B=torch.full((2,), 2.0)))
    torch.testing.assert_close(views, pixels / 255, rtol=0, atol=1e-7)


def test_a_whole_view_is_torchvisions_step_by_step():
    pixels = picture(8, 64)
    drawn = PRESETS["simclr"].draw(8, (64, 64), generator(3))
    views = apply(pixels, drawn)
    changes = (peer.adjust_brightness, peer.adjust_contrast, peer.adjust_saturation,
               peer.adjust_hue)  # fmt: skip
    for i, view in enumerate(views):
        one = peer.resized_crop(pixels[i], *drawn.boxes_B4[i].int().tolist(), [64, 64])
        one = (peer.horizontal_flip(one) if drawn.flips_B[i] else one) / 255
        for change in drawn.order_B4[i].tolist() if drawn.jitter_B[i] else ():
            one = changes[change](one, float(drawn.factors_B4[i, change]))
        one = peer.rgb_to_grayscale(one, 3) if drawn.grey_B[i] else one
        if drawn.sigmas_B[i] > 0:
            one = peer.gaussian_blur(one, 7, [float(drawn.sigmas_B[i])])
        # a grey level of rounding in the crop, enlarged by contrast and the colour wheel
        assert (view - one).abs().max() <= 4 / 255
        assert (view - one).abs().mean() <= 0.5 / 255


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("side", [28, 72])
def test_rows_of_the_draws_give_the_same_pixels_for_rows_of_the_batch(name, side):
    pixels = picture(9, side)
    drawn = preset(name).draw(9, (side, side), generator())
    whole = apply(pixels, drawn)
    assert torch.equal(whole[2:7], apply(pixels[2:7], drawn[2:7]))
    rows = torch.tensor([8, 0, 3])
    assert torch.equal(whole[rows], apply(pixels[rows], drawn[rows]))
    assert torch.equal(whole, apply(pixels, preset(name).draw(9, (side, side), generator())))
    assert float(whole.min()) >= 0
    assert float(whole.max()) <= 1 + 1e-6


@pytest.mark.parametrize("side", [28, 72])
def test_threads_change_no_bit_and_their_number_is_given_back(side, monkeypatch):
    monkeypatch.setattr(applying, "FLOATS_AT_ONCE", 2 * 3 * side**2)  # pieces of two images
    pixels = picture(9, side)
    drawn = preset("simclr").draw(9, (side, side), generator())
    alone = apply(pixels, drawn)
    try:
        for threads in (2, 3):
            torch.set_num_threads(threads)
            assert torch.equal(apply(pixels, drawn), alone)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(1)


def test_crops_are_distributed_as_torchvisions():
    size, count = (40, 60), 1500
    drawn = PRESETS["simclr"].draw(count, size, generator()).boxes_B4.numpy()
    torch.manual_seed(1)
    crop = v2.RandomResizedCrop(28, scale=(0.08, 1.0))
    image = torch.zeros(1, *size)
    asked = [crop.make_params([image]) for _ in range(count)]
    theirs = np.array([[p["top"], p["left"], p["height"], p["width"]] for p in asked])
    for of in (
        lambda box: box[:, 2] * box[:, 3],
        lambda box: box[:, 3] / box[:, 2],
        lambda box: box[:, 0],
        lambda box: box[:, 1],
    ):
        assert ks_2samp(of(drawn), of(theirs)).pvalue > 0.01
    assert (drawn[:, :2] >= 0).all()
    assert (drawn[:, :2] + drawn[:, 2:] <= size).all()


def test_a_picture_too_narrow_for_any_crop_gives_the_middle():
    boxes = PRESETS["simclr"].draw(200, (200, 10), generator()).boxes_B4
    middle = boxes[(boxes[:, 3] == 10) & (boxes[:, 0] == 93)]
    assert len(middle)
    assert (middle[:, 2] == 13).all()


def test_chances_and_factors_are_those_of_the_preset():
    kind, count = PRESETS["simclr"], 4000
    drawn = kind.draw(count, (28, 28), generator())
    for found, chance in ((drawn.flips_B, kind.flip), (drawn.jitter_B, kind.jitter),
                          (drawn.grey_B, kind.grey), (drawn.sigmas_B > 0, kind.blur)):  # fmt: skip
        assert abs(float(found.float().mean()) - chance) < 3.5 * math.sqrt(0.25 / count)
    for change, spread in enumerate((kind.brightness, kind.contrast, kind.saturation)):
        law = "uniform"
        assert kstest(drawn.factors_B4[:, change], law, (1 - spread, 2 * spread)).pvalue > 0.01
    assert kstest(drawn.factors_B4[:, 3], "uniform", (-kind.hue, 2 * kind.hue)).pvalue > 0.01
    sigmas = drawn.sigmas_B[drawn.sigmas_B > 0]
    assert kstest(sigmas, "uniform", (0.1, 1.9)).pvalue > 0.01
    orders = (drawn.order_B4 * torch.tensor([64, 16, 4, 1])).sum(1).unique(return_counts=True)[1]
    assert len(orders) == 24
    assert orders.min() > count / 24 - 5 * math.sqrt(count / 24)


def test_a_chest_is_never_flipped_and_grey_images_have_no_hue():
    for name in ("chest", "gentle"):
        assert not preset(name).draw(500, (28, 28), generator()).flips_B.any()
    for name in ("chest", "grey", "gentle"):
        assert not preset(name).draw(500, (28, 28), generator()).factors_B4[:, 3].any()


def test_a_gentle_view_stays_near_its_image():
    pixels = picture(16, 32)
    views = apply(pixels, preset("gentle").draw(16, (32, 32), generator()))
    assert (views - pixels / 255).abs().mean() < 0.15
    assert not torch.equal(views, pixels / 255)


def test_mistakes_are_named():
    with pytest.raises(ChoiceError, match="simclr"):
        preset("simclear")
    with pytest.raises(DataError, match="area is"):
        Preset(area=(0.0, 1.0))
    with pytest.raises(DataError, match="flip is 2"):
        Preset(flip=2)
    with pytest.raises(DataError, match="either crops"):
        Preset(area=(0.5, 1.0), zoom=0.1)
    with pytest.raises(DataError, match="uint8"):
        apply(torch.zeros(2, 3, 8, 8), still(2, (8, 8)))
    with pytest.raises(DataError, match="3 draws do not fit 2 images"):
        apply(picture(2, 8), still(3, (8, 8)))


def test_presets_are_read_without_torch():
    code = "import sys, vesalius.data.views as v; v.preset('chest'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
