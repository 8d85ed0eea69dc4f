"""Learning curves: what training cost, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


def learning_curves(
    curves: Mapping[str, Sequence[float]],
    *,
    best_epoch: int | None = None,
    measure: str = "loss",
    caption: str = "",
    first_epoch: int = 1,
) -> Figure:
    """Return one line a name (``train``, ``validation``) over epochs; NaN leaves a gap.

    ``best_epoch`` is the epoch whose weights were kept, counted from ``first_epoch``.
    """
    longest = max((len(values) for values in curves.values()), default=0)
    finite = {name: [v for v in values if isfinite(v)] for name, values in curves.items()}
    finite = {name: values for name, values in finite.items() if values}
    ends = [
        f"{style.plain(name)} from {values[0]:.3g} to {values[-1]:.3g}"
        for name, values in finite.items()
    ]
    best = "" if best_epoch is None else f" Best epoch: {best_epoch}."
    alt = f"Learning curves of {measure} over {longest} epochs: {'; '.join(ends)}.{best}"

    def paint(drawing: Drawing) -> None:
        if not finite:
            return style.nothing(drawing, "No epoch was trained")
        axes = drawing.add_subplot()
        style.grid(axes, "y")
        for i, name in enumerate(finite):
            values = curves[name]
            epochs = range(first_epoch, first_epoch + len(values))
            axes.plot(
                epochs,
                values,
                color=style.colour(i),
                linestyle=style.line(i),
                marker=style.marker(i) if longest <= 30 else "",
                markersize=4,
                label=style.plain(name),
            )
        if best_epoch is not None:
            late = best_epoch - first_epoch > 0.7 * longest
            axes.axvline(best_epoch, color=style.SOFT, linewidth=1, linestyle=(0, (2, 2)), zorder=0)
            axes.annotate(
                f"kept: epoch {best_epoch}",
                (best_epoch, 1),
                xycoords=("data", "axes fraction"),
                xytext=(-4 if late else 4, -2),
                textcoords="offset points",
                ha="right" if late else "left",
                va="top",
                color=style.SOFT,
                fontsize=8.5,
            )
        every = [v for values in finite.values() for v in values]
        if min(every) >= 0 and max(every) > 0:
            axes.set_ylim(bottom=0, top=1.08 * max(every))
        axes.set_xlim(first_epoch - 0.4, first_epoch + longest - 0.6)
        axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
        axes.set_xlabel("epoch")
        axes.set_ylabel(style.plain(measure))
        style.legend(axes)

    return style.draw(paint, width=style.WIDTH, height=320, alt=alt, caption=caption)
