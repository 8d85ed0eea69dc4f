"""Masks of a DICOM file's frames as one DICOM segmentation object (PS3.3, A.51).

It is a binary SEG: one segment a text, one frame for each frame of the source and segment, in the
source's study, referring to the source by its SOP Instance UID, and in its frame of reference where
the source says its position (a CT does, a film may not). By the standard it carries the source's
patient and study elements: **it names the patient where the source does**.

Legend of shapes: F frames of the source, H W pixels, S segments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core.errors import DataError, ImageError
from vesalius.segmentation.writing.frames_without_place import as_one_frame, drawn_out, has_place

if TYPE_CHECKING:
    from jaxtyping import Bool

NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID",
          "Rows", "Columns")  # fmt: skip
MAY_BE_BLANK = ("AccessionNumber", "PatientBirthDate", "PatientID", "PatientName", "PatientSex",
                "ReferringPhysicianName", "StudyDate", "StudyID", "StudyTime")  # fmt: skip
"""Elements of type 2, which some files leave out though the standard wants them blank."""
LABEL = 64  # letters of a SegmentLabel
SERIES = 1000  # above the numbers that scanners give


def seg_package() -> Any:
    """Return highdicom, or say how it is installed.

    Raises:
        DataError: it is not installed.
    """
    try:
        import highdicom
    except ImportError:
        raise DataError("DICOM-SEG files need highdicom: pip install 'vesalius[dicom]'") from None
    return highdicom


def dicom_seg(
    source: Path,
    frames: Sequence[int],
    masks: Mapping[str, Sequence[Bool[np.ndarray, "H W"]]],
    *,
    method: str,
) -> bytes:
    """Return a DICOM-SEG object of the masks; frames of the source without a mask are empty.

    The same masks of the same source get the same UIDs.

    Args:
        source: the DICOM file.
        frames: numbers of its frames, from 1, one a mask.
        masks: of each segment (its label), those of the frames.
        method: how they were made; it stands as the algorithm's name.

    Raises:
        ImageError: the source lacks what a segmentation must refer to, or cannot be referred to.
        DataError: highdicom is not installed, or a mask is not of the source's size.
    """
    highdicom = seg_package()
    header = _header(source)
    stacked_FHWS = _stacked(source, header, frames, masks)
    digest = sha256(np.packbits(stacked_FHWS).tobytes()).hexdigest()
    settings = {"method": method, "uid": _uid(str(header.SOPInstanceUID), method, *masks, digest)}
    try:
        if has_place(header):
            found = _segmentation(highdicom, header, stacked_FHWS, list(masks), **settings)
        else:
            one = as_one_frame(header)
            found = _segmentation(highdicom, one, stacked_FHWS[:1], list(masks), **settings)
            found = drawn_out(found, header, stacked_FHWS)
        buffer = BytesIO()
        found.save_as(buffer)
    except Exception as error:  # its text may quote the header
        raise ImageError(
            f"{source}: no DICOM-SEG can be made of it ({type(error).__name__})"
        ) from None
    return buffer.getvalue()


def _segmentation(
    highdicom: Any,
    header: Any,
    stacked_FHWS: Bool[np.ndarray, "F H W S"],
    texts: Sequence[str],
    *,
    method: str,
    uid: str,
) -> Any:
    return highdicom.seg.Segmentation(
        [header],
        stacked_FHWS,
        "BINARY",
        [_segment(highdicom, i, text, method) for i, text in enumerate(texts, 1)],
        series_instance_uid=_uid(str(header.SeriesInstanceUID), method, *texts),
        series_number=SERIES,
        sop_instance_uid=uid,
        instance_number=int(header.get("InstanceNumber") or 1),
        **_maker(),
        omit_empty_frames=False,
    )


def _header(source: Path) -> Any:
    """Return the source's elements but its pixels, with what may be blank blank."""
    import pydicom

    try:
        header = pydicom.dcmread(source, stop_before_pixels=True, force=True)
        missing = [keyword for keyword in NEEDED if not header.get(keyword)]
    except Exception as error:  # its text may quote the header
        raise ImageError(f"{source} is a broken DICOM file ({type(error).__name__})") from None
    if missing:
        raise ImageError(
            f"{source}: no DICOM-SEG can refer to it, for it has no {', '.join(missing)}"
        )
    for keyword in MAY_BE_BLANK:
        if keyword not in header:
            setattr(header, keyword, None if keyword.endswith(("Date", "Time")) else "")
    return header


def _stacked(
    source: Path,
    header: Any,
    frames: Sequence[int],
    masks: Mapping[str, Sequence[Bool[np.ndarray, "H W"]]],
) -> Bool[np.ndarray, "F H W S"]:
    count = max(int(header.get("NumberOfFrames") or 1), 1)
    stacked_FHWS = np.zeros((count, header.Rows, header.Columns, len(masks)), bool)
    for segment, own in enumerate(masks.values()):
        for frame, mask_HW in zip(frames, own, strict=True):
            if mask_HW.shape != stacked_FHWS.shape[1:3] or not 1 <= frame <= count:
                raise DataError(
                    f"{source}: a mask of {mask_HW.shape} pixels for frame {frame} does not lie on "
                    f"{count} frames of {stacked_FHWS.shape[1:3]}"
                )
            stacked_FHWS[frame - 1, :, :, segment] = mask_HW
    return stacked_FHWS


def _segment(highdicom: Any, number: int, text: str, method: str) -> Any:
    """Describe a segment. A text has no code of its own: it is a region of the image."""
    from pydicom.sr.codedict import codes

    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=method[:LABEL], family=codes.DCM.ArtificialIntelligence, version=_version()
    )
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=text[:LABEL],
        segmented_property_category=codes.SCT.SpatialAndRelationalConcept,
        segmented_property_type=codes.DCM.ImageRegion,
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
    )


def _uid(*parts: str) -> str:
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=list(parts)))


def _version() -> str:
    from vesalius import __version__

    return __version__


def _maker() -> dict[str, str]:
    return {
        "manufacturer": "Vesalius",
        "manufacturer_model_name": "Vesalius",
        "software_versions": _version(),
        "device_serial_number": "none",
    }
