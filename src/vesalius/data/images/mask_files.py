"""Mask files: opened when asked for, merged, checked against their image.

The rules of a mask file (PNG, JPEG, BMP, TIFF; of colours the brightest channel counts):

- a pixel is in the mask where it is more than half of the file's own maximum, so that 0/1, 0/255
  and softened edges all give the same mask; in a JPEG more than half of 255, since the noise of an
  empty JPEG has a maximum too;
- a file of three or more small values (0, 1, 2 …) is a map of several labels, not a mask: an error;
- several files of one target are merged: a pixel that is in one of them is in the mask;
- a mask has the size of its image, else that is an error with both sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from vesalius.core import Box, CaseSet, ImageError, Mask, Skipped, mask_box
from vesalius.data.images import (
    ImageFiles,
    image_size,
    read_image,
    refuse_outside,
    under,
)
from vesalius.data.images.pictures import opened
from vesalius.data.images.presence import faults_of

if TYPE_CHECKING:
    from jaxtyping import Bool

Files = Mapping[str, tuple[str, ...]]  # of each target the paths of its files
SMALL = 32  # a maximum below it is no grey of a soft edge but a number of a label


def read_mask(path: str | Path) -> Bool[np.ndarray, "H W"]:
    """Return the pixels of a mask file, by the rules above.

    Raises:
        ImageError: the file is missing, empty, broken, too large, or a map of several labels; the
            message names the file and the reason.
    """
    from PIL import ImageOps

    with opened(Path(path)) as image:
        is_jpeg = image.format == "JPEG"
        image.load()
        grey_HW = _grey(ImageOps.exif_transpose(image))
    top = 255 if is_jpeg else grey_HW.max(initial=0)
    if 1 < top < SMALL and len(values := np.unique(grey_HW)) > 2:
        shown = ", ".join(f"{value:g}" for value in values[:4])
        raise ImageError(f"{path} holds {shown} …: a map of several labels, not one mask")
    return np.asarray(grey_HW > top / 2)


@dataclass(frozen=True, slots=True, eq=False)
class MaskFiles:
    """Masks in files beside their images, and the tight boxes around them (a ``RegionColumn``).

    ``files`` holds for each case its targets, each with the paths (under the root of the images)
    that are merged. Nothing is opened until a mask or box is looked at.
    """

    images: ImageFiles
    files: Sequence[Files] = field(repr=False)

    def __post_init__(self) -> None:
        paths = (path for own in self.files for merged in own.values() for path in merged)
        refuse_outside(self.images.root, paths)

    def __len__(self) -> int:
        return len(self.files)

    def masks(self, index: int) -> Mapping[str, Mask]:
        return LazyMasks(self, index)

    def boxes(self, index: int) -> Sequence[Box]:
        return LazyBoxes(self.masks(index))

    def take(self, indices: NDArray[np.integer]) -> MaskFiles:
        return MaskFiles(self.images.take(indices), [self.files[i] for i in indices])

    def read(self, index: int, target: str) -> Mask:
        """Open, merge and check the files of one target.

        Raises:
            ImageError: a file cannot be read, or has not the size of its image.
        """
        root, image = self.images.root, self.images.paths[index]
        merged_HW: Any = None
        for path in self.files[index][target]:
            own_HW = read_mask(under(root, path))
            _check_size(own_HW.shape, under(root, image), under(root, path))
            merged_HW = own_HW if merged_HW is None else merged_HW | own_HW
        return Mask(merged_HW, target)


@dataclass(frozen=True, slots=True)
class LazyMasks(Mapping[str, Mask]):
    """The masks of one case by their targets; each is opened when it is looked up."""

    column: MaskFiles
    index: int

    def __getitem__(self, target: str) -> Mask:
        return self.column.read(self.index, target)

    def __iter__(self) -> Iterator[str]:
        return iter(self.column.files[self.index])

    def __len__(self) -> int:
        return len(self.column.files[self.index])


@dataclass(frozen=True, slots=True, eq=False)
class LazyBoxes(Sequence[Box]):
    """The boxes around the masks of one case; an empty mask has none."""

    around: Mapping[str, Mask]

    @overload
    def __getitem__(self, index: int) -> Box: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Box]: ...
    def __getitem__(self, index: int | slice) -> Box | Sequence[Box]:
        return tuple(self)[index]

    def __iter__(self) -> Iterator[Box]:
        for target, mask in self.around.items():
            box = mask_box(target, mask.values_HW)
            if box is not None:
                yield box

    def __len__(self) -> int:
        return sum(1 for _ in self)


def with_masks(cases: CaseSet, files: Sequence[Files]) -> CaseSet:
    """Add mask files to cases. A target with a file that is missing or empty is left out, listed.

    A part of what is to be merged (one lung of two) would be a wrong mask, so it is left out too.

    Raises:
        DataError: a path or a symbolic link leads out of the root.
    """
    assert isinstance(cases.images, ImageFiles)
    root = cases.images.root
    paths = list(dict.fromkeys(p for own in files for merged in own.values() for p in merged))
    faults = {p: fault for p, fault in zip(paths, faults_of(root, paths), strict=True) if fault}
    whole = [
        {target: merged for target, merged in own.items() if not faults.keys() & set(merged)}
        for own in files
    ]
    skipped = (Skipped(path, f"mask left out: {fault}") for path, fault in faults.items())
    regions = MaskFiles(cases.images, whole)
    return replace(cases, regions=regions, skipped=(*cases.skipped, *skipped))


def _grey(image: Any) -> NDArray[Any]:
    """Return the brightest channel; what is transparent is black."""
    if image.mode == "1" or image.mode in ("L", "F") or image.mode.startswith("I"):
        return np.nan_to_num(np.asarray(image))
    colours = np.asarray(image.convert("RGBA"), dtype=np.uint16)
    return np.asarray(colours[..., :3].max(2) * colours[..., 3] // 255)


def _check_size(shape: tuple[int, ...], image: Path, mask: Path) -> None:
    """Compare with the declared size, and only where that differs with the image as it is shown."""
    width, height = image_size(image)
    if shape != (height, width):
        height, width = read_image(image).shape[:2]
    if shape != (height, width):
        raise ImageError(
            f"{mask} is {shape[1]}×{shape[0]} pixels, but its image {image.name} is "
            f"{width}×{height}"
        )
