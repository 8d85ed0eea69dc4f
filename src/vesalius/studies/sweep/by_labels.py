"""How many labels it takes: the methods of one stage that differ in their share of the labels."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from vesalius.core import Score
from vesalius.reporting import Block, Section, figures
from vesalius.studies.recipe import Recipe
from vesalius.studies.sweep.arms import arm_recipe
from vesalius.studies.sweep.outcomes import Result

MEASURES = ("macro_auroc", "accuracy")


def by_labels(recipe: Recipe, found: Sequence[Result]) -> list[Section]:
    """Return a picture for each stage that stands in the recipe with several shares of labels."""
    arms = {one.arm.title: one.arm for one in found}
    shares = {title: _shares(arm_recipe(recipe, arm, recipe.seed)) for title, arm in arms.items()}
    blocks: list[Block] = []
    for name in dict.fromkeys(stage for own in shares.values() for stage, _ in own.values()):
        for measure in MEASURES:
            lines: dict[str, dict[float, Score]] = {}
            for one in found:
                stage, share = shares[one.arm.title].get(one.method, ("", 1.0))
                if stage == name and one.score.name == measure and isfinite(one.score.value):
                    lines.setdefault(one.arm.title, {})[share] = one.score
            if any(len(line) > 1 for line in lines.values()):
                blocks.append(
                    figures.trend(
                        lines,
                        measure=measure,
                        along="labels used",
                        percent=True,
                        caption=f"{name.replace('_', ' ')}, the mean of the seeds.",
                    )
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


def _shares(recipe: Recipe) -> dict[str, tuple[str, float]]:
    """Return each method's stage and the share of the labels that it learns from."""
    return {
        str(stage.settings["title"]): (stage.name, float(stage.settings["labels"]))
        for stage in recipe.adapt
        if "labels" in stage.settings
    }
