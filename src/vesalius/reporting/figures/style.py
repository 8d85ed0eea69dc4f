"""One look for every figure: colours for all eyes, a white card, the page's own type.

Figures are drawn with matplotlib's object interface (no pyplot, no global state) and come out as
the same bytes each time. Text in an SVG stays text and takes the reader's system font.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from vesalius.reporting.blocks import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

# Okabe and Ito's colours, darkened where they are faint on white (Okabe & Ito 2008)
COLOURS = ("#0b6299", "#c2500b", "#1b8a6b", "#a8578a", "#6a6a00", "#5aa5cf", "#d99a1c", "#555555")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
LINES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)))
INK, SOFT, FAINT = "#1d1b18", "#6b665e", "#dcd8d0"
SEQUENTIAL = ("#ffffff", "#dbe7ef", "#9cc2d8", "#4a8fb8", "#0b6299", "#083a5c")

PIXELS_PER_INCH = 96
SHARPNESS = 2  # device pixels per CSS pixel of a PNG
RC: Any = {  # matplotlib's type lists each key as a literal
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a label with dollar signs is a label
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.4,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",
    "svg.hashsalt": "vesalius",
    "path.simplify": True,
}
PAGE_FONT = "'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', system-ui, sans-serif"
WIDTH = 540  # CSS pixels: two beside each other on a desk, and still readable on a phone


def draw(
    paint: Callable[[Drawing], None],
    *,
    width: float,
    height: float,
    alt: str,
    caption: str = "",
    form: str = "svg",
) -> Figure:
    """Return what ``paint`` puts on an empty drawing of ``width`` × ``height`` CSS pixels.

    ``form`` is ``svg`` for lines, ``png`` for many points, ``jpeg`` for photographs.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Drawing

    with warnings.catch_warnings(), rc_context(RC):
        warnings.simplefilter("ignore")  # glyphs that DejaVu lacks: the reader's fonts have them
        drawing = Drawing(
            figsize=(width / PIXELS_PER_INCH, height / PIXELS_PER_INCH),
            dpi=PIXELS_PER_INCH,
            facecolor="white",
            layout="constrained",
        )
        FigureCanvasAgg(drawing)
        paint(drawing)
        data = _svg(drawing) if form == "svg" else _pixels(drawing, form)
    return Figure(data, alt, caption, round(width), round(height))


def plain(text: object, *, limit: int = 30) -> str:
    """Return a label on one line, without control characters, shortened in the middle.

    >>> plain("No\\nFinding"), plain("a" * 50, limit=9)
    ('No Finding', 'aaaa…aaaa')
    """
    printable = "".join(c if c.isprintable() else " " for c in str(text))
    one_line = " ".join(printable.encode("utf-8", "replace").decode().split())
    if len(one_line) <= limit:
        return one_line
    half = (limit - 1) // 2
    return f"{one_line[: limit - 1 - half]}…{one_line[-half:]}"


def colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def marker(index: int) -> str:
    return MARKERS[index % len(MARKERS)]


def line(index: int) -> Any:
    return LINES[index % len(LINES)]


def sequential() -> Any:
    """Return the colour map of counts and shares: white to deep blue."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("vesalius", SEQUENTIAL)


def grid(axes: Axes, which: str = "both") -> None:
    """Draw a faint grid behind everything."""
    axes.grid(True, axis=which, color=FAINT, linewidth=0.7)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def legend(axes: Axes) -> None:
    """Name the lines above the axes, as many in a row as the width has room for."""
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=_in_a_row(labels),
        borderaxespad=0.4,
        borderpad=0,
    )


def legend_rows(names: Sequence[str]) -> int:
    """Return how many rows the names take above the axes."""
    labels = [plain(name) for name in names]
    return -(-len(labels) // _in_a_row(labels))


def _in_a_row(labels: Sequence[str]) -> int:
    longest = max((len(label) for label in labels), default=0) + 5
    return max(1, min(len(labels), 66 // longest))


def nothing(drawing: Drawing, text: str = "Nothing to draw") -> None:
    """Say that there are no data, where a figure would be."""
    axes = drawing.add_subplot()
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=SOFT, transform=axes.transAxes)


def listed(names: Sequence[str], *, most: int = 6) -> str:
    """Return names in a row for an alternative text.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(plain(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _svg(drawing: Drawing) -> bytes:
    buffer = BytesIO()
    drawing.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue().decode()
    text = text[text.index("<svg") :]  # without the document type, which names an address
    return re.sub(r"'DejaVu Sans'(, sans-serif)?", PAGE_FONT, text).encode()


def _pixels(drawing: Drawing, form: str) -> bytes:
    plain_file: Any = {"format": form, "dpi": PIXELS_PER_INCH * SHARPNESS}
    if form == "png":
        plain_file["metadata"] = {"Software": None}
    else:
        plain_file["pil_kwargs"] = {"quality": 88, "optimize": True}
    buffer = BytesIO()
    drawing.savefig(buffer, **plain_file)
    return buffer.getvalue()
