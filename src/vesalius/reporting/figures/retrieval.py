"""Retrieval: how often the right partner is among the first k, against chance and naive."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING

from vesalius.core import Score
from vesalius.reporting import numbers
from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing


def recall_at_k(
    recalls: Mapping[str, Mapping[int, Score]],
    *,
    chance: Mapping[int, float] | None = None,
    naive: Mapping[str, Mapping[int, Score]] | None = None,
    caption: str = "",
) -> Figure:
    """Return recall at k as bars, one a direction or method: ``recalls["image → text"][5]``.

    ``chance`` is drawn as a dashed line across each k; ``naive``, by the same names, as a hollow
    mark in the bar: the recall when only the very own partner counts as right.
    """
    ks = sorted({k for scores in recalls.values() for k in scores})
    parts = [
        f"{style.plain(name)}: "
        + ", ".join(f"R@{k} {numbers.score(scores[k]).value}" for k in sorted(scores))
        for name, scores in recalls.items()
    ]
    by_chance = ", ".join(f"R@{k} {v:.3f}" for k, v in sorted((chance or {}).items()))
    alt = f"Recall among the first k. {'; '.join(parts)}."
    alt += f" Chance: {by_chance}." if by_chance else ""

    def paint(drawing: Drawing) -> None:
        if not ks:
            return style.nothing(drawing, "No retrieval was scored")
        axes = drawing.add_subplot()
        style.grid(axes, "y")
        thick = 0.8 / len(recalls)
        for i, (name, scores) in enumerate(recalls.items()):
            shift = thick * (i - (len(recalls) - 1) / 2)
            label = style.plain(name)
            for place, k in enumerate(ks):
                if k not in scores or not isfinite(scores[k].value):
                    continue
                _bar(
                    axes, place + shift, scores[k], colour=style.colour(i), thick=thick, name=label
                )
                label = ""
                other = (naive or {}).get(name, {}).get(k)
                if other is not None and isfinite(other.value):
                    said = "" if i or place else "naive: own partner alone"
                    axes.plot([place + shift], [other.value], "D", color="white", label=said,
                              markeredgecolor=style.INK, markersize=5, zorder=4)  # fmt: skip
        for place, k in enumerate(ks):
            if k in (chance or {}):
                axes.hlines(
                    (chance or {})[k], place - 0.45, place + 0.45, color=style.INK,
                    linewidth=1.2, linestyle=(0, (2, 1.5)), label="" if place else "chance",
                )  # fmt: skip
        axes.set_xticks(range(len(ks)), [f"R@{k}" for k in ks])
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.55, len(ks) - 0.45)
        axes.set_ylim(0, 1.08 * axes.get_ylim()[1])
        axes.set(ylabel="recall at k")
        style.legend(axes)

    return style.draw(paint, width=style.WIDTH, height=340, alt=alt, caption=caption)


def _bar(axes: Axes, at: float, score: Score, *, colour: str, thick: float, name: str) -> None:
    """Draw one recall with its interval and, where there is room, its number."""
    whole = isfinite(score.low) and isfinite(score.high)
    axes.bar(at, score.value, 0.9 * thick, color=colour, label=name, alpha=0.85)
    if whole:
        axes.vlines(at, score.low, score.high, color=style.INK, linewidth=1.3, zorder=3)
    if thick > 0.15:
        axes.annotate(
            numbers.number(score.value, digits=2),
            (at, score.high if whole else score.value),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=style.SOFT,
        )
