"""What the terminal shows: progress while something runs, a table when it is done."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isnan
from textwrap import fill
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from vesalius.core import Run
    from vesalius.data import Conversion, Inspection
    from vesalius.data.audit import Audit
    from vesalius.data.fetch.catalogue import DataSet

BROKEN_SHOWN = 10
STEPS_SHOWN = 5
COLUMNS_SHOWN = 10
MENTIONS_SHOWN = 8
INTERRUPTED = 130  # the shell's code for Ctrl-C
SHOWN = ("macro_auroc", "accuracy", "macro_f1", "image_to_text_r@10", "text_to_image_r@10", "ratio",
         "mmd2", "auroc", "cka_linear_debiased", "procrustes", "knn_overlap_10",
         "rsa_euclidean_spearman")  # fmt: skip


@contextmanager
def narrated(kept: str) -> Iterator[None]:
    """Show what the package logs while it works; Ctrl-C says what is kept.

    Of the ranks of a job the first shows all, the others only what is wrong.
    """
    from rich.console import Console
    from rich.logging import RichHandler

    from vesalius.data.ranks import placed

    first = placed(os.environ).rank == 0
    handler = RichHandler(
        console=Console(stderr=True),
        show_path=False,
        show_level=False,
        markup=False,
        log_time_format="%H:%M:%S",
    )
    logger = logging.getLogger("vesalius")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if first else logging.ERROR)
    try:
        yield
    except KeyboardInterrupt:
        if first:
            typer.echo(f"\nvesalius: stopped; {kept}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def print_scores(run: Run) -> None:
    """Print what a Run found in words, its main numbers, and where the rest is."""
    from rich.console import Console
    from rich.table import Table

    from vesalius.core.files import read_json
    from vesalius.reporting.measures import measure

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
    answer = run.file("scores.md").read_text(encoding="utf-8").split("\n\n")[1]
    typer.echo(f"{fill(answer, 100)}\n")
    typer.echo(f"page    {run.file('page.html')}")
    typer.echo(f"scores  {run.file('scores.json')}, {run.file('scores.md')}")


def print_inspection(found: Inspection, page: Path) -> None:
    """Print a data set's counts and labels, and where its page is."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    typer.echo(found.sentence())
    if found.columns is not None:
        for role, columns in found.columns.roles.items():
            more = f" and {n:,} more" if (n := len(columns) - COLUMNS_SHOWN) > 0 else ""
            if columns:
                typer.echo(f"  read as {role}: {', '.join(columns[:COLUMNS_SHOWN])}{more}")
        for hint in found.columns.hints:
            typer.echo(f"  note: {hint}")
    for name, count in found.splits.items():
        typer.echo(f"  {name}: {count:,} cases")
    if found.shared_patients:
        typer.echo(f"  {found.shared_patients:,} patients lie in more than one split")
    if found.duplicates_across_splits:
        typer.echo(f"  images that occur in several splits: {found.duplicates_across_splits:,}")
    if found.no_label:
        typer.echo(f"  {found.no_label:,} cases where every label is known to be absent")
    for size, count in list(found.sizes.items())[:3]:
        typer.echo(f"  {count:,} images of {size}")
    if found.masks:
        masks = (f"{own.target} {own.cases:,} ({own.empty:,} empty)" for own in found.masks)
        typer.echo(f"  masks: {', '.join(masks)}")
    if found.boxes:
        boxes = (f"{label} {count:,}" for label, count in found.boxes.items())
        typer.echo(f"  boxes: {', '.join(boxes)}")
    if found.questions is not None:
        asked = found.questions
        typer.echo(f"  questions: {asked.closed:,} closed, {asked.open:,} open")
    for steps, count in list(found.steps.items())[:STEPS_SHOWN]:
        typer.echo(f"  {count:,} read as {steps}")
    if len(found.steps) > STEPS_SHOWN:
        typer.echo(f"  {len(found.steps) - STEPS_SHOWN:,} other ways to read them, on the page")
    table = Table("Label", "positive", "negative", "unknown", "prevalence")
    for own in found.labels:
        share = "–" if isnan(own.prevalence) else f"{own.prevalence:.1%}"
        table.add_row(own.name, f"{own.positive:,}", f"{own.negative:,}", f"{own.unknown:,}", share)
    if found.labels:
        console.print(table)
    if found.duplicates:
        typer.echo(f"images that occur more than once: {len(found.duplicates):,}")
    for title, broken in (("unreadable", found.unreadable), ("left out", found.skipped)):
        for bad in broken[:BROKEN_SHOWN]:
            typer.echo(f"{title}: {bad.name}: {bad.reason}")
        if len(broken) > BROKEN_SHOWN:
            typer.echo(f"{title}: {len(broken) - BROKEN_SHOWN:,} more, all on the page")
    typer.echo(f"page    {page}")


def print_audit(found: Audit, page: Path) -> None:
    """Print what an audit found, worst first, and where its page is."""
    findings = found.findings()
    typer.echo(f"{found.opened:,} of {found.cases:,} images were opened")
    for finding in findings:
        typer.echo(f"  {finding.level:<8} {finding.count:>7,}  {finding.title}")
    if not findings:
        typer.echo("  nothing was found")
    typer.echo(f"page    {page}")


def print_findings(labels_NF: np.ndarray, out: Path | None) -> None:
    """Print in how many reports each finding is stated, denied, doubted or not mentioned."""
    from rich.console import Console
    from rich.table import Table

    from vesalius.data.findings.labelled import counts

    table = Table("Finding", "present", "absent", "uncertain", "not mentioned")
    for own in counts(labels_NF):
        numbers = (own.present, own.absent, own.uncertain, own.unknown)
        table.add_row(own.finding, *(f"{number:,}" for number in numbers))
    Console().print(table)
    if out is not None:
        typer.echo(f"every mention with its sentence: {out}")


def print_mentions(texts: Sequence[str | None], finding: str) -> None:
    """Print a few different sentences for each state of a finding, the mention in brackets."""
    from vesalius.core import unknown
    from vesalius.data.findings import findings_of
    from vesalius.data.tables.vocabulary import CHEXPERT

    if finding not in CHEXPERT[1:]:
        raise unknown("finding", finding, CHEXPERT[1:])
    said: dict[int, dict[str, None]] = {1: {}, -1: {}, 0: {}}
    for text in filter(None, texts):
        for mention in findings_of(text):
            if mention.finding == finding:
                said[mention.state][" ".join(mention.marked(text).split())] = None
    for state, word in {1: "present", -1: "uncertain", 0: "absent"}.items():
        typer.echo(f"{word}: {len(said[state]):,} different sentences")
        for sentence in list(said[state])[:MENTIONS_SHOWN]:
            typer.echo(f"  {sentence}")


def print_conversion(done: Conversion, *, verified: bool) -> None:
    """Print what a conversion wrote, what it left out, and how it is read."""
    typer.echo(f"{done.cases:,} cases in {done.files:,} files, {done.size / 1e6:,.1f} MB")
    if done.resumed:
        typer.echo(f"{done.resumed:,} parts were there already")
    for bad in done.skipped[:BROKEN_SHOWN]:
        typer.echo(f"left out: {bad.name}: {bad.reason}")
    if len(done.skipped) > BROKEN_SHOWN:
        typer.echo(f"left out: {len(done.skipped) - BROKEN_SHOWN:,} more, all in index.json")
    if verified:
        typer.echo("every file and every case reads back as it was")
    typer.echo(f"read it with: vesalius data inspect {done.reader} {done.out}")


def print_data_set(own: DataSet, folder: Path, path: Path | None) -> None:
    """Print where a data set is asked for and what to do with it, or where it was put."""
    typer.echo(f"{own.name}: {own.what}\nlicence {own.licence}\nsize    {own.size}")
    typer.echo(f"from    {own.source}")
    if path is None:
        typer.echo(f"how     {own.how}\nnothing was downloaded: this set is fetched by hand")
    from vesalius.data import READERS

    reader = own.reader if own.reader in READERS else "manifest"
    typer.echo(f"then    vesalius data inspect {reader} {folder if path is None else path}")


def _cell(score: Mapping[str, Any] | None) -> str:
    from vesalius.core import Score
    from vesalius.reporting import numbers

    if score is None or score["value"] is None:
        return "–"
    if score["low"] is None:
        return numbers.number(score["value"])
    shown = numbers.score(Score("", score["value"], score["low"], score["high"]))
    return f"{shown.value} \\{shown.interval}"


def print_settings(reader: str) -> None:
    """Print what a reader reads, and each of its settings with default and meaning."""
    from vesalius.data import meanings_of, reader_function, settings_of

    typer.echo(f"{reader}: {first_line(reader_function(reader))}")
    defaults = settings_of(reader)
    for key, meaning in meanings_of(reader).items():
        typer.echo(f"\n  {key}={'' if defaults[key] is None else defaults[key]}")
        typer.echo(fill(meaning, 78, initial_indent=" " * 6, subsequent_indent=" " * 6))
    if not defaults:
        typer.echo("\n  it has no settings")


def first_line(function: Callable[..., Any]) -> str:
    """Return the first line of a function's docstring."""
    return (inspect.getdoc(function) or "").partition("\n")[0].replace("``", "")
