"""Reliability diagram: does a score of 0.8 come true 8 times in 10?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures import style

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from matplotlib.figure import Figure as Drawing

Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Bins:
    """Cases grouped by their score: mean score, share that is positive, how many.

    Without ``low`` and ``high`` the intervals are Wilson's at 95 %, cases as independent.
    """

    predicted_K: Float[np.ndarray, "K"]
    observed_K: Float[np.ndarray, "K"]
    counts_K: Int[np.ndarray, "K"]
    low_K: Float[np.ndarray, "K"] | None = None
    high_K: Float[np.ndarray, "K"] | None = None


def reliability(bins_by_method: Mapping[str, Bins], *, caption: str = "") -> Figure:
    """Return observed share against mean score, with intervals, over the counts of the bins."""
    counts = {m: int(np.nansum(b.counts_K)) for m, b in bins_by_method.items()}
    gaps = ", ".join(
        f"{style.plain(m)} off by {_gap(b):.3f} on average (n = {counts[m]:,})"
        for m, b in bins_by_method.items()
        if counts[m]
    )
    alt = f"Reliability diagram, observed share of positives against score: {gaps or 'no cases'}."

    def paint(drawing: Drawing) -> None:
        if not any(counts.values()):
            return style.nothing(drawing, "No case has a score")
        upper, lower = drawing.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        upper.plot((0, 1), (0, 1), color=style.SOFT, linewidth=1, linestyle=(0, (2, 2)))
        for i, (method, bins) in enumerate(bins_by_method.items()):
            full = np.asarray(bins.counts_K) > 0
            low_K, high_K = _intervals(bins)
            upper.vlines(
                bins.predicted_K[full], low_K[full], high_K[full], style.colour(i), linewidth=1.2
            )
            upper.plot(
                bins.predicted_K[full],
                bins.observed_K[full],
                marker=style.marker(i),
                linestyle=style.line(i),
                linewidth=1.2,
                markersize=5,
                color=style.colour(i),
                label=style.plain(method),
            )
            lower.plot(
                bins.predicted_K[full],
                np.asarray(bins.counts_K)[full],
                marker=style.marker(i),
                markersize=3,
                linestyle=style.line(i),
                linewidth=1,
                color=style.colour(i),
            )
        style.grid(upper)
        style.grid(lower, "y")
        upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="share that is positive")
        lower.set(xlabel="score (mean of the bin)", ylabel="cases")
        lower.set_ylim(bottom=0)
        upper.set_aspect("equal")
        style.legend(upper)

    return style.draw(paint, width=style.WIDTH, height=540, alt=alt, caption=caption)


def _gap(bins: Bins) -> float:
    """Return the mean distance between score and truth, weighted by the bins' counts."""
    weights_K = np.asarray(bins.counts_K, float)
    full = weights_K > 0
    gaps_K = np.abs(bins.predicted_K - bins.observed_K)[full]
    return float(np.average(gaps_K, weights=weights_K[full]))


def _intervals(bins: Bins) -> tuple[Float[np.ndarray, "K"], Float[np.ndarray, "K"]]:
    if bins.low_K is not None and bins.high_K is not None:
        return np.asarray(bins.low_K), np.asarray(bins.high_K)
    n_K = np.maximum(np.asarray(bins.counts_K, float), 1)
    centre_K = (bins.observed_K + Z95**2 / (2 * n_K)) / (1 + Z95**2 / n_K)
    share_K = np.asarray(bins.observed_K)
    half_K = (
        Z95 * np.sqrt(share_K * (1 - share_K) / n_K + Z95**2 / (4 * n_K**2)) / (1 + Z95**2 / n_K)
    )
    return centre_K - half_K, centre_K + half_K
