"""Masks of slices as one NIfTI volume, voxel for voxel over the volume that they are of.

Legend of shapes: H W pixels of a slice as it is looked at, X Y Z voxels as they are stored.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core.errors import DataError
from vesalius.data.images.nifti import HEADER_BYTES, opened_volume, upright_view

if TYPE_CHECKING:
    from jaxtyping import Bool

GEOMETRY = ("pixdim", "xyzt_units", "qform_code", "sform_code",
            "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
            "srow_x", "srow_y", "srow_z")  # fmt: skip
"""Fields of a header that say where voxels lie."""


def nifti_mask(
    source: Path,
    slices: Sequence[Mapping[str, str]],
    masks: Sequence[Bool[np.ndarray, "H W"]],
) -> bytes:
    """Return ``.nii.gz`` bytes, uint8 of 0 and 1, with the source's affine, codes and voxels.

    Slices without a mask are empty. Of a source with several volumes (time points, channels) the
    mask is of three dimensions. Nothing else of the source's header is taken over: its free text
    may name a patient.

    Args:
        source: the NIfTI file.
        slices: what an address picks of it, such as ``{"axial": "40"}``, one a mask.
        masks: as the slices are looked at.

    Raises:
        ImageError: the source cannot be read, or has no such slice.
        DataError: a mask is not of its slice's size.
    """
    with opened_volume(source) as volume:
        import nibabel

        stored_XYZ = np.zeros((*volume.header.get_data_shape(), 1)[:3], np.uint8)
        for picks, mask_HW in zip(slices, masks, strict=True):
            view_HW = upright_view(volume, picks, stored_XYZ)
            if view_HW.shape != mask_HW.shape:
                raise DataError(
                    f"{source}: a mask of {mask_HW.shape} pixels does not lie on a slice of "
                    f"{view_HW.shape}"
                )
            view_HW[...] = mask_HW
        newer = volume.header.sizeof_hdr == HEADER_BYTES
        kind = nibabel.Nifti2Image if newer else nibabel.Nifti1Image
        header = kind.header_class()
        for key in GEOMETRY:
            header[key] = volume.header[key]
        own = stored_XYZ.reshape(volume.header.get_data_shape()[:3])
        header.set_data_dtype(own.dtype)
        header.set_data_shape(own.shape)
        return gzip.compress(kind(own, volume.affine, header).to_bytes(), mtime=0)
