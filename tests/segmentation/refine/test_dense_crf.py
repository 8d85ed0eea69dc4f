"""The dense CRF against the sums over all pairs of pixels, as written."""

import numpy as np
import pytest

from vesalius.core import DataError, RecipeError
from vesalius.segmentation.refine.dense_crf import CLIP, dense_crf, mean_field

MEDCLIP_SAM = {
    "gaussian_sxy": 3.0,
    "gaussian_compat": 3.0,
    "bilateral_sxy": 60.0,
    "bilateral_srgb": 5.0,
    "bilateral_compat": 5.0,
    "iterations": 10,
}


def brute_mean_field(foreground_HW, image, *, iterations, gaussian_sxy, gaussian_compat,
                     bilateral_sxy, bilateral_srgb, bilateral_compat):  # fmt: skip
    """Krähenbühl & Koltun 2011, two labels kept apart, every pair of pixels in a loop."""
    height, width = foreground_HW.shape
    places = [(y, x) for y in range(height) for x in range(width)]
    colours = [np.broadcast_to(image[y, x], 3).astype(float) for y, x in places]
    count = len(places)
    near, alike = np.zeros((count, count)), np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            apart = (places[i][0] - places[j][0]) ** 2 + (places[i][1] - places[j][1]) ** 2
            unlike = ((colours[i] - colours[j]) ** 2).sum()
            near[i, j] = np.exp(-apart / (2 * gaussian_sxy**2))
            alike[i, j] = np.exp(-apart / (2 * bilateral_sxy**2) - unlike / (2 * bilateral_srgb**2))
    kernels = []
    for weight, kernel in ((gaussian_compat, near), (bilateral_compat, alike)):
        scale = 1 / np.sqrt(kernel.sum(1))
        kernels.append(weight * scale[:, None] * kernel * scale)
    p = np.clip(foreground_HW.ravel(), CLIP, 1 - CLIP)
    unary = -np.log(np.stack([1 - p, p]))
    q = np.stack([1 - p, p])
    for _ in range(iterations):
        energy = -unary
        for kernel in kernels:
            energy = energy - (q @ kernel)[::-1]  # Potts: the other label's mass costs
        q = np.exp(energy - energy.max(0))
        q /= q.sum(0)
    return q[1].reshape(height, width)


def example(*shape, seed=0, greys=None):
    """A map that points at one half of an image that has two halves, both noisy."""
    rng = np.random.default_rng(seed)
    height, width = shape[:2]
    half_HW = np.arange(width)[None] < width // 2
    shade = np.where(half_HW, 90, 110).repeat(height, 0)
    image = shade.reshape(shade.shape + (1,) * (len(shape) - 2)) + rng.normal(0, 6, shape)
    heat_HW = 0.3 * half_HW + rng.random((height, width))
    return heat_HW / heat_HW.max(), image.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(9, 12), (12, 9, 3), (1, 7), (10, 1, 3)])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"bilateral_sxy": 2.0, "iterations": 3},
        {"gaussian_compat": 0.0},
        {"bilateral_compat": 0.0},
    ],
)
def test_the_mean_field_is_the_sum_over_all_pairs(shape, settings):
    heat_HW, image = example(*shape)
    settings = MEDCLIP_SAM | settings
    ours_HW = mean_field(heat_HW, image, **settings)
    np.testing.assert_allclose(
        ours_HW, brute_mean_field(heat_HW, image, **settings), rtol=0, atol=1e-9
    )


def test_the_mask_follows_the_edges_of_the_image():
    image = np.full((40, 40), 60, np.uint8)
    image[10:30, 10:30] = 160
    y_HW, x_HW = np.mgrid[:40, :40]
    heat_HW = np.exp(-((y_HW - 22) ** 2 + (x_HW - 18) ** 2) / 128)  # round, a few pixels beside it
    truth_HW = image == 160
    mask_HW = dense_crf(heat_HW, image)
    assert (mask_HW & truth_HW).sum() / (mask_HW | truth_HW).sum() > 0.99
    assert ((heat_HW > 0.5) & truth_HW).sum() / ((heat_HW > 0.5) | truth_HW).sum() < 0.65


def test_no_neighbours_leave_the_map_as_it_is():
    heat_HW, image = example(8, 10)
    left_HW = mean_field(
        heat_HW, image, **(MEDCLIP_SAM | {"gaussian_compat": 0.0, "bilateral_compat": 0.0})
    )
    np.testing.assert_allclose(left_HW, heat_HW.clip(CLIP, 1 - CLIP), atol=1e-12)


def test_foreground_and_background_are_alike_before_the_field():
    heat_HW, image = example(8, 10)
    there = mean_field(heat_HW, image, **MEDCLIP_SAM)
    np.testing.assert_allclose(mean_field(1 - heat_HW, image, **MEDCLIP_SAM), 1 - there, atol=1e-9)


def test_a_mirrored_case_has_the_mirrored_mask():
    heat_HW, image = example(20, 26)
    there = mean_field(heat_HW, image, **MEDCLIP_SAM)
    mirrored = mean_field(heat_HW[:, ::-1], np.ascontiguousarray(image[:, ::-1]), **MEDCLIP_SAM)
    np.testing.assert_allclose(mirrored[:, ::-1], there, atol=1e-9)


def test_a_grey_image_is_three_equal_channels():
    heat_HW, image = example(8, 10)
    grey = mean_field(heat_HW, image, **MEDCLIP_SAM)
    colour = mean_field(heat_HW, np.repeat(image[..., None], 3, axis=2), **MEDCLIP_SAM)
    np.testing.assert_array_equal(grey, colour)


def test_merged_colours_move_few_pixels():
    import torch

    from vesalius.segmentation.refine.pixel_kernels import bilateral_kernel, palette

    heat_HW, image = example(64, 64, 3)
    exact = bilateral_kernel(image, sxy=60.0, srgb=5.0, colours=64 * 64)
    merged = bilateral_kernel(image, sxy=60.0, srgb=5.0, colours=1024)
    assert len(palette(image, 64 * 64)[1]) > 3000
    assert len(palette(image, 1024)[1]) <= 1024
    ones_HW = torch.ones(64, 64, dtype=torch.float64)
    values_HW = torch.from_numpy(heat_HW)
    wanted, got = (kernel(values_HW) / kernel(ones_HW) for kernel in (exact, merged))
    assert float((got - wanted).abs().max()) < 0.12
    assert float((got - wanted).abs().mean()) < 0.02


def test_an_image_is_needed():
    with pytest.raises(DataError, match="dense_crf needs the image"):
        dense_crf(np.eye(3))


@pytest.mark.parametrize(
    "settings",
    [{"gaussian_sxy": 0.0}, {"bilateral_srgb": -1.0}, {"bilateral_sxy": float("nan")},
     {"gaussian_compat": -1.0}, {"iterations": 0}],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(RecipeError, match=next(iter(settings))):
        dense_crf(np.eye(3), np.zeros((3, 3), np.uint8), **settings)
