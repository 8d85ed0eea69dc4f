"""A recipe that only reads data: for looking at a set, auditing and converting it."""

from __future__ import annotations

from collections.abc import Sequence

from vesalius.core import CaseSet
from vesalius.studies.recipe import Recipe, recipe_of
from vesalius.studies.runner import read_data


def data_recipe(reader: str, root: str | None, settings: Sequence[str], question: str) -> Recipe:
    """Return the checked recipe of a reader, its root, and settings such as ``data.text=…``."""
    plain = {
        "study": "data",
        "question": question,
        "data": {"reader": reader, "root": root},
        "model": {"name": "tiny"},
    }
    return recipe_of(plain, settings)


def read_cases_of(reader: str, root: str | None, settings: Sequence[str]) -> CaseSet:
    """Read what a reader, its root and settings name."""
    return read_data(data_recipe(reader, root, settings, "What is in it?"))
