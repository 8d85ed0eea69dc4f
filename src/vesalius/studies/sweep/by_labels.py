"""How many labels it takes: the methods of one stage that differ in their share of the labels."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from vesalius.core import Score
from vesalius.reporting import Block, Section, figures
from vesalius.studies.recipe import Recipe
from vesalius.studies.sweep.outcomes import Result

MEASURES = ("macro_auroc", "accuracy")


def by_labels(recipe: Recipe, found: Sequence[Result]) -> list[Section]:
    """Return a picture for each stage that stands in the recipe with several shares of labels."""
    shares: dict[str, dict[str, float]] = {}
    for stage in recipe.adapt:
        if "labels" in stage.settings:
            own = shares.setdefault(stage.name, {})
            own[str(stage.settings["title"])] = 100 * float(stage.settings["labels"])
    blocks: list[Block] = []
    for name, titles in shares.items():
        for measure in MEASURES if len(set(titles.values())) > 1 else ():
            lines: dict[str, dict[float, Score]] = {}
            for one in found:
                known = one.method in titles and isfinite(one.score.value)
                if known and one.score.name == measure:
                    lines.setdefault(one.arm.title, {})[titles[one.method]] = one.score
            if lines:
                caption = f"{name.replace('_', ' ').capitalize()}, the mean of the seeds."
                blocks.append(
                    figures.trend(lines, measure=measure, along="labels used, %", caption=caption)
                )
    if not blocks:
        return []
    return [
        Section(
            "How many labels does it take?",
            "The share of the training cases whose labels were used; a smaller share lies within a "
            "larger one, and holds at least a patient of every kind. Validation keeps all its "
            "labels, for choosing. Bands draw patients.",
            blocks,
        )
    ]
