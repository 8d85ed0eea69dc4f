"""The pixels that a tower sees are those of open_clip's own transform."""

import numpy as np
import pytest
import torch
from PIL import Image

from vesalius.core import ChoiceError, ImageError, ModelError
from vesalius.encoders import Preprocessing


@pytest.mark.parametrize("resize", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(224, 224), (301, 257), (97, 400), (31, 20, 3), (260, 515, 3)])
def test_it_equals_open_clips_transform(resize, interpolation, shape):
    from open_clip.transform import PreprocessCfg, image_transform_v2

    mean, std = (0.48, 0.45, 0.40), (0.26, 0.27, 0.28)
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    theirs = image_transform_v2(
        PreprocessCfg(size=64, mean=mean, std=std, interpolation=interpolation, resize_mode=resize),
        is_train=False,
    )
    ours = Preprocessing(size=64, mean=mean, std=std, interpolation=interpolation, resize=resize)
    expected_CHW = theirs(Image.fromarray(image))
    torch.testing.assert_close(ours(image), expected_CHW, rtol=0, atol=1e-6)


def test_plain_values_describe_it_completely():
    ours = Preprocessing(size=96, resize="longest", fill=7)
    assert Preprocessing.from_dict(ours.as_dict()) == ours
    assert ours.describe() == (
        "bilinear longest 96, pad 7, RGB, mean 0.5,0.5,0.5, std 0.25,0.25,0.25"
    )


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8), np.float32), np.zeros((8, 8, 4), np.uint8), np.zeros(8, np.uint8)],
    ids=["float", "four channels", "one axis"],
)
def test_other_arrays_are_refused(image):
    with pytest.raises(ImageError, match="uint8"):
        Preprocessing(size=8)(image)


def test_wrong_settings_are_refused_at_once():
    with pytest.raises(ChoiceError, match="did you mean 'bicubic'"):
        Preprocessing(size=8, interpolation="bicubik")
    with pytest.raises(ModelError, match="3 means"):
        Preprocessing(size=8, mean=(0.5,), std=(0.5,))
