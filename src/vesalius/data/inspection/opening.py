"""Opening every image of a set once, in threads, to see which are broken, large or the same."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from os import cpu_count

from vesalius.core import CaseSet, ImageColumn, ImageError, RegionColumn
from vesalius.data.images import ImageFiles
from vesalius.data.images.decoded import Decoded
from vesalius.data.images.mask_files import LazyBoxes
from vesalius.data.progress import bar


@dataclass(frozen=True, slots=True)
class Opened:
    """An image: its size and steps in words, a digest of its pixels, or why it does not open.

    ``masks`` says of each target whether its mask has a pixel, ``boxes`` holds the labels of the
    boxes, ``region_fault`` says why these could not be looked at.
    """

    name: str
    size: str = ""
    steps: str = ""
    pixels: str = ""
    fault: str = ""
    masks: Mapping[str, bool] = field(default_factory=dict)
    boxes: tuple[str, ...] = ()
    region_fault: str = ""


def open_all(cases: CaseSet, *, workers: int | None, progress: bool) -> list[Opened]:
    """Decode every image and its masks; what cannot be read gives its fault, not an error."""
    total = len(cases)
    pool = ThreadPoolExecutor(workers or cpu_count() or 1)
    try:
        with bar("opening", total, unit="images", show=progress) as advance:
            opened = []
            for found in pool.map(lambda i: _open(cases, i), range(total)):
                opened.append(found)
                advance(1)
            return opened
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for the rest


def _open(cases: CaseSet, index: int) -> Opened:
    name = cases.images.name(index)
    try:
        image, steps = _decoded(cases.images, index)
    except ImageError as error:
        return Opened(name, fault=str(error))
    kind = "colour" if image.ndim == 3 else "grey"
    digest = sha256(f"{image.shape}".encode() + image.tobytes()).hexdigest()
    size = f"{image.shape[1]}×{image.shape[0]} {kind}"
    opened = Opened(name, size, " · ".join(steps), digest)
    return opened if cases.regions is None else _with_regions(cases.regions, index, opened)


def _decoded(images: ImageColumn, index: int) -> Decoded:
    """Open an image; only files know the steps that led to its pixels."""
    return images.decoded(index) if isinstance(images, ImageFiles) else Decoded(images[index], ())


def _with_regions(regions: RegionColumn, index: int, opened: Opened) -> Opened:
    try:
        masks = dict(regions.masks(index))
        boxes = regions.boxes(index)
        if isinstance(boxes, LazyBoxes):
            boxes = LazyBoxes(masks)  # around the masks that are open already
        return replace(
            opened,
            masks={target: bool(mask.values_HW.any()) for target, mask in masks.items()},
            boxes=tuple(box.label for box in boxes),
        )
    except ImageError as error:
        return replace(opened, region_fault=str(error))
