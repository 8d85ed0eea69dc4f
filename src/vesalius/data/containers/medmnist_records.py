"""The records of the medmnist package: labels, licence, addresses and checksums of its sets."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any


def medmnist_records() -> dict[str, dict[str, Any]] | None:
    """Return the package's table of sets by name; None where the package is not installed."""
    package = importlib.util.find_spec("medmnist")
    if package is None or not package.submodule_search_locations:
        return None
    return _parsed(Path(package.submodule_search_locations[0]) / "info.py")


@cache
def _parsed(file: Path) -> dict[str, dict[str, Any]]:
    """Read the table without running the package: its import costs seconds and torch."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "INFO":
            return dict(ast.literal_eval(node.value))
    return {}
