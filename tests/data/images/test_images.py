import os
import pickle
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from vesalius.core import DataError, ImageError
from vesalius.data import ImageFiles, read_image
from vesalius.data.images import decode, image_size


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


def test_the_first_page_of_a_tiff_is_read_unless_another_is_picked(tmp_path):
    pages = [Image.fromarray(RAMP + 10 * page) for page in range(3)]
    path = tmp_path / "stack.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read_image(path), RAMP)
    for page in range(3):
        picked = f"{path}#frame={page + 1}"
        np.testing.assert_array_equal(read_image(picked), RAMP + 10 * page)
        assert image_size(picked) == (8, 6)
    for frame in (0, 4):
        with pytest.raises(ImageError, match=f"stack.tif has no frame {frame}; it has 3"):
            read_image(f"{path}#frame={frame}")


def test_a_picture_has_no_slices_to_pick(tmp_path):
    with pytest.raises(DataError, match="a picture has no 'axial' to pick; it takes frame"):
        read_image(f"{saved(tmp_path / 'g.png', RAMP)}#axial=1")


def deep_colour_png(values):
    """Return a PNG of 16 bits a channel, which Pillow cannot write."""
    import struct
    import zlib

    def chunk(kind, body):
        crc = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def test_of_sixteen_bit_colour_the_high_byte_is_kept(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (6, 8, 3)).astype(np.uint16)
    (tmp_path / "deep.png").write_bytes(deep_colour_png(values))
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png"), values >> 8)


def test_the_same_deep_value_is_another_grey_in_another_file(tmp_path):
    """The stretch is an image's own: what must compare between files needs DICOM's fixed window."""
    low = saved(tmp_path / "low.png", np.array([[0, 1000]], np.uint16))
    high = saved(tmp_path / "high.png", np.array([[0, 1000, 2000]], np.uint16))
    assert read_image(low)[0, 1] == 255
    assert read_image(high)[0, 1] == 128


def test_a_transparent_colour_counts_in_palettes_only(tmp_path):
    grey = Image.fromarray(RAMP)
    grey.save(tmp_path / "grey.png", transparency=40)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), RAMP)
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    palette.save(tmp_path / "palette.png", transparency=1)
    assert read_image(tmp_path / "palette.png").tolist() == [
        [[10, 20, 30], [0, 0, 0], [70, 80, 90]]
    ]


def test_the_steps_of_every_rule_are_recorded(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    made = {
        ("PNG",): saved(tmp_path / "a.png", RAMP),
        ("TIFF", "stretched from its minimum to its maximum"): saved(
            tmp_path / "b.tif", RAMP.astype(np.uint16)
        ),
        ("PNG", "laid over black"): saved(tmp_path / "c.png", np.dstack([COLOUR, RAMP])),
        ("PNG", "1 bit to black and white"): saved(tmp_path / "d.png", RAMP > 20),
        ("PNG", "turned upright"): saved(tmp_path / "e.png", RAMP, exif=exif),
    }
    Image.fromarray(COLOUR).convert("P").save(tmp_path / "f.png")
    for steps, path in {**made, ("PNG", "palette to colour"): tmp_path / "f.png"}.items():
        assert decode(path).steps == steps


def test_what_is_picked_of_a_file_is_part_of_its_content(tmp_path):
    pages = [Image.fromarray(RAMP + page) for page in range(2)]
    pages[0].save(tmp_path / "s.tif", save_all=True, append_images=pages[1:])
    files = ImageFiles(tmp_path, ["s.tif", "s.tif#frame=1", "s.tif#frame=2"])
    assert len({files.content_hash(i) for i in range(3)}) == 3
    assert files.decoded(2).steps == ("TIFF",)
