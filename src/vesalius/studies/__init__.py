"""A study is one experiment from end to end: a recipe in, a Run with a page out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vesalius.studies.comparison.folders import compare_folders
    from vesalius.studies.data_audit import audit_data
    from vesalius.studies.data_recipe import read_cases_of
    from vesalius.studies.embed import embed_data
    from vesalius.studies.exporting import export_model
    from vesalius.studies.inspect import inspect_data
    from vesalius.studies.ledgers import score_files
    from vesalius.studies.recipe import Recipe, catalogue, load_recipe, read_yaml, recipe_of
    from vesalius.studies.runner import default_folder, run_study

_HOMES = {
    "Recipe": "recipe",
    "audit_data": "data_audit",
    "catalogue": "recipe",
    "compare_folders": "comparison.folders",
    "default_folder": "runner",
    "embed_data": "embed",
    "export_model": "exporting",
    "inspect_data": "inspect",
    "load_recipe": "recipe",
    "read_yaml": "recipe",
    "read_cases_of": "data_recipe",
    "recipe_of": "recipe",
    "run_study": "runner",
    "score_files": "ledgers",
}

__all__ = [
    "Recipe",
    "audit_data",
    "catalogue",
    "compare_folders",
    "default_folder",
    "embed_data",
    "export_model",
    "inspect_data",
    "load_recipe",
    "read_cases_of",
    "read_yaml",
    "recipe_of",
    "run_study",
    "score_files",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"vesalius.studies.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
