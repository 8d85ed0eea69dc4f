"""The runner: reads the cases, loads the model, goes through the stages, writes the page."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from vesalius import data, encoders
from vesalius.core import CaseSet, Run
from vesalius.data.findings import with_findings
from vesalius.data.ranks import by_first, own_device, rank
from vesalius.studies.inputs import in_splits
from vesalius.studies.outcome import Context, Outcome
from vesalius.studies.recipe import OF_EVERY_READER, Recipe, Stage, stage_function
from vesalius.studies.settings import arguments
from vesalius.studies.summary import Finished, write_fits, write_page, write_scores

log = logging.getLogger(__name__)

READS_TEXT = ("pretrain", "zero_shot", "retrieval", "maps", "masks", "text_to_mask", "weak")
"""Stages that a model without a text tower cannot go through; said before the first of them."""


def default_folder(recipe: Recipe) -> Path:
    """Return the folder of a recipe: the same recipe goes on in the same one."""
    digest = sha256(repr(sorted(recipe.resolved().items())).encode()).hexdigest()
    return Path("runs") / f"{recipe.study}-{digest[:8]}"


def kept(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as a Run keeps it: its paths hold from whatever folder it is repeated."""
    plain = recipe.resolved()
    for section, key in (("data", "root"), ("model", "name"), ("model", "weights_dir")):
        given = plain[section].get(key)
        if given is not None and (key != "name" or _is_path(given)):
            plain[section] = {**plain[section], key: _absolute(given)}
    for stage in plain["adapt"]:
        for name, settings in stage.items():
            if Path(str(settings.get("prompts", ""))).suffix in (".yaml", ".yml"):
                stage[name] = {**settings, "prompts": _absolute(settings["prompts"])}
            if name == "classifier":
                stage[name] = {**settings, "path": _absolute(settings["path"])}
    for stage in plain.get("compare", ()):
        for name, settings in stage.items():
            if settings.get("root") is not None:
                stage[name] = {**settings, "root": _absolute(settings["root"])}
            elif "other" in settings and _is_path(settings["other"]):
                stage[name] = {**settings, "other": _absolute(settings["other"])}
    return plain


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def _is_path(model: str) -> bool:
    return model.partition(":")[0] not in encoders.ENCODERS and Path(model).expanduser().is_dir()


def run_study(
    recipe: Recipe,
    folder: str | Path | None = None,
    *,
    device: str = "cpu",
    workers: int | None = None,
    progress: bool = True,
) -> Run:
    """Run a study from its recipe to its page; called again, it goes on where it was stopped.

    The ranks of a job (``vesalius.data.ranks``) train and embed together; the first alone evaluates
    and writes.

    Raises:
        VesaliusError: the data, the model or a stage cannot do what the recipe asks.
    """
    if recipe.is_sweep:
        from vesalius.studies.sweep.running import run_sweep

        folder = folder or default_folder(recipe)
        return run_sweep(recipe, folder, device=device, workers=workers, progress=progress)
    device, first = own_device(device), rank() == 0
    run = by_first(lambda: Run.open(folder or default_folder(recipe), kept(recipe)))
    with _log_into(run.file("log.txt")) if first else nullcontext():
        log.info("data: reading %s", recipe.data["reader"])
        cases = read_cases(recipe)
        log.info("model: loading %s", recipe.model["name"])
        model = load_model(recipe, cases, device)
        if any(stage.name in READS_TEXT for stage in stages(recipe)):
            model.require_text()
        inspected: list[data.Inspection] = []
        by_first(lambda: inspected.append(data.inspect(cases, workers=workers, progress=progress)))
        context = Context(
            run,
            cases,
            model,
            seed=recipe.seed,
            replicates=recipe.replicates,
            max_bad=recipe.max_bad,
            device=device,
            workers=workers,
            progress=progress and first,
        )
        outcomes: list[tuple[str, Outcome]] = []
        last = len(stages(recipe)) - sum(
            len(own) for own in (recipe.evaluate, recipe.explain, recipe.segment)
        )
        context = _through(stages(recipe)[:last], context, outcomes)

        def finish() -> None:
            after = _through(stages(recipe)[last:], context, outcomes)
            write_scores(run, after.found.scores)
            write_fits(run, after.found.fits)
            write_page(Finished(recipe, after, inspected[0], tuple(outcomes)))

        by_first(finish)
    return run


def _through(some: list[Stage], context: Context, outcomes: list[tuple[str, Outcome]]) -> Context:
    """Go through stages, note what each leaves, and return what the next one sees."""
    for stage in some:
        log.info("%s", stage.name.replace("_", " "))
        function = stage_function(stage.name)
        outcome = function(context, **arguments(function, stage.settings))
        outcomes.append((stage.name, outcome))
        context = context.after(outcome)
    return context


def stages(recipe: Recipe) -> list[Stage]:
    """Return the steps of a recipe in their order."""
    trainings = {"self_supervise": recipe.self_supervise, "pretrain": recipe.pretrain}
    first = [
        Stage(name=name, settings=settings)
        for name, settings in trainings.items()
        if settings is not None
    ]
    return [
        *first,
        *recipe.adapt,
        *recipe.compare,
        *recipe.evaluate,
        *recipe.explain,
        *recipe.segment,
    ]


def data_seed(recipe: Recipe) -> int:
    """Return the seed of data and split, which the arms of a sweep share."""
    return recipe.seed if recipe.data_seed is None else recipe.data_seed


def read_cases(recipe: Recipe) -> CaseSet:
    """Read and split the cases that a recipe names."""
    return data.split(read_data(recipe), seed=data_seed(recipe), **recipe.split)


def read_data(recipe: Recipe) -> CaseSet:
    """Read the cases that a recipe names, or as many of them as ``data.limit`` says."""
    settings = {k: v for k, v in recipe.data.items() if k not in OF_EVERY_READER}
    cases = data.read(recipe.data["reader"], recipe.data["root"], **settings)
    limit = recipe.data["limit"]
    if limit is not None and limit < len(cases):
        rng = np.random.default_rng(data_seed(recipe))
        cases = cases.select(np.sort(rng.choice(len(cases), limit, replace=False)))
    if recipe.data["findings"] is not None:
        cases = with_findings(cases, uncertain=recipe.data["findings"])
    return cases


def load_model(recipe: Recipe, cases: CaseSet, device: str) -> encoders.DualEncoder:
    """Load the model that a recipe names; one that makes its own words sees the training texts."""
    train = in_splits(cases, "train").texts
    texts = None if train is None else [text for text in train if text]
    return encoders.load(**recipe.model, device=device, texts=texts or None, seed=recipe.seed)


@contextmanager
def _log_into(path: Path) -> Iterator[None]:
    """Write what the package logs into a file as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("vesalius")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()
