"""A permutation test as a picture: what chance gives, and what was observed.

Legend: P relabellings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures import style

if TYPE_CHECKING:
    from jaxtyping import Float
    from matplotlib.figure import Figure as Drawing

BINS = 40
FAR = 2.5  # times the null's range: beyond that the observed value is shown by an arrow


def null_histogram(
    null_P: Float[np.ndarray, "P"],
    observed: float,
    *,
    p_value: float,
    name: str = "MMD²",
    caption: str = "",
) -> Figure:
    """Return the histogram of a statistic under relabelling, the observed value marked in it.

    An observed value far outside is an arrow at the edge, so that the null stays readable.
    """
    null_P = np.asarray(null_P, np.float64)
    null_P = null_P[np.isfinite(null_P)]
    if not null_P.size or not np.isfinite(observed):
        alt = f"No histogram: {name} is {observed:.3g}, with {len(null_P):,} relabellings."
        return style.draw(style.nothing, width=style.WIDTH, height=120, alt=alt, caption=caption)
    reached = int((null_P >= observed).sum())
    said = f"observed {observed:.3g}, p = {p_value:.3g}".replace("-", "−")
    low, high = float(null_P.min()), float(null_P.max())
    alt = (
        f"{name} of {len(null_P):,} relabellings lies between {low:.3g} and {high:.3g}; {said}: "
        f"{reached:,} of them reach it."
    )

    def paint(drawing: Drawing) -> None:
        axes = drawing.add_subplot()
        spread = high - low > 1e-9 * max(abs(high), abs(low))  # else rounding alone
        width = high - low if spread else max(abs(high), 1e-12)
        middle = (low + high) / 2
        bins = min(BINS, 4 + len(null_P) // 5) if spread else 1
        ends = (low, high) if spread else (middle - width / 8, middle + width / 8)
        far = not low - FAR * width <= observed <= high + FAR * width
        shown = high + 0.35 * width if observed > high else low - 0.35 * width
        at = shown if far else observed
        axes.hist(null_P, bins=bins, range=ends, color=style.SEQUENTIAL[2],
                  edgecolor="white", linewidth=0.4)  # fmt: skip
        edge = 0.05 * width
        axes.set_xlim(min(ends[0], at) - edge, max(ends[1], at) + edge)
        axes.locator_params(axis="x", nbins=6)
        top = axes.get_ylim()[1]
        axes.set_ylim(0, 1.18 * top)
        right = at <= middle
        if far:
            away = 0.25 * width if observed > high else -0.25 * width
            axes.annotate("", (at, 0.5 * top), (at - away, 0.5 * top),
                          arrowprops={"arrowstyle": "-|>", "color": style.COLOURS[1],
                                      "linewidth": 2})  # fmt: skip
        else:
            axes.axvline(at, color=style.COLOURS[1], linewidth=2)
        axes.text(
            at, 1.09 * top, f" {said} ", ha="left" if right else "right", va="center",
            color=style.COLOURS[1], fontweight="bold", fontsize=9.5,
        )  # fmt: skip
        axes.set_xlabel(f"{name} of relabelled samples")
        axes.set_ylabel("relabellings")

    return style.draw(paint, width=style.WIDTH, height=300, alt=alt, caption=caption)
