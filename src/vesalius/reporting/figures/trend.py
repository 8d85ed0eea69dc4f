"""Trend: a measure against a number that was varied, one line a method, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING

from vesalius.core import Score
from vesalius.reporting import numbers
from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures import style
from vesalius.reporting.measures import measure as named

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

WIDE = 8  # times: a range of positive numbers that is wider is drawn in logarithms


def trend(
    lines: Mapping[str, Mapping[float, Score]],
    *,
    measure: str,
    along: str,
    percent: bool = False,
    caption: str = "",
) -> Figure:
    """Return one line a name through its scores at the numbers that were varied.

    ``lines["infonce"][0.1]`` is drawn at 0.1, its interval as a band. ``along`` names the axis;
    ``percent`` prints 0.1 as 10 %.
    """
    xs = sorted({x for own in lines.values() for x in own})
    known = named(measure)
    said = {x: f"{100 * x:g} %" if percent else f"{x:g}" for x in xs}
    rows = style.legend_rows(list(lines))
    parts = [
        f"{style.plain(name)}: "
        + ", ".join(f"{said[x]}: {numbers.score(own[x]).value}" for x in sorted(own))
        for name, own in lines.items()
    ]
    alt = f"{known.title} against {along}. {'; '.join(parts)}."

    def paint(drawing: Drawing) -> None:
        if not xs:
            return style.nothing(drawing)
        axes = drawing.add_subplot()
        style.grid(axes, "y")
        for i, (name, own) in enumerate(lines.items()):
            there = [x for x in sorted(own) if isfinite(own[x].value)]
            axes.plot(
                there,
                [own[x].value for x in there],
                color=style.colour(i),
                linestyle=style.line(i),
                marker=style.marker(i),
                markersize=5,
                label=style.plain(name),
            )
            whole = [x for x in there if isfinite(own[x].low) and isfinite(own[x].high)]
            axes.fill_between(
                whole,
                [own[x].low for x in whole],
                [own[x].high for x in whole],
                color=style.colour(i),
                alpha=0.13,
                linewidth=0,
            )
        if known.chance is not None:
            axes.axhline(known.chance, color=style.SOFT, linewidth=1, linestyle=(0, (2, 2)))
        if xs[0] > 0 and xs[-1] / xs[0] > WIDE:
            axes.set_xscale("log")
        axes.set_xticks(xs, list(said.values()))
        axes.minorticks_off()
        axes.set_xlabel(style.plain(along))
        axes.set_ylabel(known.title + ("" if known.chance is None else " (dashed: chance)"))
        style.legend(axes)

    return style.draw(paint, width=style.WIDTH, height=310 + 17 * rows, alt=alt, caption=caption)
