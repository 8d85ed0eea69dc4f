"""The whole story in one picture: the images, the map of their embeddings, the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core import Mask, Score
from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures import style
from vesalius.reporting.figures.contact_sheet import paint_sheet
from vesalius.reporting.figures.forest import paint_forest
from vesalius.reporting.figures.picture import painted
from vesalius.reporting.figures.projection import Projection, paint_map
from vesalius.reporting.measures import measure as named

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from matplotlib.figure import Figure as Drawing

MOST_IMAGES = 12
MOST_LABELS = 10


def hero(
    images: Sequence[UInt8[np.ndarray, "H W ..."]],
    captions: Sequence[str],
    projection: Projection,
    groups_N: Sequence[object],
    scores_by_method: Mapping[str, Sequence[Score]],
    *,
    masks: Sequence[Mask | None] = (),
    measure: str = "auroc",
    titles: tuple[str, str, str] = ("Images", "Embeddings", ""),
) -> Figure:
    """Return images, embedding map and forest plot side by side (PNG), for a first page."""
    shown = [
        painted(image, mask=masks[i] if i < len(masks) else None, side=240)
        for i, image in enumerate(images[:MOST_IMAGES])
    ]
    found = {
        method: {s.label: s for s in scores if s.name == measure and s.label}
        for method, scores in scores_by_method.items()
    }
    labels = list(dict.fromkeys(label for scores in found.values() for label in scores))
    labels = labels[:MOST_LABELS]
    groups = ["" if groups_N[int(i)] is None else str(groups_N[int(i)]) for i in projection.rows_M]
    title = named(measure).title
    alt = (
        f"Three panels: {len(shown)} example images; a map of {len(groups):,} embeddings coloured "
        f"by group; {title} of {len(labels)} labels by {style.listed(list(found))}."
    )

    def paint(drawing: Drawing) -> None:
        panels_3: Any = drawing.subfigures(1, 3, width_ratios=(1.05, 1, 1.25), wspace=0.03)
        left, middle, right = panels_3
        if shown:
            paint_sheet(left, shown, captions, columns=3, letters=18)
        axes = middle.add_subplot()
        if not np.isnan(projection.trustworthiness):
            paint_map(axes, projection, groups)
            axes.legend(
                loc="upper center",
                bbox_to_anchor=(0.5, -0.06),
                ncols=2,
                fontsize=8,
                markerscale=1.5,
                handletextpad=0.1,
                columnspacing=0.8,
            )
        if labels:
            paint_forest(right.add_subplot(), found, labels, measure=measure)
        panels = zip((left, middle, right), (*titles[:2], titles[2] or title), strict=True)
        for panel, words in panels:
            panel.suptitle(words, x=0.02, ha="left", fontsize=11, fontweight="bold")

    return style.draw(paint, width=1200, height=430, alt=alt, form="png")
