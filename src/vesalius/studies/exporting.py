"""Export of a Run's model, or of any model by its name, with what the Run knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import Any

import yaml

from vesalius import encoders
from vesalius.core import Run, Score
from vesalius.core.files import read_json

PRIVATE = ("root", "weights_dir", "folder", "path")
"""Keys of a recipe that hold paths of one machine: a card does not tell them."""


def export_model(name: str, folder: str | Path, *, to: str = "hub") -> Path:
    """Write a model, by its name or the path of its Run, into a new folder with its card.

    Raises:
        VesaliusError: see :func:`vesalius.encoders.export`.
    """
    run = Run(Path(name).expanduser())
    origin = origin_of(run) if run.file("recipe.json").is_file() else encoders.Origin()
    return encoders.export(encoders.load(name), folder, to=to, origin=origin)


def origin_of(run: Run) -> encoders.Origin:
    """Return what a Run says of its model: question, data, recipe without paths, scores."""
    recipe = _public(run.recipe())
    found = read_json(run.file("scores.json")) if run.file("scores.json").is_file() else {}
    scores = [
        (method, _score(plain))
        for method, own in found.items()
        for plain in own
        if not plain["label"] and plain["value"] is not None
    ]
    return encoders.Origin(
        question=recipe["question"],
        data=f"the training split of the reader `{recipe['data']['reader']}`",
        recipe=yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True),
        scores=scores,
    )


def _public(value: Any) -> Any:
    """Return plain values without paths."""
    if isinstance(value, Mapping):
        return {key: _public(own) for key, own in value.items() if key not in PRIVATE}
    if isinstance(value, list):
        return [_public(own) for own in value]
    if isinstance(value, str) and Path(value).is_absolute():
        return Path(value).name
    return value


def _score(plain: Mapping[str, Any]) -> Score:
    missing = {key: nan for key in ("low", "high") if plain[key] is None}
    return Score(**{**plain, **missing})
