"""ROC curves: what each threshold would have found, and at which price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core import Score
from vesalius.reporting import numbers
from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures import style

if TYPE_CHECKING:
    from jaxtyping import Float
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True, slots=True)
class RocCurve:
    """False and true positive rates over thresholds, and the area with its interval."""

    false_positive_rate_T: Float[np.ndarray, "T"]
    true_positive_rate_T: Float[np.ndarray, "T"]
    auroc: Score | None = None


def roc_curves(curves: Mapping[str, RocCurve], *, caption: str = "") -> Figure:
    """Return the curves in one square, their areas with intervals in the legend."""
    legend = {name: _named(name, curve) for name, curve in curves.items()}
    alt = f"ROC curves: {'; '.join(legend.values()) or 'none'}."

    def paint(drawing: Drawing) -> None:
        if not curves:
            return style.nothing(drawing, "No curve")
        axes = drawing.add_subplot()
        style.grid(axes)
        axes.plot((0, 1), (0, 1), color=style.SOFT, linewidth=1, linestyle=(0, (2, 2)))
        for i, (name, curve) in enumerate(curves.items()):
            axes.plot(
                curve.false_positive_rate_T,
                curve.true_positive_rate_T,
                color=style.colour(i),
                linestyle=style.line(i),
                label=legend[name],
            )
        axes.set_aspect("equal")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        axes.set(xlabel="1 − specificity", ylabel="sensitivity")
        axes.legend(loc="lower right", frameon=True, framealpha=0.9, edgecolor="none")

    return style.draw(paint, width=style.WIDTH, height=520, alt=alt, caption=caption)


def _named(name: str, curve: RocCurve) -> str:
    if curve.auroc is None:
        return style.plain(name)
    printed = numbers.score(curve.auroc)
    return f"{style.plain(name)} {printed.value} {printed.interval}".strip()
