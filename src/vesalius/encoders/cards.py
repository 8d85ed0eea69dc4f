"""What can be loaded: a card for each model, data and not code (the YAML files of ``catalogue/``).

Whatever open_clip or transformers can build is added by one card; a model with code of its own has
a card that says what it is and which files it wants.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from vesalius.core import ModelError
from vesalius.encoders.preprocessing import Preprocessing

SCORES = ("softmax", "sigmoid")
TOO_LONG = ("cut", "error")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model is, which files it wants, and what was done to pixels and words in training.

    ``name`` is what ``load`` takes; ``adapter`` says who builds it (empty: the name's own loader).
    ``files`` go into the folder ``place`` (or one named as the last part of ``source``) under the
    weights folder ($VESALIUS_WEIGHTS, or ~/.cache/vesalius/weights); of several names for one file
    the first that is there is taken. ``source`` is who publishes them, ``revision`` which of their
    versions the card was written for, ``sha256`` the digests of files that are known.

    ``architecture`` is a name of open_clip's, with ``text_cfg`` in the place of its text tower;
    without it the folder's own config decides. ``keys`` are prefixes of names in the file and what
    they are here; ``missing`` and ``surplus`` all names that may be absent and left over.
    ``image`` is the preprocessing, ``context`` the length in tokens and ``too_long`` what becomes
    of longer texts, ``scores`` how cosines become chances. ``own_pixels`` says that the card's
    preprocessing is another than the folder's on purpose. Numbers that the architecture decides
    are 0.
    """

    name: str
    what: str
    domain: str
    licence: str
    gated: bool = False
    adapter: str = ""
    source: str = ""
    revision: str = ""
    place: str = ""
    files: tuple[tuple[str, ...], ...] = ()
    sha256: Mapping[str, str] = field(default_factory=dict)
    architecture: str = ""
    text_cfg: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    surplus: frozenset[str] = frozenset()
    image: Preprocessing | None = None
    image_size: int = 0
    context: int = 0
    too_long: str = "cut"
    scores: str = "softmax"
    own_pixels: bool = False
    width: int = 0

    def folder(self, weights: Path) -> Path:
        """Return the folder that is there of those the files may lie in, else the first."""
        places = (weights / self.place, weights / self.source.rpartition("/")[2])
        return next((place for place in places if place.is_dir()), places[0])

    def found(self, folder: Path) -> list[Path]:
        """Return the paths of the files, in their order.

        Raises ModelError naming those that are missing, who publishes them and their place.
        """
        paths = [
            next((folder / name for name in names if (folder / name).is_file()), None)
            for names in self.files
        ]
        missing = [
            " or ".join(names) for names, path in zip(self.files, paths, strict=True) if not path
        ]
        if missing:
            raise ModelError(
                f"{self.name} is not here: {', '.join(missing)} missing in {folder}; the files "
                f"come from {self.source} (set VESALIUS_WEIGHTS to the folder above); nothing is "
                "downloaded by itself"
            )
        return [path for path in paths if path]


def spread(pattern: str) -> list[str]:
    """Return the names that braces stand for, as a shell does.

    >>> spread("a.{0,1}.{weight,bias}")
    ['a.0.weight', 'a.0.bias', 'a.1.weight', 'a.1.bias']
    """
    found = re.search(r"\{([^{}]*)\}", pattern)
    if found is None:
        return [pattern]
    before, after = pattern[: found.start()], pattern[found.end() :]
    return [name for part in found[1].split(",") for name in spread(before + part + after)]


def card_from(values: Mapping[str, Any]) -> ModelCard:
    """Return the card that plain values describe; raises ModelError for a value that is none."""
    given = dict(values)
    name = given.get("name", "a card without a name")
    strange = sorted(given.keys() - {known.name for known in fields(ModelCard)})
    if strange:
        raise ModelError(f"card {name}: unknown {', '.join(strange)}")
    given["files"] = tuple(
        (file,) if isinstance(file, str) else tuple(file) for file in given.get("files", ())
    )
    for key in ("missing", "surplus"):
        given[key] = frozenset(x for pattern in given.get(key, ()) for x in spread(pattern))
    if "image" in given:
        given["image"] = Preprocessing.from_dict(given["image"])
        given["image_size"] = given["image"].size
    try:
        card = ModelCard(**given)
    except TypeError as error:
        raise ModelError(f"card {name}: {error}") from error
    if card.scores not in SCORES or card.too_long not in TOO_LONG:
        raise ModelError(f"card {name}: scores {card.scores!r}, too_long {card.too_long!r}")
    return card


@lru_cache(maxsize=1)
def _cards() -> tuple[ModelCard, ...]:
    import yaml

    home = resources.files("vesalius.encoders").joinpath("catalogue")
    files = sorted((file for file in home.iterdir()), key=lambda file: file.name)
    return tuple(
        card_from(values)
        for file in files
        if file.name.endswith(".yaml")
        for values in yaml.safe_load(file.read_text(encoding="utf-8"))
    )


def catalogue() -> list[ModelCard]:
    """Return the cards of what can be loaded by name.

    Any folder in open_clip's layout loads as ``local-dir:PATH``, one in transformers' layout as
    ``hf:PATH``, and any Run by its path.
    """
    return list(_cards())


def card_of(name: str) -> ModelCard | None:
    """Return the card with a name that an adapter builds, where there is one."""
    return next((card for card in _cards() if card.adapter and card.name == name), None)
