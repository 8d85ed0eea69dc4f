"""Masks that lie beside NIfTI volumes: which belongs to which, and their slices as regions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import Box, DataError, ImageError, Mask, VesaliusError, mask_box
from vesalius.core.files import read_json
from vesalius.data.images.address import parted
from vesalius.data.images.nifti import opened_volume, slice_of

MASK = re.compile(r"(.+)_(?:mask|seg|label)$", re.IGNORECASE)
CHANNEL = re.compile(r"_\d{4}$")  # nnU-Net: case_0000.nii.gz, case_0001.nii.gz


def stem(path: str) -> str:
    """Return a path without ``.nii`` or ``.nii.gz``.

    >>> stem("a/ct.nii.gz")
    'a/ct'
    """
    return re.sub(r"\.nii(\.gz)?$", "", path, flags=re.IGNORECASE)


def masks_of(files: Sequence[str]) -> dict[str, str]:
    """Return the mask of each image that has one, and "" for the others; masks are no images.

    >>> masks_of(["p1_flair.nii", "p1_seg.nii", "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"])
    {'p1_flair.nii': 'p1_seg.nii', 'imagesTr/a_0000.nii.gz': 'labelsTr/a.nii.gz'}
    """
    by_stem = {stem(file): file for file in files}
    beside = {m[1]: file for name, file in by_stem.items() if (m := MASK.match(name))}
    two_folders = any(_in_folder(file, "images") for file in files)
    apart = {n: file for n, file in by_stem.items() if two_folders and _in_folder(file, "labels")}
    masks = {*beside.values(), *apart.values()}
    found = {}
    for name, file in by_stem.items():
        if file in masks:
            continue
        wanted = re.sub(r"(^|/)images([^/]*)/(?=[^/]*$)", r"\1labels\2/", name)
        owners = [name, *(name[: m.start()] for m in re.finditer(r"_(?=[^_/]+$)", name))]
        found[file] = (
            apart.get(wanted)
            or apart.get(CHANNEL.sub("", wanted))
            or next((beside[owner] for owner in owners if owner in beside), "")
        )
    return found


def _in_folder(file: str, begins: str) -> bool:
    return Path(file).parent.name.lower().startswith(begins)


def mask_fault(path: Path, shape: tuple[int, int, int]) -> str:
    """Say why a mask does not fit its image; nothing where it does."""
    try:
        with opened_volume(path) as mask:
            if mask.shape != shape:
                return f"its shape is {mask.shape}, its image's {shape}"
    except ImageError as error:
        return str(error).removeprefix(str(path)).strip()
    return ""


@dataclass(frozen=True, slots=True, eq=False)
class MaskSlices:
    """Regions from slices of mask volumes (a ``RegionColumn``), opened when asked for."""

    root: Path
    addresses: Sequence[str] = field(repr=False)
    names: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.addresses)

    def boxes(self, index: int) -> tuple[Box, ...]:
        found = (mask_box(name, mask.values_HW) for name, mask in self.masks(index).items())
        return tuple(box for box in found if box is not None)

    def masks(self, index: int) -> Mapping[str, Mask]:
        """Return the mask of each value of the slice but 0; none where there is no mask."""
        if not self.addresses[index]:
            return {}
        file, picks = parted(self.addresses[index])
        with opened_volume(self.root / file) as volume:
            _, values = slice_of(volume, picks)
            values_HW = np.rint(np.nan_to_num(values)).astype(np.int64)
        present = [int(value) for value in np.unique(values_HW) if value]
        named = {value: self.names.get(value, f"label {value}") for value in present}
        return {name: Mask(values_HW == value, name) for value, name in named.items()}

    def take(self, indices: NDArray[np.integer]) -> MaskSlices:
        return MaskSlices(self.root, [self.addresses[i] for i in indices], self.names)


def label_names(folder: Path) -> dict[int, str]:
    """Return nnU-Net's names of mask values, either way round: name to value, or value to name.

    Raises:
        DataError: ``dataset.json`` is broken.
    """
    if not (folder / "dataset.json").is_file():
        return {}
    try:
        labels: Any = read_json(folder / "dataset.json").get("labels", {})
        pairs = [(k, v) if str(k).isdecimal() else (v, k) for k, v in labels.items()]
        return {int(k): str(v) for k, v in pairs if not isinstance(k, list)}
    except (AttributeError, TypeError, ValueError, VesaliusError) as error:
        raise DataError(
            f"{folder / 'dataset.json'}: 'labels' is not names and values ({error})"
        ) from None
