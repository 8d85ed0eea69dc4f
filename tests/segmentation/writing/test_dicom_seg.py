"""Masks as DICOM segmentation objects: what they refer to, and that pixels come back."""

import warnings

import numpy as np
import pytest

from vesalius.core import DataError, ImageError
from vesalius.segmentation.writing import dicom_seg

pydicom = pytest.importorskip("pydicom")
highdicom = pytest.importorskip("highdicom")
CT, FILM, CINE = (f"1.2.840.10008.5.1.4.1.1.{n}" for n in ("2", "1.1", "3.1"))
PLANE = {
    "FrameOfReferenceUID": "1.2.3.9",
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "ImagePositionPatient": [0, 0, 5.0],
    "PixelSpacing": [0.5, 0.5],
    "SliceThickness": 5,
}
WHO = {"PatientID": "P1", "PatientName": "Doe^Jane", "StudyInstanceUID": "1.2.3.1",
       "SeriesInstanceUID": "1.2.3.2", "SeriesNumber": 3, "InstanceNumber": 7}  # fmt: skip


def source(path, kind, *, frames=1, **elements):
    """Write a film of 6 × 8 pixels."""
    from pydicom.dataset import FileDataset, FileMetaDataset

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, "1.2.3.4"
    own = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    plain = {"SOPClassUID": kind, "SOPInstanceUID": "1.2.3.4", "Modality": "OT", "Rows": 6,
             "Columns": 8, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
             "BitsAllocated": 16, "BitsStored": 12,
             "HighBit": 11, "PixelRepresentation": 0}  # fmt: skip
    several = {"NumberOfFrames": frames} if frames > 1 else {}
    for keyword, value in {**plain, **several, **WHO, **elements}.items():
        if value is not None:
            setattr(own, keyword, value)
    own.PixelData = np.zeros((frames, 6, 8), np.uint16).tobytes()
    own["PixelData"].VR = "OW"
    own.save_as(path, enforce_file_format=True)
    return path


def some_masks(frames=1):
    rng = np.random.default_rng(0)
    return {
        "a nodule": [rng.random((6, 8)) < 0.3 for _ in range(frames)],
        "the heart": [np.zeros((6, 8), bool) for _ in range(frames)],
    }


def read_back(path, content):
    """Return the object and its pixels, by frame of the source and segment."""
    path.write_bytes(content)
    found = pydicom.dcmread(path)
    pixels = found.pixel_array.reshape(-1, 6, 8)
    by_place = {}
    shared = found.SharedFunctionalGroupsSequence[0]
    for groups, own in zip(found.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        place = groups if "SegmentIdentificationSequence" in groups else shared
        segment = place.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        item = groups.DerivationImageSequence[0].SourceImageSequence[0]
        frame = int(item.get("ReferencedFrameNumber") or 1)
        by_place[frame, segment] = own > 0
    return found, by_place


@pytest.mark.parametrize(
    ("kind", "elements"),
    [(CT, PLANE), (CT, {}), (FILM, {}), (FILM, {"FrameOfReferenceUID": "1.2.3.9"})],
    ids=["ct", "ct without a place", "film", "film with a frame of reference alone"],
)
def test_a_segment_a_text_comes_back_and_refers_to_its_source(tmp_path, kind, elements):
    path = source(tmp_path / "a.dcm", kind, **elements)
    masks = some_masks()
    found, pixels = read_back(tmp_path / "m.dcm", dicom_seg(path, [1], masks, method="gradcam"))
    assert found.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.4"
    assert found.SegmentationType == "BINARY"
    assert [s.SegmentLabel for s in found.SegmentSequence] == list(masks)
    assert found.StudyInstanceUID == WHO["StudyInstanceUID"]
    assert found.SeriesInstanceUID != WHO["SeriesInstanceUID"]
    assert found.PatientID == WHO["PatientID"]
    if "ImagePositionPatient" in elements:
        assert found.FrameOfReferenceUID == PLANE["FrameOfReferenceUID"]
    series = found.ReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == WHO["SeriesInstanceUID"]
    instance = series.ReferencedInstanceSequence[0]
    assert instance.ReferencedSOPInstanceUID == "1.2.3.4"
    assert instance.ReferencedSOPClassUID == kind
    for segment, own in enumerate(masks.values(), 1):
        np.testing.assert_array_equal(pixels[1, segment], own[0])


def test_every_frame_of_a_cine_has_its_own_mask_and_others_are_empty(tmp_path):
    path, masks = source(tmp_path / "a.dcm", CINE, frames=4), some_masks(2)
    found, pixels = read_back(tmp_path / "m.dcm", dicom_seg(path, [2, 4], masks, method="gradcam"))
    assert len(pixels) == 8
    indices = {tuple(g.FrameContentSequence[0].DimensionIndexValues)
               for g in found.PerFrameFunctionalGroupsSequence}  # fmt: skip
    assert len(indices) == 8
    assert {len(own) for own in indices} == {len(found.DimensionIndexSequence)}
    np.testing.assert_array_equal(pixels[2, 1], masks["a nodule"][0])
    np.testing.assert_array_equal(pixels[4, 1], masks["a nodule"][1])
    assert not pixels[1, 1].any()
    assert not pixels[3, 1].any()


def test_the_same_masks_get_the_same_uids_and_others_others(tmp_path):
    path, masks = source(tmp_path / "a.dcm", FILM), some_masks()
    first, again = (
        read_back(tmp_path / "m.dcm", dicom_seg(path, [1], masks, method="gradcam"))[0]
        for _ in range(2)
    )
    assert first.SOPInstanceUID == again.SOPInstanceUID
    masks["the heart"] = [np.ones((6, 8), bool)]
    other, _ = read_back(tmp_path / "m.dcm", dicom_seg(path, [1], masks, method="gradcam"))
    assert other.SOPInstanceUID != first.SOPInstanceUID
    assert other.SeriesInstanceUID == first.SeriesInstanceUID


def test_elements_that_may_be_blank_may_be_left_out_and_long_texts_are_cut(tmp_path):
    path = source(tmp_path / "a.dcm", FILM, PatientName=None, PatientID=None, InstanceNumber=None)
    masks = {"very long words " * 20: [np.ones((6, 8), bool)]}
    found, _ = read_back(tmp_path / "m.dcm", dicom_seg(path, [1], masks, method="way " * 40))
    assert len(found.SegmentSequence[0].SegmentLabel) <= 64


def test_what_cannot_be_referred_to_is_told_without_a_name(tmp_path):
    path = source(tmp_path / "a.dcm", FILM, StudyInstanceUID=None)
    with pytest.raises(ImageError, match="it has no StudyInstanceUID") as told:
        dicom_seg(path, [1], some_masks(), method="gradcam")
    assert "Doe" not in str(told.value)
    path = source(tmp_path / "c.dcm", CT, **PLANE | {"ImageOrientationPatient": None})
    with pytest.raises(ImageError, match="no DICOM-SEG can be made of it") as told:
        dicom_seg(path, [1], some_masks(), method="gradcam")
    assert "Doe" not in str(told.value)
    path = source(tmp_path / "b.dcm", FILM)
    with pytest.raises(DataError, match="does not lie on 1 frames"):
        dicom_seg(path, [2], some_masks(), method="gradcam")


def test_nothing_is_warned_of(tmp_path):
    path = source(tmp_path / "a.dcm", CT, **PLANE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dicom_seg(path, [1], some_masks(), method="gradcam")


def test_highdicom_reads_the_masks_of_a_cine_by_source_frame(tmp_path):
    path, masks = source(tmp_path / "a.dcm", CINE, frames=3), some_masks(3)
    (tmp_path / "m.dcm").write_bytes(dicom_seg(path, [1, 2, 3], masks, method="gradcam"))
    found = highdicom.seg.segread(tmp_path / "m.dcm")
    pixels = found.get_pixels_by_source_frame("1.2.3.4", [1, 2, 3])
    np.testing.assert_array_equal(pixels[..., 0] > 0, masks["a nodule"])
    assert not pixels[..., 1].any()


def test_an_enhanced_ct_keeps_the_place_of_each_frame(tmp_path):
    def item(**elements):
        own = pydicom.Dataset()
        for keyword, value in elements.items():
            setattr(own, keyword, value)
        return own

    shared = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.5], SliceThickness=5)],
    )
    frames = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 5.0 * z])],
            FrameContentSequence=[item(DimensionIndexValues=[z + 1])],
        )
        for z in range(3)
    ]
    path = source(
        tmp_path / "a.dcm", "1.2.840.10008.5.1.4.1.1.2.1", frames=3, FrameOfReferenceUID="1.2.3.9",
        SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=frames,
    )  # fmt: skip
    masks = some_masks(3)
    found, pixels = read_back(tmp_path / "m.dcm", dicom_seg(path, [1, 2, 3], masks, method="way"))
    assert found.FrameOfReferenceUID == "1.2.3.9"
    for frame, mask_HW in enumerate(masks["a nodule"], 1):
        np.testing.assert_array_equal(pixels[frame, 1], mask_HW)
