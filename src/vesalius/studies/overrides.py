"""``key=value`` on the command line: one setting of a recipe, changed before it is checked."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from vesalius.core import RecipeError, unknown

STAGE_LISTS = ("adapt", "compare", "evaluate", "explain", "segment")


def override(plain: Mapping[str, Any], assignment: str) -> dict[str, Any]:
    """Return the recipe with one ``key=value`` applied; dots part the levels.

    A stage goes by its name, with or without the list that it stands in; ``model=NAME`` is short
    for ``model.name=NAME``.

    >>> override({"model": {"name": "tiny"}, "adapt": ["knn"]}, "knn.k=5")
    {'model': {'name': 'tiny'}, 'adapt': [{'knn': {'k': 5}}]}
    >>> override({"model": {"name": "tiny"}}, "model=biomedclip")
    {'model': {'name': 'biomedclip'}}

    Another reader drops the settings of the one before: they are not its own.

    >>> override({"data": {"reader": "phantom", "n": 50}}, "data.reader=folder")
    {'data': {'reader': 'folder'}}
    """
    key, equals, text = assignment.partition("=")
    if not equals or not key:
        raise RecipeError(f"{assignment!r} is not of the form key=value, as in data.reader=phantom")
    return assigned(plain, key, _value(key, text))


def assigned(plain: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return the recipe with one key, addressed as in :func:`override`, set to a value."""
    result = copy.deepcopy(dict(plain))
    if key == "model" and isinstance(value, str):
        key = "model.name"
    if key == "data.reader" and isinstance(data := result.get("data"), dict):
        result["data"] = data if data.get("reader") == value else _of_any_reader(data)
    _assign(result, _path(result, key.split(".")), value, key)
    return result


def in_order(assignments: Sequence[str]) -> list[str]:
    """Put the reader first, so that its settings may stand before it on the command line."""
    return sorted(assignments, key=lambda assignment: not assignment.startswith("data.reader="))


def _of_any_reader(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: data[key] for key in ("root", "limit", "findings") if key in data}


def _value(key: str, text: str) -> Any:
    try:
        value = yaml.safe_load(text) if text else None
    except yaml.YAMLError as error:
        raise RecipeError(f"the value of {key!r} is not valid YAML: {text!r}") from error
    return _number(value) if isinstance(value, str) else value


def _number(text: str) -> str | float:
    """Read 1e-5 as a number: YAML 1.1 takes it for a string."""
    try:
        return float(text) if text[:1] in "+-.0123456789" else text
    except ValueError:
        return text


def _names(stages: Sequence[Any]) -> list[str]:
    return [item if isinstance(item, str) else next(iter(item), "") for item in stages]


def _path(plain: Mapping[str, Any], parts: list[str]) -> list[str]:
    """Put the list's name before a stage that is called by its own name alone."""
    for key in STAGE_LISTS:
        if parts[0] in _names(plain.get(key) or ()):
            return [key, *parts]
    return parts


def _assign(node: Any, parts: list[str], value: Any, key: str) -> None:
    head, *rest = parts
    if isinstance(node, list):
        _assign_stage(node, head, rest, value, key)
    elif not isinstance(node, dict):
        raise RecipeError(f"{key!r} cannot be set: {head!r} is no key of a plain value")
    elif not rest:
        node[head] = value
    else:
        if node.get(head) is None:
            node[head] = {}
        _assign(node[head], rest, value, key)


def _assign_stage(stages: list[Any], name: str, rest: list[str], value: Any, key: str) -> None:
    """Set a setting of every stage of that name."""
    names = _names(stages)
    if name not in names:
        raise unknown(f"stage in {key!r}: stage", name, names)
    for position in (i for i, other in enumerate(names) if other == name):
        if not rest:
            stages[position] = {name: value}
            continue
        if not isinstance(stages[position], dict) or stages[position][name] is None:
            stages[position] = {name: {}}
        _assign(stages[position][name], rest, value, key)
