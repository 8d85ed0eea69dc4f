"""The page of a sweep: its arms side by side, what patients and what seeds leave open, the cost."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import isfinite, isnan
from pathlib import Path

import numpy as np
import yaml

from vesalius.core import Run, Score
from vesalius.core.files import write_atomic, write_json
from vesalius.reporting import (
    Block,
    Column,
    Page,
    Row,
    Section,
    Table,
    Text,
    figures,
    render,
    scores_markdown,
)
from vesalius.reporting.blocks import Cell
from vesalius.reporting.measures import measure as named
from vesalius.studies.recipe import Recipe
from vesalius.studies.summary import phantom_note
from vesalius.studies.sweep.by_labels import by_labels
from vesalius.studies.sweep.outcomes import (
    Difference,
    Places,
    Result,
    differences,
    fits,
    grouped,
    results,
    tidy,
    tiers_of,
)

MOST_LINES = 8
TIER = (
    "A tier holds the best arm of those that are left, by that method, and every arm that cannot "
    "be told from it: by other patients (p after Holm's correction) or, given three, other seeds."
)
APART = (
    "Brackets: 95 % intervals from drawing patients, the seeds' mean taken anew each time (other "
    "patients). Deviation of the seeds: other trainings on the same patients. The two are apart."
)


def write_sweep(recipe: Recipe, run: Run, places: Places) -> None:
    """Write scores, page and Markdown of a sweep whose arms are all finished."""
    found = results(places, replicates=recipe.replicates, seed=recipe.seed)
    pairs = differences(places, replicates=recipe.replicates, seed=recipe.seed)
    by_method = _by_method(found)
    plain = {method: [score.as_dict() for score in own] for method, own in by_method.items()}
    write_json(run.file("scores.json"), plain)
    write_json(run.file("sweep.json"), tidy(found))
    write_atomic(run.file("scores.csv"), _csv(tidy(found)))
    page = Page(
        title=recipe.study.replace("_", " "),
        study=recipe.study,
        question=recipe.question,
        answer=answer(found, pairs),
        sections=[
            *by_labels(recipe, found),
            *_measured(recipe, found, pairs),
            *_compared(pairs),
            *_learning(places),
            _links(places),
        ],
        notes=(*phantom_note(recipe), "Research use only: not for diagnosis."),
        recipe_yaml=yaml.safe_dump(recipe.resolved(), sort_keys=False, allow_unicode=True),
        command=f"vesalius study run {run.path.name}/recipe.json",
        environment=run.environment(),
        created=datetime.now(UTC).date().isoformat(),
    )
    write_atomic(run.file("scores.md"), f"# {recipe.question}\n\n{scores_markdown(by_method)}")
    write_atomic(run.file("page.html"), render(page))


def answer(found: Sequence[Result], pairs: Sequence[Difference]) -> str:
    """Say which arm is highest, and how many pairs can be told apart."""
    known = [own for own in found if own.score.name == "macro_auroc" and isfinite(own.score.value)]
    if not known:
        return "No macro AUROC was measured."
    best = max(known, key=lambda own: own.score.value)
    said = f"Highest macro AUROC: {best.arm.title} by {best.method}, {best.score.value:.3f}"
    if isfinite(best.score.low):
        said += f" [{best.score.low:.3f}, {best.score.high:.3f}]"
    seeds = len(best.seeds.values)
    of_seeds = f"the mean of {seeds} seeds" if seeds > 1 else "1 seed"
    said += f" on {best.score.n:,} test cases, {of_seeds}."
    apart = sum(own.told_apart for own in pairs)
    if pairs:
        said += f" Of {len(pairs)} pairs of arms and methods, {apart} can be told apart."
    return said


def _by_method(found: Sequence[Result]) -> dict[str, list[Score]]:
    rows: dict[str, list[Score]] = {}
    for own in found:
        rows.setdefault(f"{own.arm.title}: {own.method}", []).append(own.score)
    return rows


def _measured(
    recipe: Recipe, found: Sequence[Result], pairs: Sequence[Difference]
) -> list[Section]:
    """Return a section a measure: its figure and its table."""
    sections: list[Section] = []
    for measure in dict.fromkeys(own.score.name for own in found):
        own = [one for one in found if one.score.name == measure]
        ranked = {
            (one.method, title): tier
            for one in own
            if measure == "macro_auroc" and pairs
            for title, tier in tiers_of(found, pairs, one.method).items()
        }
        blocks = [*_figures(recipe, own, measure), _table(recipe, own, measure, ranked)]
        sections.append(Section(named(measure).title, APART if not sections else "", blocks))
    return sections


def _table(
    recipe: Recipe,
    found: Sequence[Result],
    measure: str,
    ranked: Mapping[tuple[str, str], int],
) -> Table:
    known = named(measure)
    marks = bool(known.better or known.chance is not None)
    columns: list[Column | str] = [
        "Arm" if not recipe.vary else next(iter(recipe.vary)),
        *list(recipe.vary)[1:],
        "Method",
        Column(known.title, better=known.better, marks=marks, chance=known.chance),
        Column("Deviation", group="Seeds"),
        Column("t-interval", group="Seeds"),
        Column("Count", group="Seeds"),
        *(["Tier"] if ranked else []),
    ]
    rows: list[Row | Sequence[Cell]] = []
    for own in found:
        spread, levels = own.seeds, list(own.arm.levels.values()) or ["all"]
        between = f"{spread.low:.3f} to {spread.high:.3f}" if isfinite(spread.low) else None
        sd = spread.sd if isfinite(spread.sd) else None
        cells: list[Cell] = [*levels, own.method, own.score, sd, between, len(spread.values)]
        rows.append([*cells, ranked.get((own.method, own.arm.title))] if ranked else cells)
    rows += _published(recipe, measure, len(columns))
    return Table(columns, rows, notes=[TIER] if ranked else [])


def _published(recipe: Recipe, measure: str, width: int) -> list[Row]:
    """Return the published figure of the data set that was read, where the recipe has one."""
    reference, name = recipe.reference, Path(str(recipe.data["root"])).stem
    if reference is None or measure not in reference.rows.get(name, {}):
        return []
    factors = max(len(recipe.vary), 1)
    cells: list[Cell] = [name, *[None] * (factors - 1), "published"]
    cells += [reference.rows[name][measure], *[None] * (width - len(cells) - 1)]
    return [Row(cells, kind="reference", note=reference.source)]


def _figures(recipe: Recipe, found: Sequence[Result], measure: str) -> list[Block]:
    """Draw each method's lines along a last factor that is numeric; else a row an arm for all."""
    last = next(reversed(recipe.vary), "")
    numbers = {level: _number(level) for level in recipe.vary.get(last, ())}
    if len(numbers) > 1 and all(number is not None for number in numbers.values()):
        lines: dict[str, dict[str, dict[float, Score]]] = {}
        for own in found:
            names = [level for factor, level in own.arm.levels.items() if factor != last]
            line = lines.setdefault(own.method, {}).setdefault(", ".join(names) or own.method, {})
            line[numbers[own.arm.levels[last]] or 0.0] = own.score
        percent = all(level.endswith("%") for level in numbers)
        return [
            figures.trend(of, measure=measure, along=last, percent=percent, caption=f"{method}.")
            for method, of in lines.items()
        ]
    rows: dict[str, list[Score]] = {}
    for own in found:
        rows.setdefault(own.method, []).append(replace(own.score, label=own.arm.title))
    return [figures.forest(rows, measure=measure, sort=False)]


def _number(level: str) -> float | None:
    """Read a level as a number, a percentage as a share.

    >>> _number("20 %"), _number("64"), _number("infonce")
    (0.2, 64.0, None)
    """
    try:
        number = float(level.removesuffix("%").strip())
    except ValueError:
        return None
    return number / 100 if level.endswith("%") else number


def _compared(pairs: Sequence[Difference]) -> list[Section]:
    if not pairs:
        return []
    rows: list[Sequence[Cell]] = [
        (f"{own.first.title} − {own.second.title}", own.method, own.score, _p(own.p_value),
         _p(own.p_holm))
        for own in pairs
    ]  # fmt: skip
    columns = ("Pair", "Method", Column("Δ macro AUROC", marks=True, chance=0.0), "p", "p, Holm")
    why = (
        "Paired: both arms saw the same test patients, and each value is the mean over seeds. "
        "Intervals draw patients, p-values swap the two arms within patients, all seeds at once; "
        "Holm's correction holds for the pairs of a method. Seeds are not drawn: with few of "
        "them, look at their deviation too."
    )
    return [Section("Which arm is better?", why, [Table(columns, rows)])]


def _learning(places: Places) -> list[Section]:
    """Return the curves of each training, a line an arm, and what each cost."""
    found = fits(places)
    if not found:
        return []
    blocks: list[Block] = []
    for training in dict.fromkeys(name for _, name in found):
        own = {arm: runs for (arm, name), runs in found.items() if name == training}
        curves = {arm: _mean_curve(runs) for arm, runs in list(own.items())[:MOST_LINES]}
        left = f" The first {MOST_LINES} arms." if len(own) > MOST_LINES else ""
        caption = f"Validation loss by epoch, {training}: the mean over seeds.{left}"
        blocks.append(figures.learning_curves(curves, measure="validation loss", caption=caption))
    rows: list[Sequence[Cell]] = [
        (arm, name, runs[0]["trainable_parameters"], _mean(runs, "seconds") / 60,
         max(run["memory_mb"] for run in runs) / 1024)
        for (arm, name), runs in found.items()
    ]  # fmt: skip
    columns = ("Arm", "Training", Column("Trainable parameters"), Column("Minutes", digits=1),
               Column("Peak memory, GB", digits=1))  # fmt: skip
    note = (
        "Minutes: the mean over seeds. Memory: the highest of the seeds; on a CPU, the process's."
    )
    blocks.append(Table(columns, rows, notes=[note]))
    return [Section("How they learnt, and what it cost", "", blocks)]


def _mean_curve(runs: Sequence[Mapping[str, list[dict[str, float]]]]) -> list[float]:
    """Return the mean over the seeds that still trained at each epoch."""
    losses = [[entry["validation_loss"] for entry in run["history"]] for run in runs]
    longest = max(map(len, losses))
    return [float(np.mean([own[e] for own in losses if len(own) > e])) for e in range(longest)]


def _mean(runs: Sequence[Mapping[str, float]], key: str) -> float:
    return sum(run[key] for run in runs) / len(runs)


def _links(places: Places) -> Section:
    lines = [
        f"{arm.title}: " + ", ".join(f"arms/{arm.slug}/{run.name}/page.html" for run in runs)
        for arm, runs in grouped(places)
    ]
    return Section("The arms' own pages", "Beside this page.", [Text("\n\n".join(lines))])


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    lines = io.StringIO()
    if rows:
        writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return lines.getvalue()


def _p(value: float) -> str:
    return "–" if isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
