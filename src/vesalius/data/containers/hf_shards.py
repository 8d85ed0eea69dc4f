"""Where the shards of a Hugging Face dataset folder lie, and which part each belongs to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from vesalius.core import DataError
from vesalius.data.images.presence import inside
from vesalius.data.splits import ALIASES
from vesalius.data.tables.text_file import read_json

PLACES = ("data", "default", ".")
SHARD = re.compile(r"^(.+?)-\d+-of-\d+(-[0-9a-f]+)?$")  # train-00000-of-00002, maybe with a hash


class Shard(NamedTuple):
    """A file of rows: its path under the root and the part that it belongs to (``train`` …)."""

    path: str
    part: str


def find_shards(root: Path, folder: str | None) -> list[Shard]:
    """Find the shards in their order: what ``save_to_disk`` wrote, or Parquet files."""
    if (root / "dataset_dict.json").is_file():
        described = read_json(root / "dataset_dict.json")
        splits = described.get("splits") if isinstance(described, dict) else None
        if not isinstance(splits, list) or not all(isinstance(s, str) for s in splits):
            raise DataError(f"{root / 'dataset_dict.json'} has no list of splits")
        return [s for split in splits for s in _saved(root, inside(root, split), split)]
    if (root / "state.json").is_file():
        return _saved(root, ".", "")
    places = PLACES if folder is None else (inside(root, folder),)
    for place in places:
        found = sorted((root / place).glob("*.parquet"))
        if not found:  # train/0000.parquet
            found = sorted(p for p in (root / place).glob("*/*.parquet") if part_of(p))
        if found:
            return [Shard(p.relative_to(root).as_posix(), part_of(p)) for p in found]
    inner = sorted({p.parent.name for p in root.glob("*/*.parquet")})
    hint = f"; name one of its folders with folder=…: {', '.join(inner)}" if inner else ""
    raise DataError(f"{root} has no {' or '.join(f'{p}/*.parquet' for p in places)}{hint}")


def _saved(root: Path, place: str, part: str) -> list[Shard]:
    """Return the files that ``state.json`` lists, in its order."""
    path = root / place / "state.json"
    state = read_json(path)
    files = state.get("_data_files") if isinstance(state, dict) else None
    names = [f.get("filename") if isinstance(f, dict) else None for f in files or ()]
    if not names or not all(isinstance(name, str) for name in names):
        raise DataError(f"{path} lists no files under _data_files")
    split = part or str(state.get("_split") or "")
    return [Shard(inside(root, f"{place}/{name}"), split) for name in names]


def part_of(path: Path) -> str:
    """Return the part that a file's name says, or its folder's name where that is a split."""
    match = SHARD.match(path.stem)
    if match:
        return match[1]
    words = (path.stem, path.parent.name)
    return next((word for word in words if word.lower() in ALIASES), "")
