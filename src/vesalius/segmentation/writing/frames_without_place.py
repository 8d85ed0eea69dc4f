"""Segmentation of frames that lie nowhere in space: cines, and films of several frames.

highdicom places the frames of a segmentation by their positions in the patient. Where the source
has none, it makes a segmentation of one frame; here that one is drawn out to all frames, each of
which refers to its own frame of the source by number.

Legend of shapes: F frames of the source, H W pixels, S segments.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool

STACK = "1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
PLACES = ("NumberOfFrames", "FrameOfReferenceUID", "PerFrameFunctionalGroupsSequence",
          "SharedFunctionalGroupsSequence")  # fmt: skip


def has_place(header: Any) -> bool:
    """Say whether a source says where in the patient its frames lie."""
    return "FrameOfReferenceUID" in header and (
        "ImagePositionPatient" in header
        or "PerFrameFunctionalGroupsSequence" in header
        or "TotalPixelMatrixOriginSequence" in header
    )


def as_one_frame(header: Any) -> Any:
    """Return a source's elements as those of a secondary capture of one frame, without a place."""
    found = deepcopy(header)
    found.SOPClassUID = SECONDARY_CAPTURE  # of other classes highdicom expects positions
    for keyword in PLACES:
        if keyword in found:
            delattr(found, keyword)
    return found


def drawn_out(one: Any, header: Any, stacked_FHWS: Bool[np.ndarray, "F H W S"]) -> Any:
    """Return a segmentation of one frame as that of all frames of a source, segment by segment."""
    from pydicom.dataset import Dataset
    from pydicom.pixels.utils import pack_bits

    groups, organisation = [], one.DimensionIndexSequence[0].DimensionOrganizationUID
    for segment, own in enumerate(one.PerFrameFunctionalGroupsSequence, 1):
        for frame in range(1, len(stacked_FHWS) + 1):
            group = deepcopy(own)
            content = group.FrameContentSequence[0]
            content.StackID, content.InStackPositionNumber = STACK, frame
            content.DimensionIndexValues = [segment, 1, frame]
            source = group.DerivationImageSequence[0].SourceImageSequence[0]
            source.ReferencedSOPClassUID = header.SOPClassUID
            if "NumberOfFrames" in header:
                source.ReferencedFrameNumber = frame
            groups.append(group)
    for series in one.ReferencedSeriesSequence:
        series.ReferencedInstanceSequence[0].ReferencedSOPClassUID = header.SOPClassUID
    for pointer in ("StackID", "InStackPositionNumber"):
        index = Dataset()
        index.DimensionOrganizationUID = organisation
        index.DimensionIndexPointer = pointer
        index.FunctionalGroupPointer = "FrameContentSequence"
        index.DimensionDescriptionLabel = pointer
        one.DimensionIndexSequence.append(index)
    one.PerFrameFunctionalGroupsSequence = groups
    one.NumberOfFrames = len(groups)
    one.PixelData = pack_bits(np.moveaxis(stacked_FHWS, 3, 0).astype(np.uint8).ravel())
    return one
