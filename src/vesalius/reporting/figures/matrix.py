"""Heat tables: which labels occur together, and which classes are taken for each other."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from typing import TYPE_CHECKING

import numpy as np

from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures import style

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from matplotlib.figure import Figure as Drawing

LARGEST_WITH_NUMBERS = 24  # more rows than that, and the numbers are too small to read


def heat_map(
    values_RC: Float[np.ndarray, "R C"],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    name: str,
    top: float | None = 1.0,
    caption: str = "",
) -> Figure:
    """Return a table of numbers as colours from 0 to ``top`` (None: the largest); NaN is grey."""
    values_RC = np.asarray(values_RC, np.float64)
    known = values_RC[np.isfinite(values_RC)]
    largest = float(known.max()) if known.size else 1.0
    digits = 2 if not 0 < largest < 0.1 else 1 - floor(log10(largest))
    words = [["" if not np.isfinite(v) else _short(v, digits) for v in row] for row in values_RC]
    alt = f"{name} of {len(rows)} rows and {len(columns)} columns"
    if known.size:
        i, j = np.argwhere(values_RC == largest)[0]
        named = style.plain(rows[int(i)]), style.plain(columns[int(j)])
        alt += f"; the largest, {largest:.3g}, is {named[0]} with {named[1]}"
    return _heat(
        values_RC, words, rows, columns, alt=f"{alt}.", caption=caption, x="", y="", bar=name,
        top=max(largest, 1e-12) if top is None else top,
    )  # fmt: skip


def _short(value: float, digits: int) -> str:
    """Return a number short enough for a cell, without the 0 before the point.

    >>> _short(0.514, 2), _short(-0.001, 2), _short(-0.25, 2), _short(10.5, 2), _short(0.0134, 3)
    ('.51', '.00', '−.25', '10.50', '.013')
    """
    words = f"{round(value, digits) + 0.0:.{digits}f}"  # + 0 makes −0 a plain 0
    if abs(value) < 1:
        words = words.replace("0.", ".", 1)
    return words.replace("-", "−")


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
        share_CC, _percents(share_CC), label_names, label_names,
        alt=alt, caption=caption, x="also", y="given",
    )  # fmt: skip


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
    return _heat(
        share_CC, words, class_names, class_names, alt=alt, caption=caption, x="predicted", y="true"
    )


def _heat(
    share_RC: Float[np.ndarray, "R C"],
    words: Sequence[Sequence[str]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    alt: str,
    caption: str,
    x: str,
    y: str,
    bar: str = "share of the row",
    top: float = 1.0,
) -> Figure:
    longest = max(len(rows), len(columns), 1)
    cell = float(np.clip(700 / longest, 14, 34))
    shown = [[style.plain(name, limit=26) for name in names] for names in (rows, columns)]
    margins = [7 * max((len(name) for name in names), default=0) + 30 for names in shown]

    def paint(drawing: Drawing) -> None:
        if not rows or not columns:
            return style.nothing(drawing, "No labels")
        axes = drawing.add_subplot()
        axes.set_facecolor(style.FAINT)
        image = axes.imshow(share_RC, cmap=style.sequential(), vmin=0, vmax=top)
        size = float(np.clip(250 / longest, 4.5, 9.5))
        axes.set_xticks(range(len(columns)), shown[1], rotation=90, fontsize=size)
        axes.set_yticks(range(len(rows)), shown[0], fontsize=size)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set(xlabel=x, ylabel=y)
        if longest <= LARGEST_WITH_NUMBERS:
            for i in range(len(rows)):
                for j in range(len(columns)):
                    dark = np.nan_to_num(share_RC[i, j]) > 0.55 * top
                    tone = "white" if dark else style.INK
                    axes.text(
                        j, i, words[i][j], ha="center", va="center", color=tone, fontsize=size - 1.5
                    )
        scale = drawing.colorbar(image, ax=axes, shrink=0.6, pad=0.02, aspect=30)
        scale.outline.set_visible(False)
        scale.set_label(bar, color=style.SOFT)

    width, height = (max(cell * len(names), 260) for names in (columns, rows))
    return style.draw(
        paint, width=width + margins[0] + 80, height=height + margins[1] + 20, alt=alt,
        caption=caption,
    )  # fmt: skip


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
