import pickle

import numpy as np
import pytest
from PIL import Image

from vesalius.core import Box, DataError, ImageError, mask_box
from vesalius.data import ImageFiles, read
from vesalius.data.images.mask_files import MaskFiles, read_mask

DISC = np.zeros((6, 8), bool)
DISC[1:4, 2:7] = True
DISC[1, 2] = False


def saved(path, pixels, mode=None, **options):
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path, **options)
    return path


@pytest.mark.parametrize(
    "values",
    [
        DISC.astype(np.uint8),
        DISC.astype(np.uint8) * 255,
        DISC.astype(np.uint8) * 128,
        DISC.astype(np.uint16) * 65535,
        DISC.astype(np.uint16),
        DISC,
        np.where(DISC, 250, 120).astype(np.uint8),
    ],
    ids=["0/1", "0/255", "0/128", "16-bit", "16-bit 0/1", "one bit", "soft edge"],
)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_the_same_mask_comes_from_every_coding(tmp_path, values, suffix):
    np.testing.assert_array_equal(read_mask(saved(tmp_path / f"m.{suffix}", values)), DISC)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA", "1"])
def test_the_same_mask_comes_from_every_mode(tmp_path, mode):
    path = saved(tmp_path / "m.png", DISC.astype(np.uint8) * 255, mode)
    np.testing.assert_array_equal(read_mask(path), DISC)


def test_a_coloured_mask_counts_by_its_brightest_channel(tmp_path):
    red = np.zeros((6, 8, 3), np.uint8)
    red[DISC] = (200, 0, 0)
    np.testing.assert_array_equal(read_mask(saved(tmp_path / "m.bmp", red)), DISC)


def test_what_is_transparent_is_not_in_the_mask(tmp_path):
    white = np.full((6, 8, 4), 255, np.uint8)
    white[..., 3] = DISC * 255
    np.testing.assert_array_equal(read_mask(saved(tmp_path / "m.png", white)), DISC)


def test_a_jpeg_mask_loses_its_ringing(tmp_path):
    disc = np.kron(DISC, np.ones((13, 13), bool))
    path = saved(tmp_path / "m.jpg", disc.astype(np.uint8) * 255, quality=80)
    assert len(np.unique(np.asarray(Image.open(path)))) > 2
    np.testing.assert_array_equal(read_mask(path), disc)


def test_an_empty_mask_is_empty_also_as_a_noisy_jpeg(tmp_path):
    assert not read_mask(saved(tmp_path / "m.png", np.zeros((6, 8), np.uint8))).any()
    noise = np.random.default_rng(0).integers(0, 4, (6, 8), dtype=np.uint8)
    assert not read_mask(saved(tmp_path / "m.jpg", noise)).any()


def test_a_full_mask_is_full(tmp_path):
    for number, values in enumerate((np.ones((6, 8), np.uint8), np.full((6, 8), 900, np.uint16))):
        assert read_mask(saved(tmp_path / f"{number}.png", values)).all()


def test_a_map_of_several_labels_is_refused(tmp_path):
    labels = DISC.astype(np.uint8)
    labels[5] = 2
    with pytest.raises(ImageError, match=r"m\.png holds 0, 1, 2 …: a map of several labels"):
        read_mask(saved(tmp_path / "m.png", labels))


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n\0\0"])
def test_a_broken_mask_is_named(tmp_path, content):
    (tmp_path / "m.png").write_bytes(content)
    with pytest.raises(ImageError, match=r"m\.png"):
        read_mask(tmp_path / "m.png")


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, bomb):
    (tmp_path / "m.png").write_bytes(bomb(60_000, 60_000))
    with pytest.raises(ImageError, match="declares"):
        read_mask(tmp_path / "m.png")


@pytest.fixture
def column(tmp_path, png, mask):
    """Three images: one of two merged files and a second target, one empty, one without masks."""
    png(tmp_path / "a.png")
    png(tmp_path / "b.png", width=9, height=7)
    png(tmp_path / "c.png")
    mask(tmp_path / "left.png", (0, 0, 2, 2))
    mask(tmp_path / "right.png", (5, 3, 3, 1))
    mask(tmp_path / "heart.png", (3, 2, 2, 2))
    mask(tmp_path / "empty.png", width=9, height=7)
    files = [
        {"Lungs": ("left.png", "right.png"), "Heart": ("heart.png",)},
        {"Lungs": ("empty.png",)},
        {},
    ]
    return MaskFiles(ImageFiles(tmp_path, ["a.png", "b.png", "c.png"]), files)


def test_files_of_one_target_are_merged(column):
    lungs = column.masks(0)["Lungs"].values_HW
    assert lungs.sum() == 2 * 2 + 3 * 1
    assert lungs[0, 0]
    assert lungs[3, 7]


def test_boxes_are_tight_around_masks_and_an_empty_mask_has_none(column):
    assert tuple(column.boxes(0)) == (Box("Lungs", 0, 0, 8, 4), Box("Heart", 3, 2, 2, 2))
    assert column.boxes(0)[-1] == mask_box("Heart", column.masks(0)["Heart"].values_HW)
    assert len(column.boxes(1)) == len(column.boxes(2)) == 0
    assert not column.masks(1)["Lungs"].values_HW.any()
    assert dict(column.masks(2)) == {}


def test_columns_are_taken_and_pickled(column):
    taken = pickle.loads(pickle.dumps(column.take(np.array([2, 0]))))
    assert len(taken) == 2
    assert list(taken.masks(0)) == []
    assert tuple(taken.boxes(1)) == tuple(column.boxes(0))


def test_nothing_is_opened_until_it_is_looked_at(column, tmp_path):
    for path in tmp_path.iterdir():
        path.unlink()
    masks, boxes = column.masks(0), column.boxes(0)
    assert list(masks) == ["Lungs", "Heart"]
    with pytest.raises(ImageError, match=r"left\.png"):
        masks["Lungs"]
    with pytest.raises(ImageError, match=r"left\.png"):
        len(boxes)


def test_a_mask_of_another_size_is_an_error_with_both_sizes(column, tmp_path, mask):
    mask(tmp_path / "right.png", (0, 0, 1, 1), width=9, height=6)
    with pytest.raises(ImageError, match=r"right\.png is 9×6 pixels, but its image a\.png is 8×6"):
        column.masks(0)["Lungs"]


def test_a_mask_fits_an_image_that_is_shown_turned(tmp_path, mask):
    turned = Image.Exif()
    turned[0x0112] = 6
    saved(tmp_path / "a.jpg", np.zeros((6, 8), np.uint8), exif=turned)
    mask(tmp_path / "m.png", (0, 0, 6, 1), width=6, height=8)
    column = MaskFiles(ImageFiles(tmp_path, ["a.jpg"]), [{"x": ("m.png",)}])
    assert column.images[0].shape == column.masks(0)["x"].values_HW.shape == (8, 6)


@pytest.mark.parametrize("path", ["../m.png", "/m.png", "x/../../m.png"])
def test_a_mask_outside_the_root_is_refused(tmp_path, path):
    with pytest.raises(DataError, match="leads out of the folder"):
        MaskFiles(ImageFiles(tmp_path, ["a.png"]), [{"x": (path,)}])


def test_a_link_that_leads_out_is_refused(layout, tmp_path, mask):
    root = layout("busi")
    out = mask(tmp_path / "elsewhere" / "m.png")
    (root / "benign" / "benign (1)_mask.png").unlink()
    (root / "benign" / "benign (1)_mask.png").symlink_to(out)
    with pytest.raises(DataError, match="leads out of the folder"):
        read("busi", root)
