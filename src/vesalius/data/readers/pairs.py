"""Pairs: ``{train,val,test}_{images,masks}/``, the layout of MedCLIP-SAM (Koleilat et al. 2024)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vesalius.core import CaseSet, DataError, Skipped
from vesalius.data.images import PICTURES, ImageFiles
from vesalius.data.images.mask_files import with_masks
from vesalius.data.images.presence import with_images
from vesalius.data.splits import ALIASES

ORDER = ("train", "validation", "test")


def pairs(root: Path, *, suffix: str = "", target: str = "mask") -> CaseSet:
    """Read images in ``train_images/``, ``val_images/``, ``test_images/``, masks in ``…_masks/``.

    Plain ``images/`` and ``masks/`` are the training part, or a set without splits where they are
    alone. A mask has its image's name up to the last dot and ``suffix``; the ending may be another
    (``a.jpg``, ``a.png``). An image without a mask is kept, without one; a mask without its image
    is listed as skipped. Patients are not known, there are no labels.

    Args:
        root: the folder of the pairs.
        suffix: what a mask's name has more than its image's, such as ``_mask``.
        target: what the masks show, such as ``tumour``.

    Raises:
        DataError: there is no folder of images, one has no folder of masks, or no image is there.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder")
    parts = _parts(root)
    if not parts:
        raise DataError(f"{root} has neither images/ nor train_images/, val_images/, test_images/")
    paths: list[str] = []
    splits: list[str] = []
    files: list[tuple[str, ...]] = []
    skipped: list[Skipped] = []
    for prefix, split in parts.items():
        images, odd = _stems(root, f"{prefix}images")
        masks, odd_masks = _stems(root, f"{prefix}masks")
        skipped += [*odd, *odd_masks]
        for stem, path in images.items():
            paths.append(path)
            splits.append(split)
            mask = masks.pop(f"{stem}{suffix}", None)
            files.append(() if mask is None else (mask,))
        skipped += [Skipped(path, "a mask without its image") for path in masks.values()]
    if not any(files):
        raise DataError(
            f"{root}: no mask is named as an image{f' and {suffix!r}' if suffix else ''}; "
            "say what the masks' names have more with suffix=…"
        )
    cases = CaseSet(
        case_ids=np.array(paths, dtype=np.str_),
        images=ImageFiles(root, paths),
        labels_NC=np.zeros((len(paths), 0)),
        splits=np.array(splits, dtype="<U10") if any(splits) else None,
        skipped=tuple(skipped),
        source=f"pairs {root.name}",
    )
    return with_images(with_masks(cases, [{target: own} if own else {} for own in files]))


def _parts(root: Path) -> dict[str, str]:
    """Return the prefix of each folder of images, and its split."""
    folders = {path.name: path.name.removesuffix("images") for path in root.glob("*_images")}
    split_of = {prefix: ALIASES.get(prefix.strip("_").lower(), "") for prefix in folders.values()}
    named = {
        prefix: split
        for side in ORDER
        for prefix, split in sorted(split_of.items())
        if split == side
    }
    if (root / "images").is_dir():
        named = {"": "train" if named else "", **named}
    for prefix in named:
        if not (root / f"{prefix}masks").is_dir():
            raise DataError(f"{root} has {prefix}images/, but no {prefix}masks/")
    return named


def _stems(root: Path, folder: str) -> tuple[dict[str, str], list[Skipped]]:
    """Return the path of each image file by its name without the ending; list what is none.

    Raises:
        DataError: two files differ in their ending only, so that no name says which is meant.
    """
    found: dict[str, str] = {}
    odd = []
    for own in sorted((root / folder).iterdir()):
        path = f"{folder}/{own.name}"
        if own.name.startswith("."):
            continue
        if own.suffix.lower() not in PICTURES:
            odd.append(Skipped(path, f"not an image by its name ({', '.join(PICTURES)})"))
        elif found.setdefault(own.stem, path) != path:
            raise DataError(f"{root}: {found[own.stem]} and {path} differ in their ending only")
    return found, odd
