"""Forest plot: one measure for each label, with its interval, for one or several methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from vesalius.core import Score
from vesalius.reporting import numbers
from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures import style
from vesalius.reporting.measures import measure as named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

ROW = 22  # CSS pixels between labels of one method; every further method adds STEP
STEP = 9
STRIPE = "#f7f5f0"


def forest(
    scores_by_method: Mapping[str, Sequence[Score]],
    *,
    measure: str = "auroc",
    caption: str = "",
    sort: bool = True,
) -> Figure:
    """Return a forest plot of the labelled scores of one measure.

    Labels are sorted by the first method's value unless ``sort`` is off. A score without interval
    is drawn as a hollow point.
    """
    found = {
        method: {s.label: s for s in scores if s.name == measure and s.label}
        for method, scores in scores_by_method.items()
    }
    found = {method: scores for method, scores in found.items() if scores}
    labels = list(dict.fromkeys(label for scores in found.values() for label in scores))
    if sort and labels:
        first = next(iter(found.values()))
        labels.sort(key=lambda label: _value(first.get(label)), reverse=True)
    title = named(measure).title
    alt = (
        f"Forest plot of {title} for {len(labels)} labels by {style.listed(list(found))}; "
        f"the same figures stand in the table of labels."
    )
    height = 78 + max(len(labels), 2) * (ROW + STEP * (len(found) - 1)) + 16 * (len(found) > 1)

    def paint(drawing: Drawing) -> None:
        if not labels:
            return style.nothing(drawing, f"No label has a {title}")
        paint_forest(drawing.add_subplot(), found, labels, measure=measure)

    return style.draw(paint, width=style.WIDTH, height=height, alt=alt, caption=caption)


def paint_forest(
    axes: Axes,
    found: Mapping[str, Mapping[str, Score]],
    labels: Sequence[str],
    *,
    measure: str,
    letters: int = 30,
) -> None:
    """Paint points and intervals on given axes, the first label at the top."""
    known = named(measure)
    spread = 0.62 if len(found) > 1 else 0.0
    for i, (method, scores) in enumerate(found.items()):
        shift = spread * (i / max(len(found) - 1, 1) - 0.5)
        for row, label in enumerate(labels):
            score = scores.get(label)
            if score is not None and isfinite(score.value):
                _point(axes, row + shift, score, i)
                if len(found) == 1:
                    _numbers(axes, row, score)
        axes.plot([], [], style.marker(i), color=style.colour(i), label=style.plain(method))
    if known.chance is not None:
        axes.axvline(known.chance, color=style.SOFT, linewidth=1, linestyle=(0, (2, 2)), zorder=0)
    for row, label in enumerate(labels):
        if row % 2 == 0:
            axes.axhspan(row - 0.5, row + 0.5, color=STRIPE, zorder=-1, linewidth=0)
        _reason(axes, row, [scores[label] for scores in found.values() if label in scores])
    style.grid(axes, "x")
    axes.set_yticks(range(len(labels)), [style.plain(label, limit=letters) for label in labels])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel(known.title + ("" if known.chance is None else " (dashed: chance)"))
    if len(found) > 1:
        style.legend(axes)


def _point(axes: Axes, at: float, score: Score, index: int) -> None:
    """Draw a value with its interval; hollow where there is none."""
    tone = style.colour(index)
    whole = isfinite(score.low) and isfinite(score.high)
    if whole:
        axes.hlines(at, score.low, score.high, color=tone, linewidth=1.6)
    axes.plot(
        [score.value],
        [at],
        style.marker(index),
        color=tone,
        markerfacecolor=tone if whole else "white",
        markersize=5,
    )


def _reason(axes: Axes, row: int, scores: Sequence[Score]) -> None:
    """Say why a label has no value at all."""
    if any(isfinite(score.value) for score in scores):
        return
    note = next((score.note for score in scores if score.note), "no value")
    axes.text(
        0.012,
        row,
        style.plain(note, limit=60),
        transform=axes.get_yaxis_transform(),
        va="center",
        fontsize=8.5,
        fontstyle="italic",
        color=style.SOFT,
    )


def _value(score: Score | None) -> float:
    return score.value if score is not None and isfinite(score.value) else -1e9


def _numbers(axes: Axes, row: int, score: Score) -> None:
    printed = numbers.score(score)
    axes.text(
        1.02,
        row,
        f"{printed.value} {printed.interval}".strip(),
        transform=axes.get_yaxis_transform(),
        va="center",
        fontsize=8.5,
        color=style.SOFT,
    )
