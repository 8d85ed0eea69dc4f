"""BUSI: breast ultrasound images with masks of their lesions (Al-Dhabyani et al. 2020)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from vesalius.core import CaseSet, DataError, Skipped
from vesalius.data.images import PICTURES, ImageFiles
from vesalius.data.images.mask_files import with_masks
from vesalius.data.images.presence import with_images

CLASSES = ("benign", "malignant", "normal")
TARGET = "Lesion"
OWN_FOLDER = "Dataset_BUSI_with_GT"  # in which the download packs the classes
MASK = re.compile(r"(.+)_mask(?:_\d+)?")


def busi(root: Path) -> CaseSet:
    """Read ``{benign,malignant,normal}/benign (1).png`` and their masks, ``benign (1)_mask.png``.

    Where an image has several masks (``_mask_1.png`` …) they are merged: the mask ``Lesion`` holds
    all its lesions. That of a normal image is empty. Labels are the three classes (multiclass).
    Patients are not known: the source numbers images only, although its 780 images come from 600
    women, so that images of one woman may lie on both sides of a split. A mask without its image
    is listed as skipped.

    Args:
        root: the folder of the three classes, or the folder ``Dataset_BUSI_with_GT`` in it.

    Raises:
        DataError: no class folder or no image is there.
    """
    base = root / OWN_FOLDER if (root / OWN_FOLDER).is_dir() else root
    classes = [name for name in CLASSES if (base / name).is_dir()]
    if not classes:
        raise DataError(f"{base} has none of the folders {', '.join(CLASSES)}")
    images: dict[str, list[str]] = {}
    masks: list[tuple[str, str]] = []
    skipped = []
    for path in (f"{name}/{file}" for name in classes for file in _files(base / name)):
        part = MASK.fullmatch(_stem(path))
        if not path.lower().endswith(PICTURES):
            skipped.append(Skipped(path, f"not an image by its name ({', '.join(PICTURES)})"))
        elif part:
            masks.append((part.group(1), path))
        else:
            images[path] = []
    image_of = {_stem(path): path for path in images}
    for stem, path in masks:
        if stem in image_of:
            images[image_of[stem]].append(path)
        else:
            skipped.append(Skipped(path, "a mask without its image"))
    if not images:
        raise DataError(f"{base} has no images in {', '.join(classes)} ({', '.join(PICTURES)})")
    names = np.array([path.partition("/")[0] for path in images])
    cases = CaseSet(
        case_ids=np.array(list(images), dtype=np.str_),
        images=ImageFiles(base, list(images)),
        labels_NC=(names[:, None] == np.array(CLASSES)).astype(float),
        label_names=CLASSES,
        skipped=tuple(skipped),
        task="multiclass",
        source="busi",
    )
    files = [{TARGET: tuple(own)} if own else {} for own in images.values()]
    return with_images(with_masks(cases, files))


def _stem(path: str) -> str:
    return path.rpartition(".")[0]


def _files(folder: Path) -> list[str]:
    """Return the names of files in the order of their numbers."""
    names = [entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")]
    return sorted(names, key=lambda name: ([int(n) for n in re.findall(r"\d+", name)], name))
