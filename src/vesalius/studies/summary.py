"""The page of a finished study: the answer first, then what it rests on, then how to repeat it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING

import yaml

from vesalius.core import Run, Score
from vesalius.core.files import write_atomic, write_json
from vesalius.data import Inspection
from vesalius.encoders import ENCODERS
from vesalius.reporting import Notice, Page, Section, Tile, render, scores_markdown, summary_table
from vesalius.reporting import tile as key_figure
from vesalius.reporting.measures import measure
from vesalius.studies.audit import audit_section
from vesalius.studies.figure_files import write_figures
from vesalius.studies.fingerprint import fingerprint
from vesalius.studies.outcome import Context, Outcome
from vesalius.studies.recipe import COMPARISONS, EVALUATIONS, EXPLANATIONS, SEGMENTATIONS, Recipe
from vesalius.studies.separability import FROZEN

if TYPE_CHECKING:
    from vesalius.training import Fit

log = logging.getLogger(__name__)
Scores = Mapping[str, Sequence[Score]]
PUBLISHED = "iu_xray_published"
PUBLISHED_MEASURES = ("macro_f1", "exact_match", "lrap", "coverage_error", "inter", "intra")
MOST_TILES = 6
HEADLINES = ("macro_auroc", "accuracy", "image_to_text_r@10", "mmd2", "cka_linear_debiased",
             "knn_overlap_10")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finished:
    """A study after its last stage."""

    recipe: Recipe
    context: Context
    inspection: Inspection
    outcomes: tuple[tuple[str, Outcome], ...]


def write_page(finished: Finished) -> None:
    """Write ``page.html``, ``scores.md`` and ``figures/`` into the Run."""
    page = compose(finished)
    run = finished.context.run
    for notice in page.notices:
        log.warning("%s", notice.text)
    write_atomic(run.file("page.html"), render(page))
    write_atomic(run.file("scores.md"), _markdown(page, finished))
    write_figures(run, page)


def write_scores(run: Run, scores: Scores) -> None:
    """Write ``scores.json``: method → scores; plain values, NaN as null."""
    plain = {method: [score.as_dict() for score in own] for method, own in scores.items()}
    write_json(run.file("scores.json"), plain)


def write_fits(run: Run, fits: Mapping[str, Fit]) -> None:
    """Write ``fits.json``: training → its curves and what it cost."""
    plain = {
        name: {
            "history": fit.history,
            "best_epoch": fit.best_epoch,
            "trainable_parameters": fit.trainable_parameters,
            "seconds": fit.seconds,
            "memory_mb": fit.memory_mb,
        }
        for name, fit in fits.items()
    }
    write_json(run.file("fits.json"), plain)


def compose(finished: Finished) -> Page:
    """Put a study's outcomes on a page."""
    recipe, context = finished.recipe, finished.context
    measured = {**COMPARISONS, **EVALUATIONS, **EXPLANATIONS, **SEGMENTATIONS}
    results = [s for name, o in finished.outcomes if name in measured for s in o.sections]
    made = [s for name, o in finished.outcomes if name not in measured for s in o.sections]
    sections = [*_published(finished), *results, *made]
    sections.append(audit_section(context.cases, finished.inspection))
    return Page(
        title=recipe.study.replace("_", " "),
        study=recipe.study,
        question=recipe.question,
        answer=_answer(context.found),
        tiles=tiles(context.found.scores),
        sections=sections,
        notices=_notices(finished),
        notes=(*_notes(finished), "Research use only: not for diagnosis."),
        recipe_yaml=yaml.safe_dump(recipe.resolved(), sort_keys=False, allow_unicode=True),
        command=f"vesalius study run {context.run.path.name}/recipe.json",
        environment=context.run.environment(),
        hashes={**context.model.identity(), "data": fingerprint(context.cases)},
        skipped=context.cases.skipped,
        created=datetime.now(UTC).date().isoformat(),
    )


def _answer(found: Outcome) -> str:
    """Give what the comparisons say, and what the scores do where there are such."""
    if not found.answer:
        return answer(found.scores)
    ranking = _ranking(found.scores)
    return f"{ranking} {found.answer}" if ranking else found.answer


def answer(scores: Scores) -> str:
    """Say the outcome in a few sentences, each with its interval and n.

    >>> answer({"zero-shot": [Score("macro_auroc", 0.81, 0.78, 0.84, n=300)]})
    'Macro AUROC on 300 test cases: zero-shot 0.810 [0.780, 0.840].'
    """
    sentences = [_ranking(scores), *_differences(scores), _retrieval(scores)]
    said = " ".join(sentence for sentence in sentences if sentence)
    return said or _line(scores, "silhouette") or "No number was measured."


def _ranking(scores: Scores) -> str:
    """Give the macro AUROC of each method, or say why no method has one."""
    found = [_named(own, "macro_auroc") for own in scores.values()]
    lacking = [score.note for score in found if score is not None and score.note]
    if any(score is not None for score in found) and not _line(scores, "macro_auroc"):
        return f"No macro AUROC could be measured{f': {lacking[0]}' if lacking else ''}."
    return _line(scores, "macro_auroc")


def _line(scores: Scores, name: str) -> str:
    """Give one measure of every method that has it."""
    found = {method: _named(own, name) for method, own in scores.items()}
    known = {m: s for m, s in found.items() if s is not None and isfinite(s.value)}
    if not known:
        return ""
    n = max(score.n for score in known.values())
    parts = ", ".join(f"{method} {_value(score)}" for method, score in known.items())
    return f"{measure(name).title} on {n:,} test cases: {parts}."


def _differences(scores: Scores) -> list[str]:
    """Say whether fine-tuning pays over the probe: the question behind most studies."""
    sentences = []
    for pair, own in scores.items():
        score = _named(own, "macro_auroc_difference")
        if score is None or not isfinite(score.low) or not pair.startswith("fine-tune − linear"):
            continue
        first, second = pair.split(" − ", 1)
        if score.low > 0:
            verdict = f"{first} beats {second}"
        elif score.high < 0:
            verdict = f"{second} beats {first}"
        else:
            verdict = f"{first} and {second} cannot be told apart on these cases"
        sentences.append(f"{verdict[:1].upper()}{verdict[1:]} (Δ {_value(score)}).")
    return sentences


def _retrieval(scores: Scores) -> str:
    for own in scores.values():
        recall = _named(own, "image_to_text_r@10")
        chance = _named(own, "image_to_text_r@10_chance")
        if recall is not None and isfinite(recall.value):
            beside = "" if chance is None else f", where chance is {chance.value:.3f}"
            sentence = f"An image finds its text among the first 10 of {recall.n:,} with R@10"
            return f"{sentence} {_value(recall)}{beside}."
    return ""


def _named(scores: Sequence[Score], name: str) -> Score | None:
    return next(
        (s for s in scores if s.name == name and not s.label and PUBLISHED not in s.protocol), None
    )


def _value(score: Score) -> str:
    interval = f" [{score.low:.3f}, {score.high:.3f}]" if isfinite(score.low) else ""
    return f"{score.value:.3f}{interval}"


def tiles(scores: Scores) -> list[Tile]:
    """Return the key figures of a page, the headlines first."""
    found = [
        (method, score)
        for name in HEADLINES
        for method, own in scores.items()
        if (score := _named(own, name)) is not None and isfinite(score.value)
    ]
    return [key_figure(score, label=method) for method, score in found][:MOST_TILES]


def _published(finished: Finished) -> list[Section]:
    """Return the table in the published definitions, the published figures set beside it."""
    scores, reference = finished.context.found.scores, finished.recipe.reference
    ours = {method: [s for s in own if PUBLISHED in s.protocol] for method, own in scores.items()}
    ours = {method: own for method, own in ours.items() if own}
    if not ours:
        return []
    for method, own in ours.items():
        own += _distances(scores[method]) or _distances(scores.get(FROZEN, ()))
    table = summary_table(
        ours,
        measures=PUBLISHED_MEASURES,
        reference=reference.rows if reference else None,
        source=reference.source if reference else "",
    )
    return [
        Section(
            "In the published definitions",
            "Scores of bare-name prompts are min-max scaled within each case and cut at 0.5, so "
            "the top finding is always called present and the last one never: part of the "
            "over-prediction that the study reports. The published rows come from other images "
            "and another encoder; they are there for orientation, not for comparison.",
            [table],
        )
    ]


def _distances(scores: Sequence[Score]) -> list[Score]:
    return [score for score in scores if score.name in ("inter", "intra")]


def _notices(finished: Finished) -> tuple[Notice, ...]:
    model = finished.context.model
    recipe = finished.recipe
    trained = recipe.pretrain is not None or recipe.self_supervise is not None
    drawn = str(recipe.model["name"]).partition(":")[0] in ENCODERS  # else weights that were saved
    if trained or not drawn or not model.start.startswith("random"):
        return ()
    return (Notice(
        f"{model.name} was never trained (random weights): zero-shot and retrieval are chance, "
        "and a probe shows what random features hold, not what a trained model would.",
        "warning"),)  # fmt: skip


def _notes(finished: Finished) -> tuple[str, ...]:
    cases = finished.context.cases
    notes = []
    if cases.patient_ids is None:
        notes.append("Patients are not known: cases were split and drawn as if independent.")
    return (*notes, *phantom_note(finished.recipe))


def phantom_note(recipe: Recipe) -> tuple[str, ...]:
    """Return the remark on a cohort that is none."""
    if recipe.data["reader"] != "phantom":
        return ()
    return ("The phantom is drawn by a program; nothing here holds for patients.",)


def _markdown(page: Page, finished: Finished) -> str:
    scores = finished.context.found.scores
    named = {
        method: [s for s in own if PUBLISHED not in s.protocol and not s.label and _headline(s)]
        for method, own in scores.items()
    }
    tables = scores_markdown({method: own for method, own in named.items() if own})
    return f"# {page.question}\n\n{page.answer}\n\n{tables}"


def _headline(score: Score) -> bool:
    return not score.name.endswith(("_naive", "_chance", "_difference"))
