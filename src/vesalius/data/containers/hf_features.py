"""What a Hugging Face dataset folder says of its columns: the names of the classes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from vesalius.core import DataError
from vesalius.data.tables.text_file import read_json, read_text


def class_names(root: Path, metadata: Mapping[bytes, bytes] | None) -> dict[str, tuple[str, ...]]:
    """Return the class names of each column that has some, by column.

    They come from the shard itself (its schema's metadata, key ``huggingface``), else from
    ``dataset_info.json``, else from ``dataset_info`` at the head of ``README.md``.

    Raises:
        DataError: a description is broken.
    """
    described = _of_schema(root, metadata or {})
    if not described and (root / "dataset_info.json").is_file():
        described = _features(read_json(root / "dataset_info.json"))
    if not described and (root / "README.md").is_file():
        described = _of_readme(root / "README.md")
    found = {name: _names(feature) for name, feature in described.items()}
    return {name: names for name, names in found.items() if names}


def _of_schema(root: Path, metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    if b"huggingface" not in metadata:
        return {}
    try:
        described = json.loads(metadata[b"huggingface"])
    except (ValueError, RecursionError) as error:
        raise DataError(f"{root}: the shards' description is not valid JSON: {error}") from None
    return _features(described.get("info") if isinstance(described, dict) else None)


def _of_readme(path: Path) -> dict[str, Any]:
    """Read the YAML between the first two lines of dashes; of several sets, all features."""
    head, *rest = read_text(path).replace("\r\n", "\n").partition("\n---\n")
    if not head.startswith("---\n") or not rest[0]:
        return {}
    try:
        described = yaml.safe_load(head.removeprefix("---\n"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: its head is not valid YAML: {error}") from None
    infos = described.get("dataset_info") if isinstance(described, dict) else None
    several = infos if isinstance(infos, list) else [infos]
    return {name: feature for info in several for name, feature in _features(info).items()}


def _features(info: Any) -> dict[str, Any]:
    """Return the features by column: an object in JSON, a list of named ones in YAML."""
    features = info.get("features") if isinstance(info, dict) else None
    if isinstance(features, dict):
        return features
    named = features if isinstance(features, list) else []
    return {str(f["name"]): f for f in named if isinstance(f, dict) and "name" in f}


def _names(feature: Any) -> tuple[str, ...]:
    """Return the class names of a feature, or of what it is a list of."""
    for inner in _within(feature):
        names = inner.get("names")
        if isinstance(names, list):
            return tuple(map(str, names))
        if isinstance(names, dict) and all(str(key).isdecimal() for key in names):
            return tuple(str(names[key]) for key in sorted(names, key=lambda key: int(key)))
    return ()


def _within(feature: Any) -> Iterator[Mapping[str, Any]]:
    """Give a feature and those within it: ``feature``, ``dtype``, ``sequence``, ``list`` …"""
    for _ in range(8):  # deeper than any list of classes
        feature = feature[0] if isinstance(feature, list) and feature else feature
        if not isinstance(feature, dict):
            return
        yield feature
        inner = ("feature", "dtype", "sequence", "list", "class_label")
        feature = next((feature[key] for key in inner if key in feature), None)
