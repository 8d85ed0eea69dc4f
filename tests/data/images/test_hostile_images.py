"""Damaged files of every kind give pixels or an ImageError, and never take much memory."""

import gzip
import io
import resource
import tempfile
import tracemalloc
import zlib
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vesalius.core import ImageError
from vesalius.data import read_image
from vesalius.data.images import SUFFIXES, image_size

pytest.importorskip("pydicom")
pytest.importorskip("nibabel")
MOST_MEMORY = (
    700 * 2**20
)  # bytes: four float64 copies of the 2**24 pixels that any file may declare
SYNTAXES = ("MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm",
            "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_small_odd_jpeg.dcm", "image_dfl.dcm", "rtdose.dcm",
            "MR_small.dcm", "MR_small_bigendian.dcm", "SC_rgb_rle_2frame.dcm")  # fmt: skip


def picture(mode, form, **options):
    rng = np.random.default_rng(0)
    pixels = {
        "L": rng.integers(0, 256, (40, 30), dtype=np.uint8),
        "I;16": rng.integers(0, 65536, (40, 30), dtype=np.uint16),
        "RGB": rng.integers(0, 256, (40, 30, 3), dtype=np.uint8),
        "RGBA": rng.integers(0, 256, (40, 30, 4), dtype=np.uint8),
    }
    buffer = io.BytesIO()
    image = Image.fromarray(pixels["RGB" if mode == "P" else mode])
    (image.convert("P") if mode == "P" else image).save(buffer, form, **options)
    return buffer.getvalue()


def volume():
    import nibabel

    values = np.random.default_rng(0).integers(0, 900, (5, 6, 7)).astype(np.int16)
    return nibabel.Nifti1Image(values, np.diag([1.0, 2, 3, 1])).to_bytes()


def seeds():
    from pydicom.data import get_testdata_file

    found = {
        "grey.png": picture("L", "PNG"),
        "deep.png": picture("I;16", "PNG"),
        "alpha.png": picture("RGBA", "PNG"),
        "palette.png": picture("P", "PNG"),
        "plain.tif": picture("I;16", "TIFF"),
        "deflated.tif": picture("RGB", "TIFF", compression="tiff_deflate"),
        "lzw.tif": picture("L", "TIFF", compression="tiff_lzw"),
        "film.jpg": picture("L", "JPEG"),
        "film.bmp": picture("RGB", "BMP"),
        "volume.nii": volume(),
        "volume.nii.gz": gzip.compress(volume()),
    }
    for name in SYNTAXES:
        found[name] = Path(get_testdata_file(name, download=False)).read_bytes()
    return found


SEEDS = seeds()
FOLDER = Path(tempfile.mkdtemp(prefix="hostile-"))
edits = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)))
thorough = settings(max_examples=250, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module", autouse=True)
def removed():
    yield
    rmtree(FOLDER, ignore_errors=True)


def pixels_or_an_image_error(path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    said = path.name
    try:
        pixels = read_image(path)
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 2 or pixels.shape[2:] == (3,)
    except ImageError as error:
        said = str(error)
    assert path.name in said
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert max(peak, grown) < MOST_MEMORY


@pytest.mark.filterwarnings("ignore")
@thorough
@given(name=st.sampled_from(sorted(SEEDS)), changes=edits, kept=st.just(1.0) | st.floats(0, 1))
def test_a_damaged_file_gives_pixels_or_an_image_error(name, changes, kept):
    whole = bytearray(SEEDS[name])
    for place, bytes_ in changes:
        at = int(place * len(whole))
        whole[at : at + len(bytes_)] = bytes_
    path = FOLDER / name
    path.write_bytes(whole[: int(len(whole) * kept)])
    pixels_or_an_image_error(path)


@pytest.mark.filterwarnings("ignore")
@thorough
@given(
    name=st.sampled_from(["MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm",
                          "volume.nii", "plain.tif", "deflated.tif"]),
    changes=st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from([0, 1, 127, 128, 255])),
        min_size=1, max_size=5,
    ),
)  # fmt: skip
def test_a_damaged_header_gives_pixels_or_an_image_error(name, changes):
    """Damage where sizes are declared: the end of a DICOM header, the start of the others."""
    whole = bytearray(SEEDS[name])
    start = max(whole.find(b"\x28\x00\x02\x00"), 0) if name.endswith(".dcm") else 0
    for place, byte in changes:
        whole[min(start + place, len(whole) - 1)] = byte
    path = FOLDER / name
    path.write_bytes(whole)
    pixels_or_an_image_error(path)
    if name == "volume.nii":
        packed = FOLDER / "volume.nii.gz"
        packed.write_bytes(gzip.compress(bytes(whole)))
        pixels_or_an_image_error(packed)


@pytest.mark.filterwarnings("ignore")
@thorough
@given(
    suffix=st.sampled_from(["", *SUFFIXES]),
    start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"BM", b"\xff\xd8\xff",
                           bytes(128) + b"DICM", b"\x08\x00\x05\x00", b"\x1f\x8b\x08\0",
                           b"GIF89a"]),
    noise=st.binary(max_size=600),
)  # fmt: skip
def test_noise_gives_pixels_or_an_image_error(suffix, start, noise):
    path = FOLDER / f"noise{suffix}"
    path.write_bytes(start + noise)
    pixels_or_an_image_error(path)


def entry(tag, kind, count, value):
    return b"".join(
        n.to_bytes(s, "little") for n, s in ((tag, 2), (kind, 2), (count, 4), (value, 4))
    )


def tiff(width, height, *, rows_per_strip, strips, compression=1, data=b""):
    """Return a little-endian grey TIFF of one directory; all strips point at the same bytes."""
    place = 8 + 2 + 9 * 12 + 4
    offsets, counts = place + len(data), place + len(data) + 4 * strips
    entries = [
        entry(256, 4, 1, width), entry(257, 4, 1, height), entry(258, 3, 1, 8),
        entry(259, 3, 1, compression), entry(262, 3, 1, 1), entry(273, 4, strips, offsets),
        entry(277, 3, 1, 1), entry(278, 4, 1, rows_per_strip), entry(279, 4, strips, counts),
    ]  # fmt: skip
    head = b"II*\0" + (8).to_bytes(4, "little") + (9).to_bytes(2, "little")
    strip = [place.to_bytes(4, "little"), len(data).to_bytes(4, "little")]
    return head + b"".join(entries) + bytes(4) + data + strip[0] * strips + strip[1] * strips


TIFFS = {
    "large": tiff(60_000, 60_000, rows_per_strip=60_000, strips=1, data=b"x"),
    "hollow": tiff(13_000, 13_000, rows_per_strip=13_000, strips=1, data=b"x"),
    "packed": tiff(13_000, 13_000, rows_per_strip=1, strips=1, compression=8,
                   data=zlib.compress(bytes(13_000))),
    "short": tiff(4_000, 4_000, rows_per_strip=4_000, strips=1, data=bytes(100)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TIFFS)
def test_a_tiff_that_declares_more_than_it_has_is_refused(tmp_path, name):
    path = tmp_path / f"{name}.tif"
    path.write_bytes(TIFFS[name])
    with pytest.raises(ImageError, match=f"{name}.tif"):
        read_image(path)
    pixels_or_an_image_error(path)


@pytest.mark.filterwarnings("ignore")
def test_a_tiff_of_many_tiny_strips_is_read_in_bounded_memory(tmp_path):
    packed = zlib.compress(bytes(range(256)) * 2)
    path = tmp_path / "strips.tif"
    path.write_bytes(tiff(512, 20_000, rows_per_strip=1, strips=20_000, compression=8, data=packed))
    assert read_image(path).shape == (20_000, 512)
    assert read_image(path)[19_999, 300] == 44
    pixels_or_an_image_error(path)


@pytest.mark.filterwarnings("ignore")
def test_a_png_bomb_within_the_bound_of_pixels_is_refused_by_its_bytes(tmp_path, bomb):
    (tmp_path / "bomb.png").write_bytes(bomb(13_000, 13_000))
    with pytest.raises(ImageError, match="declares 13000×13000 pixels, but has .* bytes"):
        read_image(tmp_path / "bomb.png")


def test_a_large_empty_picture_is_no_bomb(tmp_path):
    Image.new("L", (5000, 5000)).save(tmp_path / "black.png")
    assert (tmp_path / "black.png").stat().st_size < 50_000
    assert read_image(tmp_path / "black.png").shape == (5000, 5000)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "ICO", "PPM", "PCX", "TGA"])
def test_other_formats_are_refused_by_name_of_those_that_are_read(tmp_path, form):
    path = tmp_path / "film.png"
    Image.new("RGB", (16, 16)).save(path, form)
    for look in (read_image, image_size):
        with pytest.raises(ImageError, match=r"not a readable image \(PNG, JPEG, BMP, TIFF\)"):
            look(path)
