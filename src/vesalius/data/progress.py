"""How far long work is: a bar with rate and remaining time on a terminal, else a line at times."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Protocol

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 30.0


class Advance(Protocol):
    """Moves a bar on; the note stands at its end."""

    def __call__(self, count: int, note: str = "") -> None: ...


@contextmanager
def bar(
    what: str, total: int, *, unit: str = "", done: int = 0, show: bool = True
) -> Iterator[Advance]:
    """Show a bar on stderr and yield a function that moves it on, ``advance(count, note="")``.

    Where stderr is no terminal, or with ``show`` False, a line goes to the log every half minute
    instead.

    >>> with bar("reading", 2, unit="images") as advance:
    ...     advance(2)
    """
    if show and sys.stderr.isatty():
        with _bar(what, total, unit, done) as advance:
            yield advance
    else:
        yield _lines(what, total, unit, done)


@contextmanager
def _bar(title: str, total: int, unit: str, done: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    began, moved = monotonic(), 0
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total, completed=done, note="", rate="")

        def advance(count: int, note: str = "") -> None:
            nonlocal moved
            moved += count
            rate = f"{moved / max(monotonic() - began, 1e-9):,.1f} {unit}".rstrip() + "/s"
            bar.update(task, advance=count, note=note, rate=rate)

        yield advance


def _lines(title: str, total: int, unit: str, done: int) -> Advance:
    began = last = monotonic()
    moved = 0

    def advance(count: int, note: str = "") -> None:
        nonlocal last, moved
        moved += count
        now = monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            rate = moved / (now - began)
            left = (total - done - moved) / rate if rate else float("inf")
            at = f"{done + moved:,} of {total:,} {unit}, {rate:,.1f}/s, {left:,.0f} s left"
            log.info("%s: %s %s", title, at, note)

    return advance
