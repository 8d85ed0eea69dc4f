"""The pixels that a tower sees are those of open_clip's own transform."""

import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from vesalius.core import ChoiceError, ImageError, ModelError
from vesalius.encoders import Preprocessing
from vesalius.encoders.operations import (
    OPERATIONS,
    Crop,
    Floats,
    Grey,
    Middle,
    Normalise,
    Resize,
    Square,
    Stretch,
)


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
    ours = Preprocessing.usual(64, mean=mean, std=std, interpolation=interpolation, resize=resize)
    expected_CHW = theirs(Image.fromarray(image))
    torch.testing.assert_close(ours(image), expected_CHW, rtol=0, atol=1e-6)


def test_plain_values_describe_it_completely():
    ours = Preprocessing.usual(96, resize="longest", fill=7)
    assert Preprocessing.from_dict(ours.as_dict()) == ours
    assert ours.describe() == (
        "bilinear longest 96, centre 96 (outside 7), RGB/255, mean 0.5,0.5,0.5, std 0.25,0.25,0.25"
    )


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8), np.float32), np.zeros((8, 8, 4), np.uint8), np.zeros(8, np.uint8)],
    ids=["float", "four channels", "one axis"],
)
def test_other_arrays_are_refused(image):
    with pytest.raises(ImageError, match="uint8"):
        Preprocessing.usual(8)(image)


def test_wrong_settings_are_refused_at_once():
    with pytest.raises(ChoiceError, match="did you mean 'bicubic'"):
        Preprocessing.usual(8, interpolation="bicubik")
    with pytest.raises(ModelError, match="3 means"):
        Preprocessing.usual(8, mean=(0.5,), std=(0.5,))


EVERY = (
    Stretch(),
    Grey(),
    Resize(320, side="longest", filter="lanczos", rounding="down_ratio"),
    Square(at_least=320),
    Middle(),
    Crop(318),
    Floats(divide=1),
    Normalise((101.48761,) * 3, (83.43944,) * 3),
    Resize(side="both", filter="bicubic", antialias=False),
)


def test_every_operation_is_written_read_and_pickled():
    assert {type(step) for step in EVERY} == set(OPERATIONS.values())
    ours = Preprocessing(32, EVERY)
    assert Preprocessing.from_dict(json.loads(json.dumps(ours.as_dict()))) == ours
    assert pickle.loads(pickle.dumps(ours)) == ours
    assert hash(ours) == hash(Preprocessing(32, EVERY))
    assert ours.describe() == (
        "stretch, grey, lanczos longest 320 rounded down_ratio, pad to a square of at least 320, "
        "centre, 0, middle square, centre 318 (outside 0), RGB, mean 101.488,101.488,101.488, "
        "std 83.4394,83.4394,83.4394, bicubic both 32 without antialiasing"
    )
    assert ours(np.arange(200, dtype=np.uint8).reshape(10, 20)).shape == (3, 32, 32)


def test_operations_are_done_in_their_order():
    image = np.array([[[50, 0, 0], [100, 200, 150]]], np.uint8)
    grey = (image.astype(float) @ [0.299, 0.587, 0.114]).round()
    ours = Preprocessing(2, (Grey(), Stretch(), Square(), Floats()))
    assert (ours(image)[0] * 255).round().tolist() == [[0, 255], [0, 0]]
    other = Preprocessing(2, (Stretch(), Grey(), Square(fill=9), Floats(divide=1)))
    expected = (grey[0] / 200 * 255).tolist()
    assert other(image)[0][0].tolist() == pytest.approx(expected, abs=1)
    assert other(image)[0][1].tolist() == [9, 9]


def test_an_image_of_one_shade_is_stretched_to_black():
    ours = Preprocessing(4, (Stretch(), Resize(), Crop(), Floats()))
    assert not ours(np.full((9, 7), 130, np.uint8)).any()


@pytest.mark.parametrize("shape", [(700, 620, 3), (97, 400), (3, 1000), (512, 512)])
def test_floats_are_resized_as_torchvision_does_it_and_padded_in_a_corner(shape):
    from torchvision.transforms import Resize as Theirs

    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    resize = Resize(side="longest", rounding="down")
    ours = Preprocessing(64, (Floats(), resize, Square(place="corner", at_least=0)))(image)
    colour = image if image.ndim == 3 else np.stack([image] * 3, 2)
    scale = max(shape[:2]) / 64
    down, across = max(int(shape[0] / scale), 1), max(int(shape[1] / scale), 1)
    values_CHW = torch.from_numpy(colour.astype(np.float32) / 255).permute(2, 0, 1)
    expected = Theirs((down, across), antialias=True)(values_CHW)
    torch.testing.assert_close(ours[:, :down, :across], expected, rtol=0, atol=1e-6)
    assert not ours[:, down:].any()
    assert not ours[:, :, across:].any()


@pytest.mark.parametrize("shape", [(700, 621), (621, 700), (301, 47)])
def test_a_square_has_its_odd_pixel_right_and_below(shape):
    image = np.random.default_rng(0).integers(1, 256, shape).astype(np.uint8)
    side, across = max(shape), max(shape) - shape[1]
    down = side - shape[0]
    expected = np.pad(image, ((down // 2, down - down // 2), (across // 2, across - across // 2)))
    ours = Preprocessing(side, (Square(), Floats(divide=1)))(image)
    assert np.array_equal(ours[0].numpy(), expected)


@pytest.mark.parametrize("antialias", [True, False])
def test_bicubic_on_normalised_values_may_leave_their_range(antialias):
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import Resize as Theirs

    image = np.random.default_rng(0).integers(0, 2, (80, 80)).astype(np.uint8) * 255
    normalise = Normalise((101.48761,) * 3, (83.43944,) * 3)
    resize = Resize(side="both", filter="bicubic", antialias=antialias)
    ours = Preprocessing(56, (Floats(divide=1), normalise, resize))(image)
    values_CHW = (torch.from_numpy(image).float().expand(3, 80, 80) - 101.48761) / 83.43944
    theirs = Theirs(56, InterpolationMode.BICUBIC, antialias=antialias)(values_CHW)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert ours.max() > (255 - 101.48761) / 83.43944


def test_a_description_of_before_the_operations_is_read():
    older = {"size": 48, "mean": [0.5] * 3, "std": [0.25] * 3}
    older |= {"interpolation": "bilinear", "resize": "shortest", "fill": 0}
    assert Preprocessing.from_dict(older) == Preprocessing.usual(48)


def test_operations_that_cannot_be_are_refused():
    for steps, said in (
        ([{"do": "gray"}], "did you mean 'grey'"),
        ([{"do": "crop", "too": 3}], "'crop'.*too"),
        ([{"do": "square", "place": "center"}], "did you mean 'centre'"),
        ([{"do": "resize", "rounding": "up"}], "rounding"),
        ([{"do": "crop"}], "'floats' once"),
        ([{"do": "floats"}, {"do": "floats"}], "'floats' once"),
        ([{"do": "floats"}, {"do": "grey"}], "'grey' can only stand before"),
        ([{"do": "normalise", "mean": [0] * 3, "std": [1] * 3}, {"do": "floats"}], "stand after"),
    ):
        with pytest.raises((ModelError, ChoiceError), match=said):
            Preprocessing.from_dict({"size": 8, "operations": steps})
    with pytest.raises(ModelError, match=r"make \(4, 6\) pixels"):
        Preprocessing(8, (Floats(),))(np.zeros((4, 6), np.uint8))
