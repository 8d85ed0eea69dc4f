"""The recipe: one YAML file that says everything a study does, checked before any work.

A stage's settings are the keyword-only parameters of its function, so the schema cannot drift
from the code; a parameter that is a dataclass (``optimisation``) gives its fields. ``key=value``
overrides address nested keys with dots and stages by their name:
``data.reader=nih_cxr14 fine_tune.epochs=3``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, field_validator

from vesalius.core import DataError, RecipeError, unknown
from vesalius.data import READERS, reader_function
from vesalius.data import split as split_cases
from vesalius.data.findings.labelled import UNCERTAIN_AS
from vesalius.data.tables.plain_yaml import read_yaml as read_plain_yaml
from vesalius.encoders import load as load_encoder
from vesalius.studies.overrides import in_order, override
from vesalius.studies.settings import STRICT, arguments, checked_settings, validated

ADAPTATIONS = {
    "zero_shot": "vesalius.studies.zero_shot:zero_shot",
    "linear_probe": "vesalius.studies.linear_probe:linear_probe",
    "knn": "vesalius.studies.knn:knn",
    "fine_tune": "vesalius.studies.fine_tune:fine_tune",
    "classifier": "vesalius.studies.saved_classifier:classifier",
}
EVALUATIONS = {
    "classification": "vesalius.studies.classification:classification",
    "retrieval": "vesalius.studies.retrieval:retrieval",
    "separability": "vesalius.studies.separability:separability",
}
COMPARISONS = {
    "encoders": "vesalius.studies.comparison.encoders:encoders",
    "groups": "vesalius.studies.comparison.groups:groups",
    "sources": "vesalius.studies.comparison.sources:sources",
}
EXPLANATIONS = {
    "agreement": "vesalius.studies.explaining.agreement:agreement",
    "maps": "vesalius.studies.explaining.maps:maps",
}
SEGMENTATIONS = {
    "masks": "vesalius.studies.segmenting.masks:masks",
    "text_to_mask": "vesalius.studies.segmenting.text_to_mask:text_to_mask",
    "weak": "vesalius.studies.segmenting.weak:weak",
}
OF_EVERY_READER = ("reader", "root", "limit", "findings")
"""``limit`` keeps so many cases; ``findings`` reads labels from the texts, doubt as it names."""
PRETRAIN = "vesalius.studies.pretrain:pretrain"
SELF_SUPERVISE = "vesalius.studies.self_supervise:self_supervise"
POSSIBLE = {
    "self_supervise": "vesalius.studies.self_supervise:possible",
    "pretrain": "vesalius.studies.pretrain:possible",
}
"""Stages whose settings are checked together, before any work."""
NOT_SWEPT: dict[str, Any] = {"data_seed": None, "seeds": 1, "start": None, "vary": {}}
"""What a recipe of one arm and one seed leaves unsaid."""
LISTED = {
    "adapt": ADAPTATIONS,
    "compare": COMPARISONS,
    "evaluate": EVALUATIONS,
    "explain": EXPLANATIONS,
    "segment": SEGMENTATIONS,
}
"""Keys of a recipe that list stages, and what may stand there."""
STAGES = {
    "self_supervise": SELF_SUPERVISE,
    "pretrain": PRETRAIN,
    **ADAPTATIONS,
    **COMPARISONS,
    **EVALUATIONS,
    **EXPLANATIONS,
    **SEGMENTATIONS,
}


class Stage(BaseModel):
    """One step of a study: the stage's name and its settings."""

    model_config = STRICT
    name: str
    settings: dict[str, Any]


class Reference(BaseModel):
    """Published figures, printed beside ours for reference only: ``rows[method][measure]``."""

    model_config = STRICT
    source: str
    rows: dict[str, dict[str, float]]


class Recipe(BaseModel):
    """A study, whole: two equal recipes on the same data give the same numbers."""

    model_config = STRICT
    study: str = Field(pattern=r"^[a-z0-9_]+$")
    question: str
    seed: int = Field(default=0, ge=0)
    replicates: int = Field(default=2000, ge=100)
    max_bad: float = Field(default=0.05, ge=0, le=1)  # share of the images that may be unreadable
    data: dict[str, Any]
    split: dict[str, Any] = Field(default_factory=dict)
    model: dict[str, Any]
    self_supervise: dict[str, Any] | None = None
    pretrain: dict[str, Any] | None = None
    adapt: tuple[Stage, ...] = ()
    compare: tuple[Stage, ...] = ()
    evaluate: tuple[Stage, ...] = ()
    explain: tuple[Stage, ...] = ()
    segment: tuple[Stage, ...] = ()
    reference: Reference | None = None
    data_seed: int | None = Field(default=None, ge=0)  # of data and split; else that of `seed`
    seeds: int = Field(default=1, ge=1)  # of a sweep: seed, seed + 1, …
    start: dict[str, Any] | None = None  # a pretraining that all arms share, seed by seed
    vary: dict[str, dict[str, dict[str, Any]]] = Field(default_factory=dict)

    @field_validator("adapt", "compare", "evaluate", "explain", "segment", mode="before")
    @classmethod
    def _stages(cls, value: Any) -> Any:
        return [_stage(item) for item in value or ()]

    @field_validator("vary", mode="before")
    @classmethod
    def _levels(cls, value: Any) -> Any:
        """Take numbers as names of levels, and a level that changes nothing."""
        if not isinstance(value, dict):
            return value or {}
        return {
            str(factor): {str(name): own or {} for name, own in levels.items()}
            if isinstance(levels, dict)
            else levels
            for factor, levels in value.items()
        }

    @property
    def is_sweep(self) -> bool:
        """Whether this is several arms, or several seeds, side by side."""
        return bool(self.vary) or self.seeds > 1 or self.start is not None

    def resolved(self) -> dict[str, Any]:
        """Return plain values in the form of the YAML file, every default written out."""
        plain = self.model_dump(mode="json", exclude=set(LISTED))
        for key, nothing in NOT_SWEPT.items():
            if plain[key] == nothing:
                del plain[key]
        for key in LISTED:
            plain[key] = [{stage.name: stage.settings} for stage in getattr(self, key)]
        for key in ("compare", "explain", "segment"):
            if not plain[key]:
                del plain[key]
        return plain


def load_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe from the catalogue or a YAML file, apply ``key=value``, check everything.

    Raises:
        RecipeError: a key or value is wrong; the message names it, the nearest right one and
            the choices.
    """
    return recipe_of(read_yaml(name_or_path), overrides)


def recipe_of(plain: Mapping[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    """Return the checked recipe of plain values with ``key=value`` overrides applied.

    ``model: NAME`` is short for ``model: {name: NAME}``.
    """
    if isinstance(plain.get("model"), str):
        plain = {**plain, "model": {"name": plain["model"]}}
    for assignment in in_order(overrides):
        plain = override(plain, assignment)
    return check(plain)


def check(plain: Mapping[str, Any]) -> Recipe:
    """Check a recipe given as plain values and write out every default."""
    recipe = validated(Recipe, dict(plain), "")
    pretrain, start, views = recipe.pretrain, recipe.start, recipe.self_supervise
    return recipe.model_copy(
        update={
            "data": _data(recipe.data),
            "split": checked_settings(split_cases, recipe.split, "split", without=("seed",)),
            "model": _model(recipe.model),
            "self_supervise": None if views is None else _stage_settings("self_supervise", views),
            "pretrain": None if pretrain is None else _stage_settings("pretrain", pretrain),
            "start": None if start is None else _stage_settings("pretrain", start),
            **{
                key: tuple(_checked(stage, choices, key) for stage in getattr(recipe, key))
                for key, choices in LISTED.items()
            },
        }
    )


def catalogue() -> dict[str, Path]:
    """Return the studies that come with Vesalius: name → YAML file."""
    folder = Path(str(resources.files("vesalius.studies") / "catalogue"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def read_yaml(name_or_path: str) -> dict[str, Any]:
    """Read a catalogue study by name, or a YAML file by path, as plain values."""
    path = catalogue().get(name_or_path) or Path(name_or_path)
    if not path.is_file():
        if path.suffix in (".yaml", ".yml"):
            raise RecipeError(f"there is no recipe file {path}")
        raise unknown("study", name_or_path, catalogue())
    try:
        plain = read_plain_yaml(path)
    except DataError as error:
        raise RecipeError(str(error)) from None
    if not isinstance(plain, dict):
        raise RecipeError(f"{path} holds a {type(plain).__name__}, not the keys of a recipe")
    return {"study": path.stem, **plain}


def stage_function(name: str) -> Callable[..., Any]:
    """Return the function of a stage by its name in a recipe."""
    return _function(STAGES[name])


def _data(given: Mapping[str, Any]) -> dict[str, Any]:
    data = dict(given)
    reader, root, limit, findings = (data.pop(key, None) for key in OF_EVERY_READER)
    if not isinstance(reader, str):
        raise RecipeError("data.reader is missing; choose one of " + ", ".join(sorted(READERS)))
    if reader not in READERS:
        raise unknown("data.reader", reader, READERS)
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise RecipeError(f"data.limit is {limit!r}, not a positive number of cases")
    settings = checked_settings(reader_function(reader), data, "data", also=OF_EVERY_READER)
    root = None if root is None else str(root)
    if findings is not None and findings not in UNCERTAIN_AS:
        raise unknown("data.findings", str(findings), UNCERTAIN_AS)
    return {"reader": reader, "root": root, "limit": limit, "findings": findings, **settings}


def _model(given: Mapping[str, Any]) -> dict[str, Any]:
    model = dict(given)
    name = model.pop("name", None)
    if not isinstance(name, str):
        raise RecipeError("model.name is missing; 'vesalius models' lists the choices")
    fixed = ("device", "seed", "texts")
    return {
        "name": name,
        **checked_settings(load_encoder, model, "model", without=fixed, also=("name",)),
    }


def _function(address: str) -> Callable[..., Any]:
    module, _, attribute = address.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), attribute)
    return function


def _stage(item: Any) -> Any:
    """Turn ``knn``, ``{knn: {k: 20}}`` or a Stage's own fields into a Stage's fields."""
    if isinstance(item, str):
        return {"name": item, "settings": {}}
    if isinstance(item, dict) and len(item) == 1:
        (name, settings), *_ = item.items()
        return {"name": name, "settings": {} if settings is None else settings}
    return item


def _checked(stage: Stage, choices: Mapping[str, str], where: str) -> Stage:
    if stage.name not in choices:
        raise unknown(f"{where} stage", stage.name, choices)
    return Stage(name=stage.name, settings=_stage_settings(stage.name, stage.settings))


def _stage_settings(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    function = stage_function(name)
    settings = checked_settings(function, given, name)
    # what cannot be is refused now and not after an hour's work
    chosen = arguments(function, settings)
    if name in POSSIBLE:
        _function(POSSIBLE[name])(**chosen)
    return settings
