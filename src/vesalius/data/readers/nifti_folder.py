"""NIfTI: a folder tree of volumes, some slices of each as cases, masks beside them as regions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from vesalius.core import CaseSet, DataError, ImageError, Skipped, unknown
from vesalius.data.images import NIFTI, ImageFiles
from vesalius.data.images.address import joined
from vesalius.data.images.greys import window_of
from vesalius.data.images.nifti import AXES, FULL, opened_volume
from vesalius.data.images.nifti_masks import (
    CHANNEL,
    MASK,
    MaskSlices,
    label_names,
    mask_fault,
    masks_of,
    stem,
)
from vesalius.data.images.presence import with_images
from vesalius.data.patients import patients_in

SUBJECT = re.compile(r"(?:^|/)(sub-[A-Za-z0-9]+)")  # BIDS
SPLITS = {"imagestr": "train", "imagests": "test"}


@dataclass(frozen=True, slots=True)
class Scan:
    """A volume: its path, its mask's (blank without one), its patient, depth and spacing (mm)."""

    path: str
    mask: str
    patient: str
    depth: int
    pixel: tuple[float, float]


def nifti(
    root: Path,
    *,
    axis: Literal["axial", "coronal", "sagittal"] = "axial",
    slices: int | Literal["middle", "all"] = "middle",
    volume: int = 0,
    window: str | None = None,
    patient_id: str | None = None,
) -> CaseSet:
    """Read ``.nii`` and ``.nii.gz`` files under a folder; the root may be one file.

    Slices are turned as radiologists look at them (see ``nifti``), whatever way they are stored.
    Masks are found as ``NAME_mask``, ``NAME_seg`` or ``NAME_label`` beside ``NAME`` (or beside
    ``NAME_t1``, ``NAME_flair`` …), and in ``labels…/`` beside ``images…/`` (nnU-Net: ``imagesTr``
    is train, ``imagesTs`` test, ``dataset.json`` names the labels). Each value of a mask but 0 is
    a region. The patient is the BIDS subject in the path, else what mask or channels share, else
    the file.

    Args:
        root: the folder.
        axis: of the slices.
        slices: the ``middle`` one of each volume, so many evenly spaced, or ``all``.
        volume: of files with several (time points, channels), from 0.
        window: ``centre,width`` or ``full``, for all slices; by default each is stretched between
            its own percentiles 0.5 and 99.5.
        patient_id: a regular expression whose first group, found in the path, is the patient.

    Raises:
        DataError: no volume is found, a setting is wrong, or nibabel is not installed.
    """
    if axis not in AXES:
        raise unknown("axis", axis, AXES)
    if slices not in ("middle", "all") and not (isinstance(slices, int) and slices >= 1):
        raise DataError(f"nifti: slices={slices!r} is not middle, all or a number of 1 or more")
    if window is not None and window != FULL:
        window_of(str(window), "nifti")
    folder = root.parent if root.is_file() else root
    files = [root.name] if root.is_file() else list(_volumes(root))
    scans, skipped = _scans(folder, files, axis, volume)
    if not scans:
        reason = f"; the first, {skipped[0].name}: {skipped[0].reason}" if skipped else ""
        raise DataError(f"{root} has no NIfTI volume ({', '.join(NIFTI)}){reason}")
    rows = [(scan, place) for scan in scans for place in _places(scan.depth, slices)]
    return with_images(
        _cases(folder, rows, axis, volume or None, window, patient_id, tuple(skipped))
    )


def _volumes(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*")):
        own = path.relative_to(root)
        if path.name.lower().endswith(NIFTI) and not any(p.startswith(".") for p in own.parts):
            yield own.as_posix()


def _scans(
    folder: Path, files: Sequence[str], axis: str, volume: int
) -> tuple[list[Scan], list[Skipped]]:
    """Read the header of every volume; a mask of another shape is left out."""
    scans: list[Scan] = []
    skipped: list[Skipped] = []
    masks = masks_of(files)
    orphans = {*files} - {*masks} - {*masks.values()}
    skipped += [Skipped(file, "a mask without its image") for file in sorted(orphans)]
    for file, mask in masks.items():
        try:
            with opened_volume(folder / file) as opened:
                shape, spacing = opened.shape, opened.spacing
                if volume >= opened.volumes:
                    raise ImageError(f"{opened.path} has no volume {volume}")
        except ImageError as error:
            skipped.append(Skipped(file, str(error).removeprefix(str(folder / file)).strip()))
            continue
        fault = mask_fault(folder / mask, shape) if mask else ""
        if fault:
            skipped.append(Skipped(mask, f"mask left out: {fault}"))
        across, up = (mm for i, mm in enumerate(spacing) if i != AXES[axis])
        scans.append(
            Scan(file, "" if fault else mask, _patient(file, mask), shape[AXES[axis]], (across, up))
        )
    return scans, skipped


def _patient(file: str, mask: str) -> str:
    subject = SUBJECT.search(file)
    if subject:
        return subject[1]
    beside = MASK.match(stem(mask))
    return beside[1] if beside else CHANNEL.sub("", stem(file))


def _places(depth: int, slices: int | str) -> list[int]:
    """Return which slices: evenly spaced ones are the middles of equal parts.

    >>> _places(10, "middle"), _places(10, 3), _places(2, 5)
    ([5], [1, 5, 8], [0, 1])
    """
    if slices == "middle":
        return [depth // 2]
    if slices == "all" or int(slices) >= depth:
        return list(range(depth))
    n = int(slices)
    return [(2 * i + 1) * depth // (2 * n) for i in range(n)]


def _cases(
    folder: Path,
    rows: Sequence[tuple[Scan, int]],
    axis: str,
    volume: int | None,
    window: str | None,
    patient_id: str | None,
    skipped: tuple[Skipped, ...],
) -> CaseSet:
    files = [scan.path for scan, _ in rows]
    own = [scan.patient for scan, _ in rows]
    addresses = [joined(scan.path, **{axis: place}, volume=volume) for scan, place in rows]
    shown = [
        joined(scan.path, **{axis: place}, volume=volume, window=window) for scan, place in rows
    ]
    masks = [joined(scan.mask, **{axis: place}) if scan.mask else "" for scan, place in rows]
    splits = [SPLITS.get(Path(file).parent.name.lower(), "") for file in files]
    pixels = np.array([scan.pixel for scan, _ in rows])
    return CaseSet(
        case_ids=np.array(addresses, dtype=np.str_),
        images=ImageFiles(folder, shown),
        labels_NC=np.zeros((len(rows), 0)),
        patient_ids=np.array(own) if patient_id is None else patients_in(files, patient_id),
        splits=np.array(splits, dtype="<U10") if all(splits) else None,
        attributes={
            "slice": np.array([place for _, place in rows]),
            "pixel_width_mm": pixels[:, 0],
            "pixel_height_mm": pixels[:, 1],
        },
        regions=MaskSlices(folder, masks, label_names(folder)) if any(masks) else None,
        skipped=skipped,
        source=f"nifti {folder.name}",
    )
