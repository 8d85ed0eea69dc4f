"""Retrieval: finding the report of an image, and the image of a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vesalius.core import Score
from vesalius.evaluation import caption_groups
from vesalius.evaluation import retrieval as measure_retrieval
from vesalius.reporting import Block, Notice, Section, figures, summary_table
from vesalius.studies.inputs import image_features, in_splits, text_features
from vesalius.studies.outcome import Context, Outcome

RANKS = (1, 5, 10)
DIRECTIONS = {"image_to_text": "image → text", "text_to_image": "text → image"}
TITLE = "Does an image find its text, and a text its image?"
WHY = (
    "Every test image ranks every test text by cosine, and the other way round. Texts that several "
    "images share count as right for each of them; in the naive row only the very own partner "
    "counts. Chance is a random order."
)


def retrieval(context: Context, *, title: str = "retrieval") -> Outcome:
    """Measure recall at 1, 5 and 10 and the median rank, both ways, on the test split."""
    test = in_splits(context.cases, "test")
    if test.texts is None or not any(test.texts):
        return Outcome(
            sections=(Section(TITLE, blocks=[Notice("Not measured: the cases have no texts.")]),)
        )
    pairs = {title: (image_features(context, "test"), text_features(context, "test"))}
    found = context.found
    pairs |= {name: (found.images[name], texts) for name, texts in found.texts.items()}
    scores = {}
    for name, (images, texts) in pairs.items():
        both = test.of_cases([i for i in images.case_ids if i in set(texts.case_ids)])
        scores[name] = tuple(
            measure_retrieval(
                images.of_cases(both.case_ids),
                texts.of_cases(both.case_ids),
                groups_N=caption_groups(both),
                clusters_N=both.patient_ids,
                replicates=context.replicates,
                seed=context.seed,
            )
        )
    blocks: list[Block] = [
        summary_table(_rows(scores, title)),
        figures.recall_at_k(_by_direction(scores), chance=_chance(scores[title])),
    ]
    return Outcome(scores=scores, sections=(Section(TITLE, WHY, blocks),))


def _by_direction(scores: Mapping[str, tuple[Score, ...]]) -> dict[str, dict[int, Score]]:
    """Return recall by k, one line a direction and model."""
    lines: dict[str, dict[int, Score]] = {}
    for method, own in scores.items():
        for key, name in DIRECTIONS.items():
            line = f"{name}, {method}" if len(scores) > 1 else name
            lines[line] = {k: score for k in RANKS for score in own if score.name == f"{key}_r@{k}"}
    return lines


def _chance(scores: tuple[Score, ...]) -> dict[int, float]:
    named = {score.name: score.value for score in scores}
    names = {k: f"image_to_text_r@{k}_chance" for k in RANKS}
    return {k: named[name] for k, name in names.items() if name in named}


def _rows(scores: Mapping[str, tuple[Score, ...]], title: str) -> dict[str, list[Score]]:
    """Return a row a model with its naive row below, and chance last, in the same columns."""
    rows: dict[str, list[Score]] = {}
    for name, own in scores.items():
        rows[name] = [s for s in own if not s.name.endswith(("_naive", "_chance"))]
        rows[f"{name}, naive"] = _ending(own, "_naive")
    return {**rows, "chance": _ending(scores[title], "_chance")}


def _ending(scores: tuple[Score, ...], ending: str) -> list[Score]:
    found = [score for score in scores if score.name.endswith(ending)]
    return [replace(score, name=score.name.removesuffix(ending)) for score in found]
