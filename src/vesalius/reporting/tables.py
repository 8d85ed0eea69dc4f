"""Scores as tables: by method, by label, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from vesalius.core import Score
from vesalius.reporting import numbers
from vesalius.reporting.blocks import Cell, Column, Row, Table, Tile
from vesalius.reporting.footnotes import placed, remarks, sentence
from vesalius.reporting.measures import measure

FEW = 10  # cases with, or without, a label: fewer, and a bootstrap's interval is too narrow
Scores = Mapping[str, Sequence[Score]]
Reference = Mapping[str, Mapping[str, float]]


def summary_table(
    scores_by_method: Scores,
    *,
    measures: Sequence[str] = (),
    reference: Reference | None = None,
    source: str = "",
    caption: str = "",
    marks: bool = True,
) -> Table:
    """Return one row a method and one column a measure, from the scores that bear no label.

    ``measures`` chooses and orders the columns (empty: all, as they come); one that nobody has
    gets none, such as the exact match of a single label. ``reference`` are
    published figures, ``rows[method][measure]``, set below ours for reference; ``source`` names
    their paper.
    """
    overall = {method: _by_name(scores) for method, scores in scores_by_method.items()}
    present = {*_names(scores_by_method), *(n for own in (reference or {}).values() for n in own)}
    names = tuple(n for n in measures if n in present) if measures else _names(scores_by_method)
    counts = {method: _n(list(found.values())) for method, found in overall.items()}
    rows = [
        Row((method, counts[method], *(overall[method].get(name) for name in names)))
        for method in overall
    ]
    for method, figures in (reference or {}).items():
        cells: list[Cell] = [figures.get(name) for name in names]
        if any(cell is not None for cell in cells):
            rows.append(Row((method, None, *cells), kind="reference", note=_published(source)))
    return Table(
        ("Method", Column("n"), *(_column(name, marks=marks) for name in names)),
        rows,
        caption,
        _interval_notes(scores_by_method),
    )


def label_table(
    scores_by_method: Scores,
    *,
    measures: Sequence[str] = ("auroc", "average_precision"),
    caption: str = "",
    marks: bool = True,
) -> Table:
    """Return one row a label: positives, prevalence, then every measure by every method.

    A label with too few cases on one side is marked: its intervals are too narrow.
    """
    found = {
        method: {(s.name, s.label): s for s in reversed(scores) if s.label}
        for method, scores in scores_by_method.items()
    }
    every = [score for scores in scores_by_method.values() for score in scores if score.label]
    present = {score.name for score in every}
    names = [name for name in measures if name in present]
    labels = list(dict.fromkeys(score.label for score in every if score.name in names))
    columns = [
        Column("Finding"),
        Column("Positive\u00a0/\u00a0n"),
        Column("Prevalence", percent=True),
    ]
    for name in names:
        for method in found:
            columns.append(_column(name, marks=marks, method=method if len(found) > 1 else ""))
    rows: list[Row] = []
    for label in labels:
        own = [score for score in every if score.label == label]
        cells = [found[method].get((name, label)) for name in names for method in found]
        rows.append(Row((label, *_positives(own), *cells), note=_few(own)))
    return Table(columns, rows, caption, _interval_notes(scores_by_method))


def tile(score: Score, *, label: str = "", name: str = "") -> Tile:
    """Return a key figure for the top of the page.

    >>> tile(Score("macro_auroc", 0.81, 0.78, 0.84, n=412), label="linear probe").name
    'Macro AUROC'
    """
    return Tile(name or f"{measure(score.name).title} {score.label}".strip(), score, label)


def scores_markdown(
    scores_by_method: Scores,
    *,
    measures: Sequence[str] = (),
    reference: Reference | None = None,
    source: str = "",
) -> str:
    """Return the summary table as Markdown, every value with its interval.

    >>> print(scores_markdown({"probe": [Score("auroc", 0.8123, 0.781, 0.84, n=412)]}))
    | Method | n | AUROC |
    |:---|---:|---:|
    | probe | 412 | 0.812 [0.781, 0.840] |
    <BLANKLINE>
    Brackets: 95 % intervals.
    <BLANKLINE>
    """
    table = summary_table(scores_by_method, measures=measures, reference=reference, source=source)
    heads = [c.name if isinstance(c, Column) else c for c in table.columns]
    lines = [_line([_plain(head) for head in heads]), "|:---" + "|---:" * (len(heads) - 1) + "|"]
    footnotes: list[str] = []
    everywhere = placed(row.cells for row in table.rows if isinstance(row, Row)).everywhere
    for row in table.rows:
        assert isinstance(row, Row)
        cells = [_markdown_cell(cell, everywhere, footnotes) for cell in row.cells]
        if row.note:
            cells[0] += _mark(row.note, footnotes)
        lines.append(_line(cells))
    shared = [_plain(sentence(remark)) for remark in everywhere]
    tail = [
        *table.notes,
        *shared,
        *(f"[{i}] {_plain(note)}" for i, note in enumerate(footnotes, 1)),
    ]
    return "\n".join([*lines, "", *(line for note in tail for line in (note, ""))])


def _by_name(scores: Sequence[Score]) -> dict[str, Score]:
    """Return the scores without a label; of two with one name (two protocols) the first counts."""
    return {score.name: score for score in reversed(scores) if not score.label}


def _names(scores_by_method: Scores) -> tuple[str, ...]:
    every = (score for scores in scores_by_method.values() for score in scores)
    return tuple(dict.fromkeys(score.name for score in every if not score.label))


def _n(scores: Sequence[Score]) -> Cell:
    counts = sorted({score.n for score in scores})
    if not counts:
        return None
    return counts[0] if len(counts) == 1 else f"{counts[0]:,}–{counts[-1]:,}"


def _positives(scores: Sequence[Score]) -> tuple[Cell, Cell]:
    """Return ``12 / 300`` and the share, from the first score that knows its positives."""
    for score in scores:
        if score.positives is not None and score.n:
            return f"{score.positives:,} / {score.n:,}", score.positives / score.n
    return None, None


def _few(scores: Sequence[Score]) -> str:
    """Say which side of a label is so rare that intervals which rest on it cannot be trusted."""
    for score in scores:
        if score.positives is not None and isfinite(score.low):
            sides = {"positives": score.positives, "negatives": score.n - score.positives}
            rare = [side for side, count in sides.items() if 0 < count < FEW]
            if rare:
                cases = " and ".join(f"fewer than {FEW} {side}" for side in rare)
                return f"{cases}: intervals that rest on them are too narrow"
    return ""


def _column(name: str, *, marks: bool, method: str = "") -> Column:
    known = measure(name)
    return Column(
        method or known.title,
        group=known.title if method else "",
        better=known.better,
        marks=marks and bool(known.better or known.chance is not None),
        chance=known.chance,
    )


def _published(source: str) -> str:
    return f"Published, for reference: {source}." if source else "Published, for reference."


def _interval_notes(scores_by_method: Scores) -> tuple[str, ...]:
    every = [score for scores in scores_by_method.values() for score in scores]
    with_interval = [s for s in every if s.low == s.low and s.high == s.high]
    levels = sorted({score.confidence for score in with_interval})
    if not levels:
        return ()
    notes = [f"Brackets: {' or '.join(f'{100 * level:g} %' for level in levels)} intervals."]
    return tuple(notes)


def _markdown_cell(cell: Cell, everywhere: Sequence[str], footnotes: list[str]) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, Score):
        printed = numbers.score(cell)
        shown = f"{printed.value} {printed.interval}".strip()
        own = [remark for remark in remarks(cell) if remark not in everywhere]
        return shown + "".join(_mark(remark, footnotes) for remark in own)
    if isinstance(cell, str):
        return _plain(cell)
    return f"{cell:,}" if isinstance(cell, int) else numbers.number(cell)


def _mark(note: str, footnotes: list[str]) -> str:
    if note not in footnotes:
        footnotes.append(note)
    return f" [{footnotes.index(note) + 1}]"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(text: str) -> str:
    """Keep a label from breaking out of its cell, and from bringing HTML, links or pictures."""
    one_line = " ".join(text.split())
    for character in "\\|[]`*":
        one_line = one_line.replace(character, "\\" + character)
    return one_line.replace("<", "&lt;").replace(">", "&gt;")
