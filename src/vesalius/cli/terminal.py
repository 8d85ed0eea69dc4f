"""What the terminal shows: progress while something runs, a table when it is done."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from vesalius.core import Run

INTERRUPTED = 130  # the shell's code for Ctrl-C
SHOWN = ("macro_auroc", "accuracy", "macro_f1", "image_to_text_r@10", "text_to_image_r@10", "ratio")


@contextmanager
def narrated(kept: str) -> Iterator[None]:
    """Show what the package logs while it works; Ctrl-C says what is kept."""
    from rich.console import Console
    from rich.logging import RichHandler

    handler = RichHandler(
        console=Console(stderr=True), show_path=False, show_level=False, markup=False
    )
    logger = logging.getLogger("vesalius")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"\nvesalius: stopped; {kept}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def print_scores(run: Run) -> None:
    """Print a Run's main numbers with their intervals, and where the rest is."""
    from rich.console import Console
    from rich.table import Table

    from vesalius.core.files import read_json
    from vesalius.reporting import measure

    scores: Mapping[str, Any] = read_json(run.file("scores.json"))
    rows = {
        method: {s["name"]: s for s in own if not s["label"] and "published" not in s["protocol"]}
        for method, own in scores.items()
    }
    names = [name for name in SHOWN if any(name in row for row in rows.values())]
    table = Table("Method", *(measure(name).title for name in names))
    for method, row in rows.items():
        if any(name in row for name in names):
            table.add_row(method, *(_cell(row.get(name)) for name in names))
    console = Console()
    if names:
        console.print(table)
    typer.echo(f"page    {run.file('page.html')}")
    typer.echo(f"scores  {run.file('scores.json')}, {run.file('scores.md')}")


def _cell(score: Mapping[str, Any] | None) -> str:
    if score is None or score["value"] is None:
        return "–"
    if score["low"] is None:
        return f"{score['value']:.3f}"
    return f"{score['value']:.3f} \\[{score['low']:.3f}, {score['high']:.3f}]"


def first_line(function: Callable[..., Any]) -> str:
    """Return the first line of a function's docstring."""
    return (inspect.getdoc(function) or "").partition("\n")[0]
