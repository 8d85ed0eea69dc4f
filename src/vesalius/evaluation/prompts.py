"""The words of zero-shot: prompts for each label, read from YAML.

A file holds ``labels`` (each with its ``positive`` and ``negative`` prompts), or ``templates`` with
``{label}`` in them for labels of any name, or both: a label's own prompts then win.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from vesalius.core import ChoiceError, DataError, unknown
from vesalius.data.tables.plain_yaml import read_yaml

BUILT_IN = ("chest", "generic", "names")
ANY_LABEL = (
    "the prompt sets 'generic' and 'names' fit any label (--prompts generic on the command line, "
    "zero_shot.prompts=generic in a recipe)"
)

_KEYS = ("name", "description", "labels", "templates")
_ENTRY_KEYS = ("positive", "negative", "aliases")


@dataclass(frozen=True, slots=True)
class Prompts:
    """Positive prompts of each label, and negative ones where the set has them."""

    name: str
    positive: Mapping[str, tuple[str, ...]]
    negative: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(self.positive)


def load_prompts(name: str | Path, label_names: Sequence[str]) -> Prompts:
    """Return the prompts of the given labels, in their order.

    Args:
        name: ``chest`` (report-like ensembles for chest radiographs), ``generic`` (templates for
            any label), ``names`` (bare label names, as the IU-Xray study did), or a YAML file.
        label_names: the labels; spelling may differ in case, underscores and hyphens.

    Raises ChoiceError for a name or label that is not there, DataError for a file that is not
    what it should be.

    >>> load_prompts("names", ["Edema"]).positive["Edema"]
    ('Edema',)
    >>> load_prompts("chest", ["Pleural_Effusion"]).negative["Pleural_Effusion"][0]
    'no pleural effusion'
    """
    entries, templates, title = _checked(_read(name), str(name))
    positive, negative = {}, {}
    for label in label_names:
        entry = entries.get(_key(label), templates)
        if entry is None:
            mistake = unknown(f"label in prompt set {title!r}:", label, _spelled(entries))
            raise ChoiceError(f"{mistake}; {ANY_LABEL}")
        positive[label] = _filled(entry["positive"], label)
        if entry.get("negative"):
            negative[label] = _filled(entry["negative"], label)
    return Prompts(title, positive, negative)


def known_prompts(name: str) -> str:
    """Return the name of a prompt set that is there and well-formed.

    Raises:
        ChoiceError, DataError: as :func:`load_prompts`.
    """
    _checked(_read(name), name)
    return name


def _read(name: str | Path) -> Any:
    if str(name) in BUILT_IN:
        return read_yaml(Path(str(resources.files("vesalius.evaluation"))) / f"prompts/{name}.yaml")
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        raise unknown("prompt set (or .yaml file)", str(name), BUILT_IN)
    return read_yaml(path)


def _checked(content: Any, where: str) -> tuple[dict[str, Any], Any, str]:
    """Return entries by normalised label, the templates or None, and the set's name."""
    if not isinstance(content, dict):
        raise DataError(f"prompts {where}: expected keys {', '.join(_KEYS)} at the top")
    for key in content:
        if key not in _KEYS:
            raise unknown(f"key in prompts {where}", str(key), _KEYS)
    labels, templates = content.get("labels") or {}, content.get("templates")
    if not isinstance(labels, dict) or not (labels or templates):
        raise DataError(
            f"prompts {where}: give 'labels' (label: positive, negative) or 'templates'"
        )
    entries: dict[str, Any] = {}
    for label, entry in labels.items():
        _check_entry(entry, f"prompts {where}: labels.{label}")
        for spelling in (label, *entry.get("aliases", ())):
            if _key(spelling) in entries:
                raise DataError(f"prompts {where}: label {spelling!r} occurs twice")
            entries[_key(spelling)] = {**entry, "label": label}
    if templates is not None:
        _check_entry(templates, f"prompts {where}: templates")
    return entries, templates, str(content.get("name") or Path(where).stem)


def _check_entry(entry: Any, where: str) -> None:
    if not isinstance(entry, dict):
        raise DataError(f"{where} is {entry!r}, not keys 'positive' and (optionally) 'negative'")
    for key in entry:
        if key not in _ENTRY_KEYS:
            raise unknown(f"key in {where}", str(key), _ENTRY_KEYS)
    for key in _ENTRY_KEYS:
        words = entry.get(key, [])
        if not isinstance(words, list) or not all(isinstance(w, str) and w.strip() for w in words):
            raise DataError(f"{where}.{key} is {words!r}, not a list of texts")
    if not entry.get("positive"):
        raise DataError(f"{where}.positive is missing: at least one prompt is needed")


def _filled(templates: Sequence[str], label: str) -> tuple[str, ...]:
    return tuple(template.replace("{label}", label) for template in templates)


def _key(label: str) -> str:
    return " ".join(str(label).replace("_", " ").replace("-", " ").casefold().split())


def _spelled(entries: Mapping[str, Any]) -> list[str]:
    return sorted({str(entry["label"]) for entry in entries.values()})
