"""Masks as pictures."""

import numpy as np
from PIL import Image

from vesalius.data.images.mask_files import read_mask
from vesalius.segmentation.writing import png_mask


def test_a_mask_comes_back_pixel_for_pixel(tmp_path):
    mask_HW = np.random.default_rng(0).random((5, 9)) < 0.3
    path = tmp_path / "a.png"
    path.write_bytes(png_mask(mask_HW))
    np.testing.assert_array_equal(read_mask(path), mask_HW)
    with Image.open(path) as image:
        assert image.mode == "L"
        assert set(np.unique(image)) == {0, 255}


def test_an_empty_mask_is_all_0(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png_mask(np.zeros((3, 4), bool)))
    assert not read_mask(path).any()
