"""The arms of a sweep: every combination of levels is an ordinary recipe, checked first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from vesalius.core import RecipeError, VesaliusError
from vesalius.core.files import slug
from vesalius.studies.overrides import assigned
from vesalius.studies.recipe import NOT_SWEPT, Recipe, check

SHARED = ("data", "split", "seed", "data_seed", "replicates")
"""What no level may change: arms are compared on the same cases."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One combination of levels: factor → level, and what it changes."""

    levels: Mapping[str, str]
    changes: Mapping[str, Mapping[str, Any]]

    @property
    def slug(self) -> str:
        return "_".join(slug(level) for level in self.levels.values()) or "only"

    @property
    def title(self) -> str:
        return ", ".join(self.levels.values()) or "all"


def arms_of(recipe: Recipe) -> list[Arm]:
    """Return every combination of levels, the last factor varying fastest.

    Raises:
        RecipeError: two arms would share one folder.
    """
    arms = []
    for chosen in product(*(levels.items() for levels in recipe.vary.values())):
        levels = {factor: name for factor, (name, _) in zip(recipe.vary, chosen, strict=True)}
        changes = {
            f"{factor}={name}": own for factor, (name, own) in zip(recipe.vary, chosen, strict=True)
        }
        arms.append(Arm(levels, changes))
    slugs = [arm.slug for arm in arms]
    for i, name in enumerate(slugs):
        if name in slugs[:i]:
            other = arms[slugs.index(name)]
            raise RecipeError(
                f"vary: {other.title!r} and {arms[i].title!r} would share one folder ({name}); "
                "name their levels apart"
            )
    return arms


def seeds_of(recipe: Recipe) -> range:
    """Return the seeds of model and training."""
    return range(recipe.seed, recipe.seed + recipe.seeds)


def start_recipe(recipe: Recipe, seed: int) -> Recipe:
    """Return the recipe of the pretraining that all arms share at one seed."""
    return check({**_one(recipe, seed), "pretrain": recipe.start, "adapt": [], "evaluate": []})


def arm_recipe(recipe: Recipe, arm: Arm, seed: int, *, start: Path | None = None) -> Recipe:
    """Return the ordinary recipe of one arm at one seed.

    Raises:
        RecipeError: a level's change cannot be; the message names factor and level.
    """
    plain = _one(recipe, seed)
    if start is not None:
        plain["model"] = {"name": str(start)}
    for level, changes in arm.changes.items():
        try:
            for key, value in changes.items():
                if key.partition(".")[0] in SHARED:
                    raise RecipeError(
                        f"{key!r} is shared by all arms, which are compared on the same cases"
                    )
                plain = assigned(plain, key, value)
            check(plain)
        except VesaliusError as error:
            raise RecipeError(f"vary, {level}: {error}") from None
    return check(plain)


def all_recipes(recipe: Recipe, folder: Path) -> Iterator[tuple[Arm, int, Path, Recipe]]:
    """Yield every arm at every seed with its folder, seeds varying fastest."""
    for arm in arms_of(recipe):
        for seed in seeds_of(recipe):
            start = None if recipe.start is None else start_folder(folder, seed)
            place = folder / "arms" / arm.slug / f"seed-{seed}"
            yield arm, seed, place, arm_recipe(recipe, arm, seed, start=start)


def start_folder(folder: Path, seed: int) -> Path:
    return (folder / "start" / f"seed-{seed}").absolute()


def _one(recipe: Recipe, seed: int) -> dict[str, Any]:
    """Return the plain recipe of one arm: nothing swept, the seed of the data kept."""
    plain = {key: value for key, value in recipe.resolved().items() if key not in NOT_SWEPT}
    shared = recipe.seed if recipe.data_seed is None else recipe.data_seed
    return {**plain, "seed": seed, "data_seed": shared}
