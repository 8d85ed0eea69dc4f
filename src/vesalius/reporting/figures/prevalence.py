"""What is in the data: how often each label is present, absent and unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures import style

if TYPE_CHECKING:
    from jaxtyping import Float
    from matplotlib.figure import Figure as Drawing


def prevalence(
    labels_NC: Float[np.ndarray, "N C"],
    label_names: Sequence[str],
    *,
    caption: str = "",
    sort: bool = True,
) -> Figure:
    """Return a bar a label: cases with it, and cases where it is not known; n is the whole set."""
    n = len(labels_NC)
    positives_C = np.nansum(labels_NC > 0.5, axis=0).astype(int)
    unknown_C = np.isnan(labels_NC).sum(0).astype(int)
    order = np.argsort(-positives_C, kind="stable") if sort else np.arange(len(label_names))
    parts = [
        f"{style.plain(label_names[i])} {positives_C[i]:,}"
        + (f" ({unknown_C[i]:,} unknown)" if unknown_C[i] else "")
        for i in order[:8]
    ]
    more = f" and {len(order) - 8} more labels" if len(order) > 8 else ""
    alt = f"Bar chart of label counts in {n:,} cases: {', '.join(parts)}{more}."

    def paint(drawing: Drawing) -> None:
        if not len(order) or n == 0:
            return style.nothing(drawing, "No labels")
        axes = drawing.add_subplot()
        rows = np.arange(len(order))
        axes.barh(rows, positives_C[order], color=style.colour(0), height=0.66, label="present")
        if unknown_C.any():
            axes.barh(
                rows,
                unknown_C[order],
                left=positives_C[order],
                color="white",
                edgecolor=style.SOFT,
                linewidth=0.6,
                hatch="////",
                height=0.66,
                label="unknown",
            )
            axes.legend(loc="lower right")
        ends = positives_C[order] + unknown_C[order]
        known = np.maximum(n - unknown_C[order], 1)
        for row, i in enumerate(order):
            share = 100 * positives_C[i] / known[row]
            axes.annotate(
                f"{positives_C[i]:,}  ({share:.1f} %)",
                (ends[row], row),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
                color=style.SOFT,
            )
        style.grid(axes, "x")
        axes.set_yticks(rows, [style.plain(label_names[i]) for i in order])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_xlim(0, 1.18 * max(int(ends.max()), 1))
        axes.set_xlabel(f"cases (n = {n:,})")

    height = 66 + 23 * max(len(order), 2)
    return style.draw(paint, width=style.WIDTH, height=height, alt=alt, caption=caption)
