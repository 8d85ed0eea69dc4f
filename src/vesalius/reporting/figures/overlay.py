"""Heatmaps of several methods over one image, side by side, each with its own scale.

Legend of shapes: H W pixels of the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core import Box, DataError, Mask
from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures.picture import HEAT, painted
from vesalius.reporting.figures.style import draw

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

AGAINST = (60, 90, 255)  # where the image speaks against the target
COVER = 0.7  # of the image under the largest value
PANEL, BAR, TITLE, GAP = 220, 70, 26, 8  # CSS pixels


def overlays(
    image: UInt8[np.ndarray, "H W ..."],
    maps: Mapping[str, Float[np.ndarray, "H W"]],
    *,
    boxes: Sequence[Box] = (),
    masks: Sequence[Mask] = (),
    caption: str = "",
) -> Figure:
    """Return the image, and beside it the image under each map, with boxes and masks outlined.

    Colour covers in proportion to a value's size: warm above 0, blue below. Values are not scaled
    for any other purpose, and the bar beside each panel says what they are: methods differ in
    their units, so their colours compare places, not amounts. A map of zeros shows the image.

    Raises:
        DataError: there is no map, or one has another size than the image or holds values that are
            not finite.
    """
    _check(image, maps)
    height = PANEL * image.shape[0] / image.shape[1] + TITLE
    width = PANEL + GAP + len(maps) * (PANEL + BAR)

    def paint(drawing: Any) -> None:
        left = 0.0
        for name, values_HW in {"": None, **maps}.items():
            place = (left / width, 0, PANEL / width, 1 - TITLE / height)
            panel = drawing.add_axes(place)
            panel.set_axis_off()
            shown = image if values_HW is None else heated(image, values_HW)
            side = 2 * max(PANEL, round(height - TITLE))
            panel.imshow(painted(shown, mask=masks, boxes=boxes, side=side), aspect="auto")
            panel.set_title(name, fontsize=9, pad=5)
            left += PANEL
            if values_HW is None:
                left += GAP
            else:
                slot = ((left + 4) / width, 0.06, 9 / width, 1 - TITLE / height - 0.12)
                _bar(drawing, slot, values_HW)
                left += BAR

    alt = f"{caption or 'One image'}: heatmaps of {', '.join(maps)} over it, side by side."
    return draw(paint, width=width, height=height, alt=alt, caption=caption, form="jpeg")


def heated(
    image: UInt8[np.ndarray, "H W ..."], values_HW: Float[np.ndarray, "H W"]
) -> UInt8[np.ndarray, "H W 3"]:
    """Return the image under a map, covered in proportion to the size of its values.

    >>> heated(np.zeros((1, 2), np.uint8), np.array([[0.0, -2.0]])).tolist()
    [[[0, 0, 0], [42, 63, 178]]]
    """
    rgb_HW3 = np.broadcast_to(image[..., None] if image.ndim == 2 else image, (*image.shape[:2], 3))
    scale = np.abs(values_HW).max(initial=0) or 1.0
    weight_HW1 = COVER * (np.abs(values_HW) / scale)[..., None]
    colour_HW3 = np.where(values_HW[..., None] > 0, HEAT, AGAINST)
    return ((1 - weight_HW1) * rgb_HW3 + weight_HW1 * colour_HW3).round().astype(np.uint8)


def _bar(drawing: Any, slot: tuple[float, ...], values_HW: Float[np.ndarray, "H W"]) -> None:
    """Draw the map's own scale, from its least to its largest value."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    low, high = min(float(values_HW.min()), 0.0), max(float(values_HW.max()), 0.0)
    panel = drawing.add_axes(slot)
    if low == high:
        panel.set_axis_off()
        panel.text(0, 0.5, "0 everywhere", rotation=90, va="center", fontsize=8)
        return
    steps = np.linspace(low, high, 65)
    shades = heated(np.full((1, len(steps)), 255, np.uint8), steps[None])[0] / 255
    colours = LinearSegmentedColormap.from_list("heat", [tuple(row) for row in shades])
    ticks = [value for value in (low, 0.0, high) if value == 0 or abs(value) > 0.08 * (high - low)]
    drawing.colorbar(ScalarMappable(Normalize(low, high), colours), cax=panel, ticks=ticks)
    panel.set_yticklabels([f"{value:.3g}" for value in ticks], fontsize=8)
    panel.tick_params(length=2, pad=2)


def _check(
    image: UInt8[np.ndarray, "H W ..."], maps: Mapping[str, Float[np.ndarray, "H W"]]
) -> None:
    if not maps:
        raise DataError("overlays: there is no map to show")
    for name, values_HW in maps.items():
        if values_HW.shape != image.shape[:2]:
            raise DataError(
                f"overlays: map {name!r} is of {values_HW.shape}, the image of {image.shape[:2]}"
            )
        if not np.isfinite(values_HW).all():
            raise DataError(f"overlays: map {name!r} holds values that are not finite")
