"""The recipe: one YAML file that says everything a study does, checked before any work.

A stage's settings are the keyword-only parameters of its function, so the schema cannot drift
from the code. ``key=value`` overrides address nested keys with dots and stages by their name:
``data.reader=nih_cxr14 adapt.fine_tune.epochs=3``.
"""

from __future__ import annotations

import copy
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator

from vesalius.core import RecipeError, unknown
from vesalius.data import READERS
from vesalius.data import split as split_cases
from vesalius.encoders import load as load_encoder

ADAPTATIONS = {
    "zero_shot": "vesalius.studies.zero_shot:zero_shot",
    "linear_probe": "vesalius.studies.linear_probe:linear_probe",
    "knn": "vesalius.studies.knn:knn",
    "fine_tune": "vesalius.studies.fine_tune:fine_tune",
}
EVALUATIONS = {
    "classification": "vesalius.studies.classification:classification",
    "retrieval": "vesalius.studies.retrieval:retrieval",
    "separability": "vesalius.studies.separability:separability",
}
PRETRAIN = "vesalius.studies.pretrain:pretrain"
STAGES = {"pretrain": PRETRAIN, **ADAPTATIONS, **EVALUATIONS}
LARGEST_RECIPE = 1_000_000  # bytes; a recipe fits on a screen, more is a mistake or an attack

STRICT = ConfigDict(extra="forbid", frozen=True)


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
    data: dict[str, Any]
    split: dict[str, Any] = Field(default_factory=dict)
    model: dict[str, Any]
    pretrain: dict[str, Any] | None = None
    adapt: tuple[Stage, ...] = ()
    evaluate: tuple[Stage, ...] = ()
    reference: Reference | None = None

    @field_validator("adapt", "evaluate", mode="before")
    @classmethod
    def _stages(cls, value: Any) -> Any:
        return [_stage(item) for item in value or ()]

    def resolved(self) -> dict[str, Any]:
        """Return plain values in the form of the YAML file, every default written out."""
        plain = self.model_dump(mode="json", exclude={"adapt", "evaluate"})
        for key in ("adapt", "evaluate"):
            plain[key] = [{stage.name: stage.settings} for stage in getattr(self, key)]
        return plain


def load_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe from the catalogue or a YAML file, apply ``key=value``, check everything.

    Raises:
        RecipeError: a key or value is wrong; the message names it, the nearest right one and
            the choices.
    """
    plain = read_yaml(name_or_path)
    for override in overrides:
        plain = _override(plain, override)
    return check(plain)


def check(plain: Mapping[str, Any]) -> Recipe:
    """Check a recipe given as plain values and write out every default."""
    recipe = _validated(Recipe, dict(plain), "")
    data = dict(recipe.data)
    reader = data.pop("reader", None)
    if not isinstance(reader, str):
        raise RecipeError("data.reader is missing; choose one of " + ", ".join(sorted(READERS)))
    if reader not in READERS:
        raise unknown("data.reader", reader, READERS)
    model = dict(recipe.model)
    if not isinstance(name := model.pop("name", None), str):
        raise RecipeError("model.name is missing; see 'vesalius models'")
    root = data.pop("root", None)
    limit = data.pop("limit", None)
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise RecipeError(f"data.limit is {limit!r}, not a positive number of cases")
    return recipe.model_copy(
        update={
            "data": {
                "reader": reader,
                "root": None if root is None else str(root),
                "limit": limit,
                **_settings(
                    _function(READERS[reader]),
                    data,
                    "data",
                    also=("reader", "root", "limit"),
                ),
            },
            "split": _settings(split_cases, recipe.split, "split", without=("seed",)),
            "model": {
                "name": name,
                **_settings(
                    load_encoder, model, "model", without=("device", "seed", "texts"), also=("name",)
                ),
            },
            "pretrain": None
            if recipe.pretrain is None
            else _settings(_function(PRETRAIN), recipe.pretrain, "pretrain"),
            "adapt": tuple(_checked(stage, ADAPTATIONS, "adapt") for stage in recipe.adapt),
            "evaluate": tuple(_checked(stage, EVALUATIONS, "evaluate") for stage in recipe.evaluate),
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
    if path.stat().st_size > LARGEST_RECIPE:
        raise RecipeError(f"{path} is larger than {LARGEST_RECIPE:,} bytes: not a recipe")
    try:
        text = path.read_text(encoding="utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise RecipeError(f"{path}: YAML aliases are not allowed in a recipe")
        plain = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise RecipeError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(plain, dict):
        raise RecipeError(f"{path} holds a {type(plain).__name__}, not the keys of a recipe")
    return {"study": path.stem, **plain}


def stage_function(name: str) -> Callable[..., Any]:
    """Return the function of a stage by its name in a recipe."""
    return _function(STAGES[name])


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
    settings = _settings(_function(choices[stage.name]), stage.settings, f"{where}.{stage.name}")
    return Stage(name=stage.name, settings=settings)


def _settings(
    function: Callable[..., Any],
    given: Mapping[str, Any],
    where: str,
    *,
    without: Sequence[str] = (),
    also: Sequence[str] = (),
) -> dict[str, Any]:
    """Check settings against a function's keyword-only parameters and write out the defaults."""
    hints = typing.get_type_hints(function)
    fields: dict[str, Any] = {
        p.name: (hints.get(p.name, Any), ... if p.default is p.empty else p.default)
        for p in inspect.signature(function).parameters.values()
        if p.kind is p.KEYWORD_ONLY and p.name not in without
    }
    schema = create_model("Settings", __config__=STRICT, **fields)
    return _validated(schema, dict(given), where, also=also).model_dump(mode="json")


def _validated(
    schema: type[BaseModel], given: dict[str, Any], where: str, *, also: Sequence[str] = ()
) -> Any:
    try:
        return schema.model_validate(given)
    except ValidationError as error:
        raise RecipeError("\n".join(_explain(schema, e, where, also) for e in error.errors())) from None


def _explain(schema: type[BaseModel], error: Any, where: str, also: Sequence[str]) -> str:
    """Say one mistake: the key with its place, the nearest right key, the choices."""
    place = ".".join([*([where] if where else []), *(str(part) for part in error["loc"])])
    if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
        choices = sorted([*schema.model_fields, *also])
        near = get_close_matches(str(error["loc"][0]), choices, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        return f"unknown key {place!r}{hint} choose one of {', '.join(choices)}"
    if error["type"] == "missing":
        return f"{place} is missing"
    return f"{place} is {error['input']!r}: {error['msg'].lower()}"


def _override(plain: Mapping[str, Any], override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"{override!r} is not of the form key=value (such as data.reader=phantom)")
    try:
        value = yaml.safe_load(text) if text else None
    except yaml.YAMLError as error:
        raise RecipeError(f"the value of {key!r} is not valid YAML: {text!r}") from error
    if isinstance(value, str):
        value = _number(value)
    result = copy.deepcopy(dict(plain))
    _assign(result, key.split("."), value, key)
    return result


def _number(text: str) -> str | float:
    """Read 1e-5 as a number: YAML 1.1 takes it for a string."""
    try:
        return float(text) if text[:1] in "+-.0123456789" else text
    except ValueError:
        return text


def _assign(node: Any, parts: list[str], value: Any, key: str) -> None:
    head, *rest = parts
    if isinstance(node, list):
        names = [item if isinstance(item, str) else next(iter(item), "") for item in node]
        if head not in names:
            raise unknown(f"stage in {key!r}: stage", head, names)
        for position, name in enumerate(names):
            if name == head:
                if not isinstance(node[position], dict) or node[position][head] is None:
                    node[position] = {head: {}}
                if not rest:
                    node[position] = {head: value}
                else:
                    _assign(node[position][head], rest, value, key)
        return
    if not isinstance(node, dict):
        raise RecipeError(f"{key!r} cannot be set: {head!r} is no key of a plain value")
    if not rest:
        node[head] = value
        return
    if node.get(head) is None:
        node[head] = {}
    _assign(node[head], rest, value, key)
