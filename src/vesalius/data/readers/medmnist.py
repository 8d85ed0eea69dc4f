"""MedMNIST: one ``.npz`` with the images, labels and splits of a set."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, unknown
from vesalius.data.containers.arrays import ArrayParts, Arrays
from vesalius.data.containers.medmnist_records import medmnist_records
from vesalius.data.splits import ALIASES

logger = logging.getLogger(__name__)
PARTS = ("train", "val", "test")
SIZES = (28, 64, 128, 224)


def medmnist(
    root: Path, *, name: str | None = None, size: Literal[28, 64, 128, 224] = 28
) -> CaseSet:
    """Read ``{name}.npz`` or ``{name}_{64,128,224}.npz``; the root may be the file itself.

    Class names and task come from the ``medmnist`` package where it is installed
    (``pip install 'vesalius[medmnist]'``); otherwise they are ``class 0``, ``class 1`` … Labels may
    be ``(N,)``, ``(N, 1)`` (multiclass) or ``(N, L)`` (multilabel). The images of a split are
    opened when the first of them is asked for; large ones are mapped into memory (a compressed
    file is unpacked once into $VESALIUS_CACHE or ~/.cache/vesalius/arrays). Patients are not
    known; the source has splits.

    Args:
        root: the folder of the file, or the file.
        name: of the set, such as ``breastmnist``; not needed where the folder has one file.
        size: of the images; 28 has no suffix in its file's name.

    Raises:
        DataError: the file is missing or not of this layout (the 3-D sets are not read).
    """
    if size not in SIZES:
        raise unknown("size", str(size), map(str, SIZES))
    path = root if root.is_file() else _file(root, name, size)
    arrays = Arrays(path)
    lengths = [_length(arrays, part) for part in PARTS]
    labels_NL = np.concatenate([_labels(arrays, part) for part in PARTS])
    stem = re.sub(r"_(64|128|224)$", "", path.stem)
    states_NC, names, task = _states(stem, labels_NL)
    splits = np.repeat([ALIASES[part] for part in PARTS], lengths)
    numbers = np.concatenate([np.arange(length) for length in lengths])
    return CaseSet(
        case_ids=np.array([f"{s}-{i:06d}" for s, i in zip(splits, numbers, strict=True)]),
        images=ArrayParts(
            arrays,
            tuple(f"{part}_images" for part in PARTS),
            np.repeat(np.arange(len(PARTS)), lengths),
            numbers,
        ),
        labels_NC=states_NC,
        label_names=names,
        splits=splits,
        task=task,
        source=f"medmnist {stem}",
    )


def _file(root: Path, name: str | None, size: int) -> Path:
    found = sorted(p.name for p in root.glob("*.npz"))
    if name is None:
        if len(found) != 1:
            raise DataError(
                f"{root} has {', '.join(found) or 'no .npz file'}; say which set with name=…"
            )
        return root / found[0]
    wanted = f"{name}.npz" if size == 28 else f"{name}_{size}.npz"
    if wanted not in found:
        raise DataError(f"{root} has no {wanted}; it has {', '.join(found) or 'no .npz file'}")
    return root / wanted


def _length(arrays: Arrays, part: str) -> int:
    """Check the images of a split by what the file declares of them; return how many there are."""
    shape, dtype = arrays.declared(f"{part}_images")
    if dtype != np.uint8 or not (len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)):
        raise DataError(
            f"{arrays.path}: {part}_images is {dtype} of shape {shape}; 2-D images are uint8 of "
            "shape (N, H, W) or (N, H, W, 3)"
        )
    return shape[0]


def _labels(arrays: Arrays, part: str) -> NDArray[Any]:
    images, (shape, _) = arrays.declared(f"{part}_images")[0], arrays.declared(f"{part}_labels")
    if len(shape) not in (1, 2) or shape[0] != images[0]:
        raise DataError(
            f"{arrays.path}: {part}_labels has shape {shape}, but there are {images[0]} images"
        )
    labels = arrays[f"{part}_labels"]
    if not np.array_equal(labels, labels.astype(np.int64)) or labels.min(initial=0) < 0:
        raise DataError(f"{arrays.path}: {part}_labels holds values that are no class numbers")
    return labels.reshape(len(labels), -1)


def _states(stem: str, labels_NL: NDArray[Any]) -> tuple[NDArray[np.float64], tuple[str, ...], str]:
    """Return states, names and task: one column of classes, or a column a finding."""
    several = labels_NL.shape[1] > 1
    highest = 1 if several else int(labels_NL.max(initial=0))
    if several and labels_NL.max(initial=0) > highest:
        raise DataError(f"medmnist {stem}: several label columns hold more than 0 and 1")
    names = _names(stem)
    wanted = labels_NL.shape[1] if several else highest + 1
    if len(names) < wanted or (several and len(names) != wanted):
        names = tuple(f"class {i}" for i in range(wanted))
    if several:
        return labels_NL.astype(float), names, "multilabel"
    return (labels_NL == np.arange(len(names))).astype(float), names, "multiclass"


def _names(stem: str) -> tuple[str, ...]:
    """Return a set's class names from the package's records; none where it is not installed."""
    records = medmnist_records()
    if records is None:
        logger.info("classes of %s are numbered: pip install 'vesalius[medmnist]' names them", stem)
        return ()
    labels = records.get(stem, {}).get("label", {})
    return tuple(str(labels[key]) for key in sorted(labels, key=int))
