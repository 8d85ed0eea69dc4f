"""Running a sweep: each arm at each seed is a Run of its own; what is finished is read back."""

from __future__ import annotations

import logging
from pathlib import Path

from vesalius.core import Run, VesaliusError
from vesalius.data.ranks import agreed, by_first
from vesalius.studies.recipe import Recipe
from vesalius.studies.runner import kept, run_study
from vesalius.studies.sweep.arms import all_recipes, seeds_of, start_folder, start_recipe
from vesalius.studies.sweep.page import write_sweep

log = logging.getLogger(__name__)


def run_sweep(
    recipe: Recipe,
    folder: str | Path,
    *,
    device: str = "cpu",
    workers: int | None = None,
    progress: bool = True,
) -> Run:
    """Run every arm at every seed and put them side by side; called again, it goes on.

    Every arm's recipe is checked before the first one starts.

    Raises:
        RecipeError: a level changes what cannot be changed.
        VesaliusError: an arm cannot do what its recipe asks; the message names the arm.
    """
    folder = Path(folder)
    planned = list(all_recipes(recipe, folder))
    starts = [] if recipe.start is None else [
        (start_folder(folder, seed), start_recipe(recipe, seed)) for seed in seeds_of(recipe)
    ]  # fmt: skip
    run = by_first(lambda: Run.open(folder, kept(recipe)))
    work = [(f"start, seed {own.seed}", place, own) for place, own in starts]
    work += [(f"{arm.title}, seed {seed}", place, own) for arm, seed, place, own in planned]
    for number, (what, place, own) in enumerate(work, start=1):
        log.info("arm %d of %d: %s", number, len(work), what)
        if agreed(finished(place, own)):
            continue
        try:
            run_study(own, place, device=device, workers=workers, progress=progress)
        except VesaliusError as error:
            raise type(error)(f"{what}: {error}") from error
    places = [(arm, seed, place) for arm, seed, place, _ in planned]
    by_first(lambda: write_sweep(recipe, run, places))
    return run


def finished(place: Path, recipe: Recipe) -> bool:
    """Return whether the Run of this very recipe went through to its page, which comes last."""
    run = Run(place)
    return run.file("page.html").is_file() and run.recipe() == kept(recipe)
