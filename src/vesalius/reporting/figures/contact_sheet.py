"""Contact sheet: many images at a glance, each with a line below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core import Box, Mask
from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures import style
from vesalius.reporting.figures.picture import painted

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from matplotlib.figure import Figure as Drawing
    from matplotlib.figure import SubFigure

CELL = 150  # CSS pixels
CAPTION = 20
TITLE = 26


def contact_sheet(
    images: Sequence[UInt8[np.ndarray, "H W ..."]],
    captions: Sequence[str] = (),
    *,
    masks: Sequence[Mask | Sequence[Mask] | None] = (),
    boxes: Sequence[Sequence[Box]] = (),
    columns: int = 6,
    caption: str = "",
) -> Figure:
    """Return the images on one sheet (JPEG), with outlines of masks and boxes where given."""
    columns = max(1, min(columns, len(images)))
    rows = -(-len(images) // columns) or 1
    drawn = [
        painted(
            image,
            mask=masks[i] if i < len(masks) else None,
            boxes=boxes[i] if i < len(boxes) else (),
            side=CELL * style.SHARPNESS,
        )
        for i, image in enumerate(images)
    ]
    alt = f"Contact sheet of {len(images)} images"
    alt += f": {style.listed(captions, most=12)}." if captions else "."

    def paint(drawing: Drawing) -> None:
        if not drawn:
            return style.nothing(drawing, "No images")
        paint_sheet(drawing, drawn, captions, columns=columns)

    height = rows * (CELL + (CAPTION if captions else 4))
    return style.draw(
        paint, width=columns * (CELL + 4), height=height, alt=alt, caption=caption, form="jpeg"
    )


def ranked_sheet(
    rows: Sequence[tuple[str, Sequence[UInt8[np.ndarray, "H W ..."]], Sequence[str]]],
    *,
    caption: str = "",
) -> Figure:
    """Return rows of images (JPEG): each a title, its images in order, and a line below each."""
    most = max((len(images) for _, images, _ in rows), default=0)
    drawn = [[painted(image, side=CELL * style.SHARPNESS) for image in own] for _, own, _ in rows]
    parts = [f"{style.plain(t, limit=90)}: {style.listed(lines, most=12)}" for t, _, lines in rows]
    alt = "; ".join(parts) or "No images."

    def paint(drawing: Drawing) -> None:
        if not most:
            return style.nothing(drawing, "No images")
        parts = drawing.subfigures(len(rows), 1, squeeze=False)[:, 0]
        for part, (title, _, lines), images in zip(parts, rows, drawn, strict=True):
            part.suptitle(style.plain(title, limit=90), x=0.01, ha="left", fontsize=10,
                          fontweight="bold")  # fmt: skip
            paint_sheet(part, images, lines, columns=most, letters=26)

    height = max(len(rows), 1) * (CELL + CAPTION + TITLE)
    width = max(most, 1) * (CELL + 4)
    return style.draw(paint, width=width, height=height, alt=alt, caption=caption, form="jpeg")


def paint_sheet(
    drawing: Drawing | SubFigure,
    images: Sequence[Any],
    captions: Sequence[str],
    *,
    columns: int,
    letters: int = 22,
) -> None:
    """Paint images row by row on a drawing or a part of one."""
    rows = -(-len(images) // columns)
    for i, image in enumerate(images):
        axes = drawing.add_subplot(rows, columns, i + 1)
        axes.imshow(image, interpolation="lanczos", aspect="equal")
        axes.set_axis_off()
        axes.set_anchor("N")
        if i < len(captions):
            axes.text(
                0.5,
                -0.03,
                style.plain(captions[i], limit=letters),
                transform=axes.transAxes,
                ha="center",
                va="top",
                fontsize=min(8, 176 / letters),
                color=style.INK,
            )
