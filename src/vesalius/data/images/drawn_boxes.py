"""Boxes as a source gives them, brought to the images at hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from vesalius.core import Box, CaseSet, DataError, Regions, Skipped
from vesalius.data.images import ImageFiles, image_size, under

SLACK = 1.0  # pixels by which a box may leave its image, as drawn by hand


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A box of one case; ``canvas`` is the width and height of the image that it was drawn on.

    ``canvas`` None: it was drawn on the image at hand. ``place`` is where the box stands, for the
    list of what was left out.
    """

    case_id: str
    box: Box
    canvas: tuple[float, float] | None
    place: str


def with_boxes(cases: CaseSet, drawn: Iterable[DrawnBox]) -> CaseSet:
    """Add the boxes of the cases at hand, scaled to their images.

    A box without a size, one that leaves its image by more than a pixel (it was drawn on another
    one) and one whose image cannot be read is left out and listed as skipped.
    """
    assert isinstance(cases.images, ImageFiles)
    place = {str(case_id): i for i, case_id in enumerate(cases.case_ids)}
    sizes: dict[int, tuple[int, int]] = {}
    boxes: list[list[Box]] = [[] for _ in place]
    skipped = []
    for own in drawn:
        index = place.get(own.case_id)
        if index is None:
            continue
        try:
            if index not in sizes:
                sizes[index] = image_size(under(cases.images.root, cases.images.paths[index]))
            boxes[index].append(_on_image(own, sizes[index]))
        except DataError as error:
            skipped.append(Skipped(own.place, f"box left out: {error}"))
    regions = Regions([tuple(own) for own in boxes])
    return replace(cases, regions=regions, skipped=(*cases.skipped, *skipped))


def _on_image(drawn: DrawnBox, size: tuple[int, int]) -> Box:
    """Return the box in pixels of an image of a width and height; DataError where it has no place.

    >>> _on_image(DrawnBox("a", Box("Mass", 8, 8, 8, 4), (16, 16), ""), (8, 8))
    Box(label='Mass', x=4.0, y=4.0, width=4.0, height=2.0)
    """
    box, (wide, high) = drawn.box, drawn.canvas or size
    if not (box.width > 0 and box.height > 0):
        raise DataError(f"it is {box.width:g} wide and {box.height:g} high")
    right, bottom = box.x + box.width, box.y + box.height
    if min(box.x, box.y) < -SLACK or right > wide + SLACK or bottom > high + SLACK:
        raise DataError(
            f"from {box.x:g}, {box.y:g} to {right:g}, {bottom:g} it leaves its image of "
            f"{wide:g}×{high:g} pixels"
        )
    across, down = size[0] / wide, size[1] / high
    left, top = max(box.x, 0.0), max(box.y, 0.0)
    right, bottom = min(right, wide), min(bottom, high)
    if not (left < right and top < bottom):
        raise DataError("it lies on the edge of its image only")
    return Box(box.label, left * across, top * down, (right - left) * across, (bottom - top) * down)
