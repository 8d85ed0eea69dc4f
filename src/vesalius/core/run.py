"""A Run: the folder that one experiment leaves behind."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from vesalius.core.errors import VesaliusError
from vesalius.core.files import read_json, write_json

PACKAGES = ("vesalius", "numpy", "scipy", "scikit-learn", "torch", "open_clip_torch", "timm",
            "transformers", "pillow", "pyarrow")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """A folder: resolved recipe, environment, log, weights, embeddings, scores, figures, page.

    ``recipe.json``, ``environment.json``, ``scores.json``, ``page.html``, ``scores.md``,
    ``weights/``, ``embeddings/``, ``predictions/``, ``figures/``.
    """

    path: Path

    @classmethod
    def open(cls, path: str | Path, recipe: Mapping[str, Any]) -> Run:
        """Begin a Run, or go on with the one that lies there if it has the same recipe.

        Raises:
            VesaliusError: a run of another recipe, or files that are no run's, lie there.
        """
        run = cls(Path(path))
        if run.file("recipe.json").exists():
            run._refuse_other(dict(recipe))
        elif there := _names(run.path):
            raise VesaliusError(
                f"{run.path} holds files of another origin ({there}), which are left as they are; "
                "choose a new folder with --out"
            )
        write_json(run.file("recipe.json"), dict(recipe))
        write_json(run.file("environment.json"), environment())
        return run

    def _refuse_other(self, recipe: dict[str, Any]) -> None:
        there = self.recipe()
        differ = [key for key in {**recipe, **there} if there.get(key) != recipe.get(key)]
        if differ:
            place, here, kept = _first_difference(differ[0], recipe, there)
            raise VesaliusError(
                f"{self.path} holds a run of another recipe: {', '.join(differ)} "
                f"{'differs' if len(differ) == 1 else 'differ'} ({place} is {here!r} here, "
                f"{kept!r} there); choose another folder with --out or delete that one "
                f"(compare {self.file('recipe.json')})"
            )

    def file(self, *parts: str) -> Path:
        """Return the path of something in the folder."""
        return self.path.joinpath(*parts)

    def recipe(self) -> dict[str, Any]:
        return read_json(self.file("recipe.json"))

    def environment(self) -> dict[str, str]:
        return read_json(self.file("environment.json"))


def _names(folder: Path, *, most: int = 3) -> str:
    """Return the first names in a folder; hidden ones (what a kill left half written) are none."""
    if not folder.is_dir():
        return ""
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    return ", ".join([*names[:most], *(["…"] if len(names) > most else [])])


def _first_difference(key: str, here: Any, there: Any, place: str = "") -> tuple[str, Any, Any]:
    """Return the dotted place at which two recipes first part, and what either says there."""
    place, here, there = f"{place}{key}", here.get(key), there.get(key)
    if isinstance(here, dict) and isinstance(there, dict):
        for inner in {**here, **there}:
            if here.get(inner) != there.get(inner):
                return _first_difference(inner, here, there, f"{place}.")
    return place, here, there


def environment() -> dict[str, str]:
    """Return the versions that a number depends on; no path, host or user name."""
    versions = {
        "python": sys.version.split()[0],
        "platform": f"{sys.platform} {platform.machine()}",
    }
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "absent"
    return versions
