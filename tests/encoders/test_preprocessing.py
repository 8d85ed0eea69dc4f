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


def test_first_operations_are_done_in_their_order():
    image = np.array([[[50, 0, 0], [100, 200, 150]]], np.uint8)
    grey = (image.astype(float) @ [0.299, 0.587, 0.114]).round()
    ours = Preprocessing(size=2, mean=(0, 0, 0), std=(1, 1, 1), first=("grey", "stretch", "square"))
    assert (ours(image)[0] * 255).round().tolist() == [[0, 255], [0, 0]]
    other = Preprocessing(
        size=2, mean=(0, 0, 0), std=(1, 1, 1), first=("stretch", "grey", "square")
    )
    expected = (grey[0] / 200 * 255).tolist()
    assert (other(image)[0] * 255)[0].tolist() == pytest.approx(expected, abs=1)
    assert (other(image)[0] * 255)[1].tolist() == [0, 0]


def test_an_image_of_one_shade_is_stretched_to_black():
    ours = Preprocessing(size=4, mean=(0, 0, 0), std=(1, 1, 1), first=("stretch",))
    assert not ours(np.full((9, 7), 130, np.uint8)).any()


@pytest.mark.parametrize("shape", [(700, 620, 3), (97, 400), (3, 1000), (512, 512)])
def test_a_corner_is_torchvisions_resize_of_floats_and_black(shape):
    from torchvision.transforms import Resize

    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    ours = Preprocessing(size=64, mean=(0, 0, 0), std=(1, 1, 1), resize="corner")(image)
    colour = image if image.ndim == 3 else np.stack([image] * 3, 2)
    scale = max(shape[:2]) / 64
    down, across = max(int(shape[0] / scale), 1), max(int(shape[1] / scale), 1)
    values_CHW = torch.from_numpy(colour.astype(np.float32) / 255).permute(2, 0, 1)
    expected = Resize((down, across), antialias=True)(values_CHW)
    torch.testing.assert_close(ours[:, :down, :across], expected, rtol=0, atol=1e-6)
    assert not ours[:, down:].any()
    assert not ours[:, :, across:].any()


def test_special_steps_are_described_and_read_back():
    ours = Preprocessing(size=48, resize_to=51, first=("stretch", "grey"))
    assert Preprocessing.from_dict(ours.as_dict()) == ours
    assert ours.describe() == (
        "stretch, grey, bilinear shortest 51, centre crop 48, RGB, mean 0.5,0.5,0.5, "
        "std 0.25,0.25,0.25"
    )
    assert "on floats, pad 0 right and below" in Preprocessing(size=48, resize="corner").describe()


def test_a_description_of_before_the_special_steps_is_read():
    older = Preprocessing(size=48).as_dict()
    del older["first"], older["resize_to"]
    assert Preprocessing.from_dict(older) == Preprocessing(size=48)


def test_special_steps_that_cannot_be_are_refused():
    with pytest.raises(ChoiceError, match="did you mean 'grey'"):
        Preprocessing(size=8, first=("gray",))
    with pytest.raises(ModelError, match="resize_to wants"):
        Preprocessing(size=8, resize_to=7)
    with pytest.raises(ModelError, match="resize_to wants"):
        Preprocessing(size=8, resize_to=9, resize="squash")
