import os
import pickle
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from vesalius.core import DataError, ImageError
from vesalius.data import ImageFiles, read_image
from vesalius.data.images import image_size


def saved(path, pixels, mode=None, **options):
    Image.fromarray(pixels, mode).save(path, **options)
    return path


RAMP = np.arange(48, dtype=np.uint8).reshape(6, 8)
COLOUR = np.stack([RAMP, RAMP + 50, RAMP + 100], axis=2)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_grey_and_colour_come_back_as_they_were(tmp_path, suffix):
    np.testing.assert_array_equal(read_image(saved(tmp_path / f"g.{suffix}", RAMP)), RAMP)
    np.testing.assert_array_equal(read_image(saved(tmp_path / f"c.{suffix}", COLOUR)), COLOUR)


def test_a_jpeg_comes_back_in_its_shape(tmp_path):
    assert read_image(saved(tmp_path / "g.jpg", RAMP)).shape == (6, 8)
    assert read_image(saved(tmp_path / "c.jpg", COLOUR)).shape == (6, 8, 3)


def test_sixteen_bit_grey_is_stretched_from_its_minimum_and_maximum(tmp_path):
    deep = (RAMP.astype(np.uint16) * 80) + 1000
    read = read_image(saved(tmp_path / "deep.png", deep))
    assert read.dtype == np.uint8
    assert (read.min(), read.max()) == (0, 255)
    np.testing.assert_array_equal(read, (RAMP / 47 * 255).round().astype(np.uint8))


def test_a_flat_sixteen_bit_image_is_black(tmp_path):
    flat = np.full((4, 4), 4095, np.uint16)
    assert not read_image(saved(tmp_path / "flat.png", flat)).any()


def test_float_grey_is_stretched_over_its_finite_values(tmp_path):
    values = np.array([[0.0, 0.5], [1.0, np.nan], [np.inf, -np.inf]], np.float32)
    read = read_image(saved(tmp_path / "f.tif", values))
    np.testing.assert_array_equal(read, [[0, 128], [255, 0], [255, 0]])


def test_a_palette_is_colour(tmp_path):
    path = tmp_path / "p.png"
    Image.fromarray(COLOUR).convert("P", palette=Image.Palette.ADAPTIVE).save(path)
    assert read_image(path).shape == (6, 8, 3)


def test_one_bit_is_black_and_white_grey(tmp_path):
    path = tmp_path / "b.png"
    Image.fromarray(RAMP > 20).save(path)
    np.testing.assert_array_equal(read_image(path), (RAMP > 20) * np.uint8(255))


def test_transparency_is_laid_over_black(tmp_path):
    layers = np.dstack([COLOUR, np.where(RAMP < 24, 0, 255).astype(np.uint8)])
    read = read_image(saved(tmp_path / "rgba.png", layers))
    np.testing.assert_array_equal(read, np.where(RAMP[..., None] < 24, 0, COLOUR))
    grey = np.dstack([RAMP, layers[..., 3]])
    read = read_image(saved(tmp_path / "la.png", grey))
    np.testing.assert_array_equal(read, np.where(RAMP < 24, 0, RAMP))


def test_cmyk_becomes_colour(tmp_path):
    path = tmp_path / "cmyk.jpg"
    Image.fromarray(COLOUR).convert("CMYK").save(path)
    assert read_image(path).shape == (6, 8, 3)


def test_the_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    path = saved(tmp_path / "turned.png", RAMP, exif=exif)
    np.testing.assert_array_equal(read_image(path), np.rot90(RAMP, -1))


def test_the_size_is_read_without_decoding(tmp_path, bomb):
    path = tmp_path / "half.png"
    path.write_bytes(bomb(300, 200))
    assert image_size(path) == (300, 200)
    with pytest.raises(ImageError, match="half.png"):
        read_image(path)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, bomb):
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(60_000, 60_000))
    with pytest.raises(ImageError, match=r"bomb.png declares .* at most 178,956,970"):
        read_image(path)


def test_a_bomb_is_refused_where_pillow_was_told_not_to(tmp_path, bomb, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(13_378, 13_378))
    with pytest.raises(ImageError, match="declares 13378×13378 pixels"):
        read_image(path)


BROKEN = {
    "empty.png": (b"", r"empty \(0 bytes\)"),
    "text.png": (b"not an image at all", "not a readable image"),
    "half.png": (b"\x89PNG\r\n\x1a\n\x00\x00", "half.png"),
    "script.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a readable image"),
    "page.jpg": (b"<html><body>404</body></html>", "not a readable image"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_image_is_named_with_the_reason(tmp_path, name):
    content, reason = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=f"{name}.*{reason}|{reason}"):
        read_image(tmp_path / name)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp"])
def test_a_file_cut_off_anywhere_is_an_image_error(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    whole = saved(tmp_path / f"whole.{suffix}", noise).read_bytes()
    for share in (0.02, 0.1, 0.5, 0.9):
        cut = tmp_path / f"cut.{suffix}"
        cut.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ImageError, match="cut"):
            read_image(cut)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::RuntimeWarning:PIL")
def test_random_damage_gives_pixels_or_an_image_error(tmp_path):
    rng = np.random.default_rng(1)
    whole = {}
    for suffix in ("png", "jpg", "tif", "bmp"):
        path = saved(tmp_path / f"w.{suffix}", rng.integers(0, 256, (12, 12), dtype=np.uint8))
        whole[suffix] = np.frombuffer(path.read_bytes(), np.uint8)
    for trial in range(200):
        suffix = list(whole)[trial % 4]
        damaged = whole[suffix].copy()
        damaged[rng.integers(0, len(damaged), 4)] = rng.integers(0, 256, 4)
        path = tmp_path / f"damaged.{suffix}"
        path.write_bytes(damaged.tobytes())
        with suppress(ImageError):
            assert read_image(path).dtype == np.uint8


def test_what_is_not_a_file_is_an_image_error(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for name, reason in (("none.png", "No such file"), (".", "not a file"), ("pipe.png", "file")):
        with pytest.raises(ImageError, match=reason):
            read_image(tmp_path / name)


@pytest.mark.parametrize("path", ["../a.png", "x/../../a.png", "/etc/hostname", "x/../a.png"])
def test_image_files_refuse_paths_that_lead_out(tmp_path, path):
    with pytest.raises(DataError, match="leads out of the folder"):
        ImageFiles(tmp_path, [path])


def test_image_files_refuse_links_that_lead_out(tmp_path, png):
    png(tmp_path / "outside.png")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link.png").symlink_to(tmp_path / "outside.png")
    files = ImageFiles(tmp_path / "root", ["link.png"])
    for look in (lambda: files[0], lambda: files.content_hash(0)):
        with pytest.raises(DataError, match="leads out") as caught:
            look()
        assert not isinstance(caught.value, ImageError)  # not one bad image to be skipped


def test_a_root_that_is_itself_a_link_is_fine(tmp_path, png):
    png(tmp_path / "real" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert ImageFiles(tmp_path / "link", ["a.png"])[0].shape == (6, 8)


def test_image_files_know_names_and_contents(tmp_path, png):
    for name in ("a/1.png", "a/2.png"):
        png(tmp_path / name)
    files = pickle.loads(pickle.dumps(ImageFiles(tmp_path, ["a/1.png", "a/2.png", "gone.png"])))
    assert [files.name(i) for i in range(len(files))] == ["a/1.png", "a/2.png", "gone.png"]
    assert files.content_hash(0) != files.content_hash(1)
    before = files.content_hash(0)
    png(tmp_path / "a/1.png", value=7)
    assert files.content_hash(0) != before
    with pytest.raises(ImageError, match="gone.png"):
        files.content_hash(2)
    assert "1.png" not in repr(files)
