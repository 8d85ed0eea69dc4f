"""DICOM images: pydicom's own files (they come with its package), and files that the tests make.

Expected values come from the raw bytes and a formula written out here, from the same picture in
another transfer syntax, or from the colours that the test picture is known to have.
"""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vesalius.core import DataError, ImageError
from vesalius.data import read_image
from vesalius.data.images import decode, image_size
from vesalius.data.images.dicom_header import opened_header

pydicom = pytest.importorskip("pydicom")


def bundled(name):
    from pydicom.data import get_testdata_file

    return get_testdata_file(name, download=False)


def raw_bytes(name):
    return Path(bundled(name)).read_bytes()


def stored(name, dtype, shape):
    """Return the pixel data of an uncompressed file, byte for byte."""
    data = pydicom.dcmread(bundled(name)).PixelData
    return np.frombuffer(data, dtype, count=int(np.prod(shape))).reshape(shape)


def min_max(values):
    low, high = float(values.min()), float(values.max())
    return ((values - low) / (high - low) * 255).round().astype(np.uint8)


def linear(values, centre, width):
    share = (values - (centre - 0.5)) / (width - 1) + 0.5
    return (share.clip(0, 1) * 255).round().astype(np.uint8)


def test_ct_without_a_window_is_rescaled_and_stretched():
    decoded = decode(bundled("CT_small.dcm"))
    np.testing.assert_array_equal(
        decoded.pixels, min_max(stored("CT_small.dcm", "<i2", (128, 128)).astype(float) - 1024)
    )
    assert decoded.steps == ("DICOM", "uncompressed", "rescale 1/-1024",
                             "stretched from its minimum to its maximum")  # fmt: skip


def test_a_window_that_is_asked_for_is_in_hounsfield_units():
    decoded = decode(f"{bundled('CT_small.dcm')}#window=40,400")
    values = stored("CT_small.dcm", "<i2", (128, 128)).astype(float) - 1024
    np.testing.assert_array_equal(decoded.pixels, linear(values, 40, 400))
    assert decoded.steps[-1] == "window 40/400"


MR = {
    "MR_small.dcm": "uncompressed",
    "MR_small_implicit.dcm": "uncompressed",
    "MR_small_bigendian.dcm": "uncompressed",
    "MR_small_expb.dcm": "uncompressed",
    "MR_small_padded.dcm": "uncompressed",
    "MR_small_RLE.dcm": "RLE Lossless",
    "MR_small_jp2klossless.dcm": "JPEG 2000",
    "MR_small_jpeg_ls_lossless.dcm": "JPEG-LS Lossless",
}


@pytest.mark.parametrize("name", MR)
def test_the_same_mr_comes_out_of_every_lossless_syntax(name):
    decoded = decode(bundled(name))
    expected = linear(stored("MR_small.dcm", "<i2", (64, 64)).astype(float), 600, 1600)
    np.testing.assert_array_equal(decoded.pixels, expected)
    assert (expected.min(), expected.max(), expected[0, 0]) == (52, 255, 176)
    assert decoded.steps == ("DICOM", MR[name], "window 600/1600")


BARS = [[255, 0, 0], [255, 128, 128], [0, 255, 0], [128, 255, 128], [0, 0, 255], [128, 128, 255],
        [0, 0, 0], [64, 64, 64], [192, 192, 192], [255, 255, 255]]  # fmt: skip
BAR_FILES = {
    "SC_rgb_rle.dcm": 0,
    "SC_rgb_rle_16bit.dcm": 0,
    "SC_rgb_rle_32bit.dcm": 0,
    "SC_rgb_gdcm_KY.dcm": 0,
    "SC_rgb_jpeg_gdcm.dcm": 0,
    "SC_rgb_dcmtk_+eb+cr.dcm": 1,
    "SC_rgb_jls_lossy_line.dcm": 3,
    "SC_rgb_jls_lossy_sample.dcm": 3,
    "SC_rgb_jpeg_lossy_gdcm.dcm": 5,
    "SC_rgb_dcmtk_+eb+cy+np.dcm": 5,
    "SC_rgb_dcmtk_+eb+cy+s4.dcm": 5,
    "SC_ybr_full_422_uncompressed.dcm": 5,
}


@pytest.mark.parametrize("name", BAR_FILES)
def test_ten_bars_have_their_colours_in_every_syntax(name):
    pixels = read_image(bundled(name))
    assert pixels.shape == (100, 100, 3)
    middles = pixels[5::10, 50].astype(int)
    assert np.abs(middles - BARS).max() <= BAR_FILES[name]


def test_frames_are_addressed_from_one():
    path = bundled("SC_rgb_rle_2frame.dcm")
    np.testing.assert_array_equal(read_image(path), read_image(f"{path}#frame=1"))
    np.testing.assert_array_equal(read_image(f"{path}#frame=2"), 255 - read_image(path))
    for frame in (0, 3):
        with pytest.raises(ImageError, match=f"no frame {frame}; it has 2"):
            read_image(f"{path}#frame={frame}")


@pytest.mark.parametrize("name", ["rtdose.dcm", "rtdose_expb.dcm", "rtdose_rle.dcm"])
def test_a_frame_of_a_stack_is_stretched_alone(name):
    frames = stored("rtdose.dcm", "<u4", (15, 10, 10)).astype(float)
    for frame in (1, 8, 15):
        pixels = read_image(f"{bundled(name)}#frame={frame}")
        np.testing.assert_array_equal(pixels, min_max(frames[frame - 1]))


def test_a_palette_gives_the_high_bytes_of_its_entries():
    own = pydicom.dcmread(bundled("examples_palette.dcm"))
    entries = [
        np.frombuffer(own[f"{c}PaletteColorLookupTableData"].value, "<u2") >> 8
        for c in ("Red", "Green", "Blue")
    ]
    indices = np.frombuffer(own.PixelData, np.uint8).reshape(350, 800)
    decoded = decode(bundled("examples_palette.dcm"))
    np.testing.assert_array_equal(decoded.pixels, np.stack([e[indices] for e in entries], axis=-1))
    assert decoded.steps == ("DICOM", "uncompressed", "palette to colour")


def test_a_jpeg_cine_is_what_a_jpeg_decoder_gives():
    from pydicom.encaps import generate_frames

    own = pydicom.dcmread(bundled("examples_ybr_color.dcm"))
    frames = list(generate_frames(own.PixelData, number_of_frames=30))
    decoded = decode(f"{bundled('examples_ybr_color.dcm')}#frame=30")
    expected = np.asarray(Image.open(io.BytesIO(frames[29])).convert("RGB")).astype(int)
    assert np.abs(decoded.pixels - expected).max() <= 2
    assert decoded.steps == ("DICOM", "JPEG Baseline", "YBR_FULL_422 to RGB")


def test_colour_bytes_stay_as_they_are():
    rgb = stored("examples_rgb_color.dcm", np.uint8, (240, 320, 3))
    np.testing.assert_array_equal(read_image(bundled("examples_rgb_color.dcm")), rgb)


def test_a_jpeg_that_says_rgb_is_not_taken_for_ybr():
    plain = read_image(bundled("SC_rgb_jpeg_dcmd.dcm"))
    np.testing.assert_array_equal(read_image(bundled("SC_rgb_jpeg.dcm")), plain)


def test_a_deflated_file_is_inflated():
    import zlib

    raw = raw_bytes("image_dfl.dcm")
    start = 144 + int.from_bytes(raw[140:144], "little")
    inside = zlib.decompress(raw[start:], -15)
    expected = np.frombuffer(inside[-512 * 512 :], np.uint8).reshape(512, 512)
    np.testing.assert_array_equal(read_image(bundled("image_dfl.dcm")), expected)


@pytest.mark.parametrize("name", ["liver_1frame.dcm", "liver_expb_1frame.dcm"])
def test_one_bit_is_black_and_white(name):
    bits = np.unpackbits(stored("liver_1frame.dcm", np.uint8, (32768,)), bitorder="little")
    np.testing.assert_array_equal(read_image(bundled(name)), bits.reshape(512, 512) * 255)


def test_the_second_window_and_the_full_range_can_be_asked_for():
    path, values = (
        bundled("examples_overlay.dcm"),
        stored("examples_overlay.dcm", "<u2", (300, 484)),
    )
    values = (values & 0xFFF).astype(float)
    np.testing.assert_array_equal(read_image(path), linear(values, 450, 790))
    np.testing.assert_array_equal(read_image(f"{path}#window=2"), linear(values, 200, 443))
    np.testing.assert_array_equal(read_image(f"{path}#window=full"), min_max(values))
    for wrong, why in (("3", "no window 3; it has 2"), ("0", "is not full"), ("x", "is not full")):
        with pytest.raises(DataError, match=why):
            read_image(f"{path}#window={wrong}")


REFUSED = {
    "MR_truncated.dcm": "truncated: it declares 64×64 pixels in 1 frames, at least 8,192 bytes",
    "badVR.dcm": "NumberOfFrames is not a whole number",
    "rtplan.dcm": r"no pixel data \(RTPLAN\)",
    "test-SR.dcm": r"no pixel data \(SR\)",
    "no_meta.dcm": "not a readable DICOM file",
    "JPGExtended.dcm": r"its pixels \(JPEG Extended\) do not decode",
    "JPEG2000-embedded-sequence-delimiter.dcm": "its compressed data 3722445056×1024",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_says_why(name):
    with pytest.raises(ImageError, match=f"{name}.*{REFUSED[name]}"):
        read_image(bundled(name))


def test_every_bundled_file_gives_pixels_or_an_image_error():
    folder = Path(bundled("CT_small.dcm")).parent
    read, refused = 0, 0
    for path in sorted(folder.glob("*.dcm")):
        try:
            pixels = read_image(path)
        except ImageError:
            refused += 1
            continue
        read += 1
        assert pixels.dtype == np.uint8
        assert pixels.shape[:2] == image_size(path)[::-1]
    assert read >= 55
    assert refused >= 15


def test_a_suffix_is_not_needed_and_a_preamble_neither(tmp_path, dcm):
    whole = dcm(tmp_path / "IM0001").read_bytes()
    (tmp_path / "bare.dcm").write_bytes(whole[132:])
    (tmp_path / "bare").write_bytes(whole[132:])
    for name in ("bare.dcm", "bare"):
        np.testing.assert_array_equal(read_image(tmp_path / name), read_image(tmp_path / "IM0001"))


def test_a_file_without_meta_information_is_read_by_its_look(tmp_path, dcm):
    own = pydicom.dcmread(dcm(tmp_path / "a.dcm"))
    expected = read_image(tmp_path / "a.dcm")
    for implicit, little in ((True, True), (False, True)):
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, pydicom.Dataset(own), implicit_vr=implicit, little_endian=little)
        (tmp_path / "bare.dcm").write_bytes(buffer.getvalue())
        np.testing.assert_array_equal(read_image(tmp_path / "bare.dcm"), expected)


def test_only_what_is_asked_for_is_read_of_a_header(tmp_path, dcm):
    dcm(tmp_path / "a.dcm", PatientName="Doe^Jane", StudyDate="20200101", PatientID="7")
    with opened_header(tmp_path / "a.dcm") as header:
        text = str(header.elements)
    assert "Rows" in text
    assert not any(word in text for word in ("Doe", "20200101", "Patient"))


def test_pictures_and_volumes_are_not_to_be_picked_of_a_dicom_file(tmp_path, dcm):
    dcm(tmp_path / "a.dcm")
    with pytest.raises(
        DataError, match="a DICOM file has no 'axial' to pick; it takes frame, wind"
    ):
        read_image(f"{tmp_path}/a.dcm#axial=1")


def test_a_missing_package_names_the_extra(tmp_path, dcm, monkeypatch):
    import sys

    dcm(tmp_path / "a.dcm")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(DataError, match=r"pip install 'vesalius\[dicom\]'") as caught:
        read_image(tmp_path / "a.dcm")
    assert not isinstance(caught.value, ImageError)  # not one bad image to be skipped


ABSURD = {
    "rows": {"Rows": 65535, "Columns": 65535},
    "frames": {"NumberOfFrames": 2_000_000_000},
    "none": {"Rows": 0},
    "bits": {"BitsAllocated": 4096},
    "samples": {"SamplesPerPixel": 4},
    "less": {"Rows": 7},
    "missing": {"Columns": None},
}


@pytest.mark.parametrize("case", ABSURD)
def test_absurd_sizes_are_refused_before_anything_is_decoded(tmp_path, dcm, case, monkeypatch):
    import pydicom.pixels

    def never(*_):
        raise AssertionError("decoded")

    path = dcm(tmp_path / "a.dcm", **ABSURD[case])
    monkeypatch.setattr(pydicom.pixels, "get_decoder", never)
    with pytest.raises(ImageError, match="a.dcm"):
        read_image(path)


def test_a_compressed_bomb_in_a_small_frame_is_refused(tmp_path):
    whole = bytearray(raw_bytes("MR_small_jp2klossless.dcm"))
    siz = whole.index(b"\xff\x4f\xff\x51") + 8
    whole[siz : siz + 8] = (13000).to_bytes(4, "big") * 2
    (tmp_path / "bomb.dcm").write_bytes(whole)
    with pytest.raises(ImageError, match="declares 64×64 pixels, its compressed data 13000×13000"):
        read_image(tmp_path / "bomb.dcm")


@pytest.mark.parametrize("name", ["MR_small_jp2klossless.dcm", "MR_small_RLE.dcm"])
def test_a_compressed_bomb_that_declares_its_size_is_refused(tmp_path, name):
    own = pydicom.dcmread(bundled(name))
    own.Rows = own.Columns = 13000
    own.save_as(tmp_path / "bomb.dcm")
    whole = bytearray((tmp_path / "bomb.dcm").read_bytes())
    if b"\xff\x4f\xff\x51" in whole:
        siz = whole.index(b"\xff\x4f\xff\x51") + 8
        whole[siz : siz + 8] = (13000).to_bytes(4, "big") * 2
    (tmp_path / "bomb.dcm").write_bytes(whole)
    with pytest.raises(ImageError, match="declares 13000×13000 pixels, but has|RLE data unpack"):
        read_image(tmp_path / "bomb.dcm")


def test_a_deflated_bomb_is_refused(tmp_path, monkeypatch):
    from vesalius.data.images import dicom_header

    monkeypatch.setattr(dicom_header, "LARGEST_INFLATED", 100_000)
    with pytest.raises(ImageError, match="more than 100,000 bytes, deflated"):
        read_image(bundled("image_dfl.dcm"))
