"""Masks as files that other tools open: PNG, NIfTI, DICOM-SEG.

A mask goes back to where its image came from: beside a picture a picture, into the voxels of a
volume, into a segmentation object that refers to the frames of a DICOM file.
"""

from vesalius.segmentation.writing.dicom_seg import dicom_seg, seg_package
from vesalius.segmentation.writing.nifti import nifti_mask
from vesalius.segmentation.writing.png import png_mask

__all__ = ["dicom_seg", "nifti_mask", "png_mask", "seg_package"]
