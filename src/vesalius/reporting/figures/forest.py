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

    return style.draw(paint, width=700, height=height, alt=alt, caption=caption)


def paint_forest(
    axes: Axes,
    found: Mapping[str, Mapping[str, Score]],
    labels: Sequence[str],
    *,
    measure: str,
) -> None:
    """Paint points and intervals on given axes, the first label at the top."""
    known = named(measure)
    spread = 0.62 if len(found) > 1 else 0.0
    for i, (method, scores) in enumerate(found.items()):
        shift = spread * (i / max(len(found) - 1, 1) - 0.5)
        for row, label in enumerate(labels):
            score = scores.get(label)
            if score is None or not isfinite(score.value):
                continue
            whole = isfinite(score.low) and isfinite(score.high)
            if whole:
                axes.hlines(
                    row + shift, score.low, score.high, color=style.colour(i), linewidth=1.6
                )
            axes.plot(
                [score.value],
                [row + shift],
                style.marker(i),
                color=style.colour(i),
                markerfacecolor=style.colour(i) if whole else "white",
                markersize=5,
            )
            if len(found) == 1:
                _numbers(axes, row, score)
        axes.plot([], [], style.marker(i), color=style.colour(i), label=style.plain(method))
    if known.chance is not None:
        axes.axvline(known.chance, color=style.SOFT, linewidth=1, linestyle=(0, (2, 2)), zorder=0)
    style.grid(axes, "x")
    axes.set_yticks(range(len(labels)), [style.plain(label) for label in labels])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(labels) - 0.45, -0.55)
    axes.set_xlabel(known.title + ("" if known.chance is None else " (dashed: chance)"))
    if len(found) > 1:
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2, handletextpad=0.2
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
