"""Power: how often so many cases show a difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vesalius.core import Score
from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


def power_curve(
    rates: Mapping[int, Score],
    *,
    alpha: float = 0.05,
    wanted: float = 0.8,
    needed: float | None = None,
    along: str = "cases of each side",
    caption: str = "",
) -> Figure:
    """Return the rejection rate against the number of cases of each side, with its intervals.

    ``needed`` marks the number at which the rate reaches ``wanted``.
    """
    sizes = sorted(rates)
    parts = ", ".join(f"{size:,}: {100 * rates[size].value:.0f} %" for size in sizes)
    alt = f"Share of tests at the level {alpha:g} that reject, by {along}. {parts}."

    def paint(drawing: Drawing) -> None:
        if not sizes:
            return style.nothing(drawing, "Too few cases to draw from")
        axes = drawing.add_subplot()
        style.grid(axes, "y")
        values = [rates[size].value for size in sizes]
        lows, highs = ([getattr(rates[s], end) for s in sizes] for end in ("low", "high"))
        axes.fill_between(sizes, lows, highs, color=style.COLOURS[0], alpha=0.15, linewidth=0)
        axes.plot(sizes, values, color=style.COLOURS[0], marker="o", markersize=5)
        for level, word in ((wanted, f"power {wanted:g}"), (alpha, f"level {alpha:g}")):
            axes.axhline(level, color=style.SOFT, linewidth=1, linestyle=(0, (3, 2)))
            axes.text(sizes[-1], level + 0.015, word, ha="right", fontsize=8.5, color=style.SOFT)
        if needed is not None:
            axes.plot([needed, needed], [0, wanted], color=style.COLOURS[1], linewidth=1.4)
            axes.text(needed, 0.02, f" {needed:,.0f}", color=style.COLOURS[1], fontweight="bold",
                      ha="left")  # fmt: skip
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.set_ylim(0, 1.03)
        axes.set_xlabel(along)
        axes.set_ylabel("share of tests that reject")

    return style.draw(paint, width=style.WIDTH, height=320, alt=alt, caption=caption)
