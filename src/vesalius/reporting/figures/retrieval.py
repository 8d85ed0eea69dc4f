"""Retrieval: how often the right partner is among the first k, against chance."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING

from vesalius.core import Score
from vesalius.reporting import numbers
from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


def recall_at_k(
    recalls: Mapping[str, Mapping[int, Score]],
    *,
    chance: Mapping[int, float] | None = None,
    caption: str = "",
) -> Figure:
    """Return recall over k, one line a direction or method: ``recalls["image → text"][5]``."""
    ks = sorted({k for scores in recalls.values() for k in scores})
    parts = [
        f"{style.plain(name)}: "
        + ", ".join(f"R@{k} {numbers.score(scores[k]).value}" for k in sorted(scores))
        for name, scores in recalls.items()
    ]
    alt = f"Recall among the first k by k. {'; '.join(parts)}."

    def paint(drawing: Drawing) -> None:
        if not ks:
            return style.nothing(drawing, "No retrieval was scored")
        axes = drawing.add_subplot()
        style.grid(axes, "y")
        place = {k: i for i, k in enumerate(ks)}
        lines = len(recalls)
        for i, (name, scores) in enumerate(recalls.items()):
            shift = 0.1 * (i - (lines - 1) / 2)
            own = sorted(scores)
            for k in own:
                score = scores[k]
                if isfinite(score.low) and isfinite(score.high):
                    axes.vlines(
                        place[k] + shift, score.low, score.high, style.colour(i), linewidth=1.6
                    )
            axes.plot(
                [place[k] + shift for k in own],
                [scores[k].value for k in own],
                marker=style.marker(i),
                linestyle=style.line(i),
                linewidth=1.2,
                markersize=5.5,
                color=style.colour(i),
                label=style.plain(name),
            )
        if chance:
            known = [k for k in ks if k in chance]
            axes.plot(
                [place[k] for k in known],
                [chance[k] for k in known],
                color=style.SOFT,
                linewidth=1,
                linestyle=(0, (2, 2)),
                label="chance",
            )
        axes.set_xticks(range(len(ks)), [str(k) for k in ks])
        axes.set_xlim(-0.4, len(ks) - 0.6)
        axes.set_ylim(bottom=0)
        axes.set(xlabel="k", ylabel="recall at k")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))

    return style.draw(paint, width=600, height=300, alt=alt, caption=caption)
