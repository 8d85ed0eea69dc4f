"""Heat tables: which labels occur together, and which classes are taken for each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures import style

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from matplotlib.figure import Figure as Drawing

LARGEST_WITH_NUMBERS = 24  # more rows than that, and the numbers are too small to read


def cooccurrence(
    labels_NC: Float[np.ndarray, "N C"],
    label_names: Sequence[str],
    *,
    caption: str = "",
) -> Figure:
    """Return how often label j holds where label i does; cases with either unknown do not count.

    Row i, column j: the share of cases with i, and with j known, that have j.
    """
    known_NC = ~np.isnan(labels_NC)
    positive_NC = (np.nan_to_num(labels_NC) > 0.5).astype(float)
    both_CC = positive_NC.T @ positive_NC
    with_row_CC = positive_NC.T @ known_NC.astype(float)
    share_CC = np.divide(
        both_CC, with_row_CC, out=np.full(both_CC.shape, np.nan), where=with_row_CC > 0
    )
    alt = (
        f"Heat table of {len(label_names)} labels: share of cases with the row's label that also "
        f"have the column's.{_strongest(share_CC, both_CC, label_names)}"
    )
    caption = caption or "Share of the cases with the row's finding that also have the column's."
    return _heat(
        share_CC, _percents(share_CC), label_names, alt=alt, caption=caption, x="also", y="given"
    )


def confusion(
    counts_CC: Int[np.ndarray, "C C"],
    class_names: Sequence[str],
    *,
    caption: str = "",
) -> Figure:
    """Return true class (rows) against predicted class (columns), coloured by share of the row."""
    counts_CC = np.asarray(counts_CC)
    totals_C1 = counts_CC.sum(1, keepdims=True)
    share_CC = np.divide(
        counts_CC, totals_C1, out=np.full(counts_CC.shape, np.nan), where=totals_C1 > 0
    )
    right = int(np.trace(counts_CC))
    alt = (
        f"Confusion matrix of {len(class_names)} classes: {right:,} of {int(counts_CC.sum()):,} "
        f"cases on the diagonal."
    )
    words = [[f"{int(n):,}" for n in row] for row in counts_CC]
    return _heat(share_CC, words, class_names, alt=alt, caption=caption, x="predicted", y="true")


def _heat(
    share_CC: Float[np.ndarray, "C C"],
    words: Sequence[Sequence[str]],
    names: Sequence[str],
    *,
    alt: str,
    caption: str,
    x: str,
    y: str,
) -> Figure:
    n = len(names)
    side = int(np.clip(34 * n, 150, 700))
    shown = [style.plain(name, limit=26) for name in names]
    margin = 7 * max((len(name) for name in shown), default=0) + 30

    def paint(drawing: Drawing) -> None:
        if n == 0:
            return style.nothing(drawing, "No labels")
        axes = drawing.add_subplot()
        image = axes.imshow(share_CC, cmap=style.sequential(), vmin=0, vmax=1)
        size = float(np.clip(250 / n, 4.5, 9.5))
        axes.set_xticks(range(n), shown, rotation=90, fontsize=size)
        axes.set_yticks(range(n), shown, fontsize=size)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set(xlabel=x, ylabel=y)
        if n <= LARGEST_WITH_NUMBERS:
            for i in range(n):
                for j in range(n):
                    dark = np.nan_to_num(share_CC[i, j]) > 0.55
                    tone = "white" if dark else style.INK
                    axes.text(
                        j, i, words[i][j], ha="center", va="center", color=tone, fontsize=size - 1.5
                    )
        bar = drawing.colorbar(image, ax=axes, shrink=0.6, pad=0.02, aspect=30)
        bar.outline.set_visible(False)
        bar.set_label("share of the row", color=style.SOFT)

    return style.draw(
        paint, width=side + margin + 80, height=side + margin + 20, alt=alt, caption=caption
    )


def _percents(share_CC: Float[np.ndarray, "C C"]) -> list[list[str]]:
    return [["" if np.isnan(v) else f"{100 * v:.0f}" for v in row] for row in share_CC]


def _strongest(
    share_CC: Float[np.ndarray, "C C"],
    both_CC: Float[np.ndarray, "C C"],
    names: Sequence[str],
) -> str:
    apart_CC = np.where(np.eye(len(names), dtype=bool) | np.isnan(share_CC), -1.0, share_CC)
    if apart_CC.size == 0 or apart_CC.max() <= 0:
        return ""
    i, j = np.unravel_index(apart_CC.argmax(), apart_CC.shape)
    return (
        f" Strongest: {style.plain(names[int(j)])} in {100 * apart_CC[i, j]:.0f} % of "
        f"{style.plain(names[int(i)])} ({int(both_CC[i, j])} cases)."
    )
