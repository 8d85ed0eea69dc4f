"""PMC-OA and Open-PMC: figures of open-access articles and their captions, in JSON lines."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np

from vesalius.core import CaseSet, DataError
from vesalius.data.images import ImageFiles
from vesalius.data.images.presence import inside, with_images
from vesalius.data.splits import ALIASES
from vesalius.data.tables.table import JSON_LINES, first_of, read_table

FILES = ("pmc_oa.jsonl", "pmc_oa_beta.jsonl")
ARCHIVE = "caption_T060_filtered_top4_sep_v0_subfigures"  # what images.zip unpacks to
PLACES = ("images", f"images/{ARCHIVE}", ARCHIVE, ".")
SOME = 9  # images that are looked for to find the folder
ARTICLE = re.compile(r"(?:^|/)(PMC\d+)(?=\D)")


def pmc_oa(
    root: Path, *, file: str | None = None, image: str = "image", caption: str = "caption"
) -> CaseSet:
    """Read lines of ``{"image": …, "caption": …}``; images lie under ``images/`` or as given.

    Without ``pmc_oa.jsonl``, the files ``train.jsonl``, ``valid.jsonl`` and ``test.jsonl`` are
    read as splits. The patient is the article (``PMC212319`` in the image's name), so that panels
    of one figure never part; there is no other notion of one. There are no labels. An image that
    occurs again, with another caption, is a case of its own: ``name#2``.

    Args:
        root: the folder of the lines and images, or the file of lines.
        file: the lines; by default ``pmc_oa.jsonl``, the files of splits, or the only file.
        image: the key of the image's path.
        caption: the key of the text.

    Raises:
        DataError: a file or key is missing, a line is broken, or no image is there.
    """
    folder = root.parent if root.is_file() else root
    tables = {path: read_table(path, columns={image, caption}) for path in _files(root, file)}
    names = [cell for table in tables.values() for cell in table[image]]
    texts = [cell for table in tables.values() for cell in table[caption]]
    place = _place(folder, [name for name in names if name][:SOME])
    articles = [found[1] if (found := ARTICLE.search(name)) else "" for name in names]
    splits = [ALIASES.get(path.stem.lower(), "") for path in tables]
    return with_images(
        CaseSet(
            case_ids=np.array(_numbered(names), dtype=np.str_),
            images=ImageFiles(
                folder, [inside(folder, f"{place}/{name}") if name else "" for name in names]
            ),
            labels_NC=np.zeros((len(names), 0)),
            patient_ids=np.array(articles, dtype=np.str_) if any(articles) else None,
            texts=np.array([text or None for text in texts], dtype=object),
            splits=np.repeat(splits, [len(t) for t in tables.values()]) if any(splits) else None,
            source="pmc_oa",
        )
    )


def _files(root: Path, file: str | None) -> list[Path]:
    if root.is_file():
        return [root]
    if file is not None:
        return [first_of(root, (inside(root, file),))]
    lines = sorted(p for p in root.iterdir() if p.suffix.lower() in JSON_LINES)
    named = [p for name in FILES for p in lines if p.name == name][:1]
    splits = [p for p in lines if p.stem.lower() in ALIASES]
    found = named or splits or lines
    if not found or (len(found) > 1 and found is lines):
        names = ", ".join(p.name for p in lines) or "no .jsonl file"
        raise DataError(f"{root} has no pmc_oa.jsonl but {names}; say which it is with file=…")
    return found


def _place(folder: Path, some: list[str]) -> str:
    """Return the place where some of the images are; else the first place that is a folder."""
    folders = [place for place in PLACES if (folder / place).is_dir()]
    for place in folders:
        # not Path.is_file, which raises where a name is too long
        if any(os.path.isfile(folder / place / name) for name in some):  # noqa: PTH113
            return place
    return folders[0]


def _numbered(names: list[str]) -> list[str]:
    """Return unique ids: an image's name, with a number where it occurs again."""
    seen: Counter[str] = Counter()
    ids = []
    for row, name in enumerate(names):
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
        if not name:
            ids[row] = f"row {row + 1}"
    return ids
