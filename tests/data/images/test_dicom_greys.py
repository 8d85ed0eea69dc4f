"""DICOM's grey pipeline on files that the tests write, each step alone and in its order."""

import numpy as np
import pytest

from vesalius.data.images import decode

pydicom = pytest.importorskip("pydicom")
RAMP = np.arange(0, 4096, 85, dtype=np.uint16)[:48].reshape(6, 8)


def item(**elements):
    own = pydicom.Dataset()
    for keyword, value in elements.items():
        setattr(own, keyword, value)
    return own


def lut(first, bits, entries):
    own = item(LUTDescriptor=[len(entries), first, bits], LUTData=[int(e) for e in entries])
    own["LUTDescriptor"].VR, own["LUTData"].VR = "US", "US"
    return own


def shown(path):
    decoded = decode(path)
    return decoded.pixels, decoded.steps[2:]


def test_monochrome1_is_the_inverse_of_monochrome2(tmp_path, dcm):
    window = {"WindowCenter": 2000, "WindowWidth": 1500}
    bright, _ = shown(dcm(tmp_path / "2.dcm", RAMP, **window))
    dark, steps = shown(
        dcm(tmp_path / "1.dcm", RAMP, PhotometricInterpretation="MONOCHROME1", **window)
    )
    np.testing.assert_array_equal(dark, 255 - bright)
    assert steps == ("window 2000/1500", "MONOCHROME1 inverted")
    assert dark[0, 0] == 255


def test_rescale_comes_before_the_window(tmp_path, dcm):
    own = {"RescaleSlope": "2", "RescaleIntercept": "-1000"}
    path = dcm(tmp_path / "a.dcm", RAMP, WindowCenter=500, WindowWidth=1001, **own)
    grey, steps = shown(path)
    by_hand = ((RAMP * 2.0 - 1000 - 499.5) / 1000 + 0.5).clip(0, 1) * 255
    np.testing.assert_array_equal(grey, by_hand.round())
    assert steps == ("rescale 2/-1000", "window 500/1001")


@pytest.mark.parametrize("curve", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_agree_with_pydicom(tmp_path, dcm, curve):
    from pydicom.pixels import apply_windowing

    path = dcm(tmp_path / "a.dcm", RAMP, WindowCenter=1800, WindowWidth=900, VOILUTFunction=curve)
    grey, steps = shown(path)
    theirs = apply_windowing(RAMP, pydicom.dcmread(path)) / 65535 * 255
    np.testing.assert_allclose(grey, theirs, atol=0.51)
    assert steps[0].startswith("window 1800/900")


def test_a_voi_lut_is_preferred_to_a_window_until_one_is_asked_for(tmp_path, dcm):
    from pydicom.pixels import apply_voi

    entries = (np.linspace(0, 1, 1000) ** 2 * 4095).astype(int)
    path = dcm(
        tmp_path / "a.dcm", RAMP, VOILUTSequence=[lut(500, 12, entries)],
        WindowCenter=1800, WindowWidth=900,
    )  # fmt: skip
    grey, steps = shown(path)
    by_hand = entries[np.clip(RAMP.astype(int) - 500, 0, 999)] / 4095 * 255
    np.testing.assert_array_equal(grey, by_hand.round())
    np.testing.assert_allclose(grey, apply_voi(RAMP, pydicom.dcmread(path)) / 4095 * 255, atol=0.51)
    assert steps == ("VOI LUT",)
    assert shown(f"{path}#window=1")[1] == ("window 1800/900",)


def test_a_modality_lut_comes_first(tmp_path, dcm):
    from pydicom.pixels import apply_modality_lut

    entries = np.arange(4096)[::-1] * 16
    own = lut(0, 16, entries)
    own.ModalityLUTType = "OD"
    path = dcm(
        tmp_path / "a.dcm", RAMP, ModalityLUTSequence=[own], WindowCenter=3e4, WindowWidth=2e4
    )
    grey, steps = shown(path)
    values = entries[RAMP].astype(float)
    np.testing.assert_array_equal(values, apply_modality_lut(RAMP, pydicom.dcmread(path)))
    np.testing.assert_array_equal(
        grey, (((values - 29999.5) / 19999 + 0.5).clip(0, 1) * 255).round()
    )
    assert steps == ("modality LUT", "window 30000/20000")


def test_eight_bits_stay_as_stored_and_twelve_are_stretched(tmp_path, dcm):
    small = (RAMP // 17).astype(np.uint8)
    grey, steps = shown(dcm(tmp_path / "8.dcm", small))
    np.testing.assert_array_equal(grey, small)
    assert steps == ("8 bit as stored",)
    grey, steps = shown(dcm(tmp_path / "12.dcm", RAMP, BitsStored=12, HighBit=11))
    np.testing.assert_array_equal(grey, (RAMP / RAMP.max() * 255).round())
    assert steps == ("stretched from its minimum to its maximum",)


@pytest.mark.parametrize(("kind", "written"), [("SS", -2000), ("US", 63536)])
def test_padding_is_black_and_does_not_count(tmp_path, dcm, kind, written):
    values = RAMP.astype(np.int16)
    values[0, :3] = -2000
    path = dcm(tmp_path / "a.dcm", values, PhotometricInterpretation="MONOCHROME1")
    own = pydicom.dcmread(path)
    own.add_new("PixelPaddingValue", kind, written)
    own.save_as(path)
    grey, steps = shown(path)
    inside = values[values > -2000].astype(float)
    by_hand = 255 - ((values - inside.min()) / np.ptp(inside) * 255).round()
    np.testing.assert_array_equal(grey, np.where(values == -2000, 0, by_hand))
    assert steps[-2:] == ("MONOCHROME1 inverted", "padding black")


@pytest.mark.parametrize("width", [0, -5, 0.5])
def test_a_window_that_is_none_is_not_used(tmp_path, dcm, width):
    path = dcm(tmp_path / "a.dcm", RAMP, WindowCenter=100, WindowWidth=width)
    assert shown(path)[1] == ("stretched from its minimum to its maximum",)


def test_enhanced_files_have_rescale_and_window_in_functional_groups(tmp_path, dcm):
    frames = np.stack([RAMP, RAMP + 100, RAMP + 200])
    rescale = item(RescaleSlope=1, RescaleIntercept=-1000, RescaleType="HU")
    shared = item(PixelValueTransformationSequence=[rescale])
    own = [
        item(FrameVOILUTSequence=[item(WindowCenter=c, WindowWidth=1000)]) for c in (100, 200, 300)
    ]
    path = dcm(
        tmp_path / "a.dcm", frames,
        SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=own,
    )  # fmt: skip
    for frame in (1, 2, 3):
        grey, steps = shown(f"{path}#frame={frame}")
        assert steps == ("rescale 1/-1000", f"window {frame}00/1000")
        values = frames[frame - 1] - 1000.0
        by_hand = (values - (frame * 100 - 0.5)) / 999 + 0.5
        np.testing.assert_array_equal(grey, (by_hand.clip(0, 1) * 255).round())


def test_signed_values_keep_their_sign(tmp_path, dcm):
    values = (RAMP.astype(np.int32) - 2000).astype(np.int16)
    grey, _ = shown(dcm(tmp_path / "a.dcm", values, WindowCenter=0, WindowWidth=4001))
    np.testing.assert_array_equal(
        grey, ((values + 0.5) / 4000 + 0.5).clip(0, 1).__mul__(255).round()
    )


def test_float_pixels_are_stretched(tmp_path, dcm):
    own = pydicom.dcmread(dcm(tmp_path / "a.dcm", RAMP))
    values = np.linspace(-1, 1, 48).astype("<f4").reshape(6, 8)
    del own.PixelData, own.BitsStored, own.HighBit, own.PixelRepresentation
    own.BitsAllocated, own.FloatPixelData = 32, values.tobytes()
    own.save_as(tmp_path / "a.dcm")
    grey, steps = shown(tmp_path / "a.dcm")
    np.testing.assert_array_equal(grey, ((values.astype(float) + 1) / 2 * 255).round())
    assert steps == ("stretched from its minimum to its maximum",)
