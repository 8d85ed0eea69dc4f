"""Where masks go: the files that images came from, and the files beside them that hold masks.

Legend of shapes: H W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core import CaseSet, ImageError
from vesalius.core.files import slug
from vesalius.data.images import kind_of
from vesalius.data.images.address import file_of, parted
from vesalius.segmentation.writing import dicom_seg, nifti_mask, png_mask
from vesalius.studies.explaining.maps import file_name

if TYPE_CHECKING:
    from jaxtyping import Bool

LONGEST = 60  # letters of a text in a file name


@dataclass(frozen=True, slots=True)
class Source:
    """A file and the rows of its cases: a volume and a DICOM file have one for each picture.

    ``name`` begins the names of its masks, ``kind`` is ``dicom``, ``nifti`` or ``picture``; images
    that lie in no file of their own are pictures.
    """

    name: str
    kind: str
    file: Path
    picks: tuple[Mapping[str, str], ...]
    rows: tuple[int, ...]

    def files(
        self, masks: Mapping[str, Sequence[Bool[np.ndarray, "H W"]]], *, method: str
    ) -> dict[str, bytes]:
        """Return names and contents of the files that hold the masks, by text one a row.

        Raises:
            ImageError: the source cannot be read again, or be referred to.
        """
        if self.kind == "dicom":
            frames = [int(picks.get("frame", 1)) for picks in self.picks]
            return {f"{self.name}.dcm": dicom_seg(self.file, frames, masks, method=method)}
        ends = text_names(list(masks))
        if self.kind == "nifti":
            return {
                f"{self.name}_{ends[text]}.nii.gz": nifti_mask(self.file, self.picks, own)
                for text, own in masks.items()
            }
        return {f"{self.name}_{ends[text]}.png": png_mask(own[0]) for text, own in masks.items()}


def sources_of(cases: CaseSet) -> list[Source]:
    """Return the files of the cases in their order; each picture stands alone."""
    address = getattr(cases.images, "source", None)  # images in archives and arrays have none
    found: dict[tuple[str, str, str], list[tuple[int, Mapping[str, str]]]] = {}
    for row in range(len(cases)):
        file, picks = ("", {}) if address is None else parted(str(address(row)))
        kind = _kind(file)
        whole = kind == "picture"
        key = str(cases.case_ids[row]) if whole else file_of(cases.images.name(row))
        found.setdefault((key, kind, file), []).append((row, picks))
    return [
        Source(file_name(key), kind, Path(file), tuple(p for _, p in own), tuple(r for r, _ in own))
        for (key, kind, file), own in found.items()
    ]


def _kind(file: str) -> str:
    """Return the kind of a file; one that cannot be read says so where it is opened for pixels."""
    try:
        return kind_of(Path(file)) if file else "picture"
    except ImageError:
        return "picture"


def text_names(texts: Sequence[str]) -> dict[str, str]:
    """Return a short name of each text that no other has.

    >>> text_names(["A nodule", "edema"])
    {'A nodule': 'a-nodule', 'edema': 'edema'}
    """
    slugs = [slug(text) for text in texts]
    return {
        text: own
        if len(own) <= LONGEST and own != slug("") and slugs.count(own) == 1
        else f"{own[:LONGEST]}-{sha256(text.encode()).hexdigest()[:6]}"
        for text, own in zip(texts, slugs, strict=True)
    }
