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
        """Begin a Run, or go on with the one that lies there if it has the same recipe."""
        run = cls(Path(path))
        if run.file("recipe.json").exists() and run.recipe() != dict(recipe):
            raise VesaliusError(
                f"{run.path} holds a run of another recipe; choose another folder "
                f"or delete that one (compare {run.file('recipe.json')})"
            )
        write_json(run.file("recipe.json"), dict(recipe))
        write_json(run.file("environment.json"), environment())
        return run

    def file(self, *parts: str) -> Path:
        """Return the path of something in the folder."""
        return self.path.joinpath(*parts)

    def recipe(self) -> dict[str, Any]:
        return read_json(self.file("recipe.json"))

    def environment(self) -> dict[str, str]:
        return read_json(self.file("environment.json"))


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
