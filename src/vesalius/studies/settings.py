"""Settings of a function, checked against its own signature.

Keyword-only parameters are settings; one whose default is a frozen dataclass gives its fields.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from vesalius.core import RecipeError

STRICT = ConfigDict(extra="forbid", frozen=True)


def checked_settings(
    function: Callable[..., Any],
    given: Mapping[str, Any],
    where: str,
    *,
    without: Sequence[str] = (),
    also: Sequence[str] = (),
) -> dict[str, Any]:
    """Check settings against a function's keyword-only parameters and write out the defaults."""
    schema: dict[str, Any] = {}
    for p in _keywords(function):
        if p.name in without:
            continue
        if is_dataclass(p.default):
            inner = typing.get_type_hints(type(p.default), include_extras=True)
            for f in fields(p.default):
                schema[f.name] = (inner[f.name], getattr(p.default, f.name))
        else:
            schema[p.name] = (_type(function, p), ... if p.default is p.empty else p.default)
    model = create_model("Settings", __config__=STRICT, **schema)
    return validated(model, dict(given), where, also=also).model_dump(mode="json")


def validated(
    schema: type[BaseModel], given: dict[str, Any], where: str, *, also: Sequence[str] = ()
) -> Any:
    try:
        return schema.model_validate(given)
    except ValidationError as error:
        mistakes = [_explain(schema, e, where, also) for e in error.errors()]
        raise RecipeError("\n".join(mistakes)) from None


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


def arguments(function: Callable[..., Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a recipe's flat settings into the keyword arguments of a stage's function."""
    given, keywords = dict(settings), {}
    for parameter in _keywords(function):
        if is_dataclass(parameter.default):
            names = [f.name for f in fields(parameter.default)]
            chosen = {name: given.pop(name) for name in names if name in given}
            keywords[parameter.name] = replace(parameter.default, **chosen)  # type: ignore[type-var]
        elif parameter.name in given:
            keywords[parameter.name] = given.pop(parameter.name)
    return {**keywords, **given}


def _keywords(function: Callable[..., Any]) -> list[inspect.Parameter]:
    parameters = inspect.signature(function).parameters.values()
    return [p for p in parameters if p.kind is p.KEYWORD_ONLY]


def _type(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """Return a parameter's type; the others, and what is returned, may name types not imported."""

    def only() -> None: ...

    only.__annotations__ = {parameter.name: parameter.annotation}
    known = vars(sys.modules[function.__module__])
    return typing.get_type_hints(only, known, include_extras=True)[parameter.name]
