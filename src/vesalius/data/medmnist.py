"""MedMNIST: one ``.npz`` with images, labels and splits."""

from __future__ import annotations

import importlib.util
import re
import runpy
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import ArrayImages, CaseSet, DataError
from vesalius.data.splits import ALIASES

PARTS = ("train", "val", "test")


def medmnist(root: Path, *, name: str | None = None, size: int = 28) -> CaseSet:
    """Read ``{name}.npz`` or ``{name}_{64,128,224}.npz``; the root may be the file itself.

    Class names and task come from the ``medmnist`` package where it is installed
    (``pip install vesalius[medmnist]``); otherwise classes are numbered. Patients are not known;
    the source has splits.

    Raises:
        DataError: the file is missing or not of this layout.
    """
    path = root if root.is_file() else _file(root, name, size)
    arrays = _arrays(path)
    images = np.concatenate([arrays[f"{part}_images"] for part in PARTS])
    labels = np.concatenate([_two_columns(arrays[f"{part}_labels"]) for part in PARTS])
    sides = np.repeat(PARTS, [len(arrays[f"{part}_images"]) for part in PARTS])
    if len(images) != len(labels) or images.ndim not in (3, 4) or images.dtype != np.uint8:
        raise DataError(
            f"{path}: images of shape {images.shape} and type {images.dtype} do not fit "
            f"labels of shape {labels.shape}; a 2-D set of uint8 images was expected"
        )
    stem = re.sub(r"_(64|128|224)$", "", path.stem)
    states_NC, names, task = _labels(stem, labels)
    ids = [f"{ALIASES[side]}-{i:06d}" for i, side in enumerate(sides)]
    return CaseSet(
        case_ids=np.array(ids, dtype=np.str_),
        images=ArrayImages(images, [f"{path.name}#{i}" for i in range(len(images))]),
        labels_NC=states_NC,
        label_names=names,
        splits=np.array([ALIASES[side] for side in sides], dtype=np.str_),
        task=task,
        source=f"medmnist {stem}",
    )


def _file(root: Path, name: str | None, size: int) -> Path:
    found = sorted(root.glob("*.npz"))
    if name is None:
        if len(found) != 1:
            names = ", ".join(p.name for p in found) or "no .npz file"
            raise DataError(f"{root} has {names}; say which with data.name=…")
        return found[0]
    path = root / (f"{name}.npz" if size == 28 else f"{name}_{size}.npz")
    if not path.is_file():
        raise DataError(f"{root} has no {path.name}; it has {', '.join(p.name for p in found)}")
    return path


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    wanted = [f"{part}_{what}" for part in PARTS for what in ("images", "labels")]
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in wanted if key not in archive]
            if missing:
                raise DataError(f"{path} has no {missing[0]!r}; it has {', '.join(archive.files)}")
            return {key: archive[key] for key in wanted}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, TypeError) as error:
        raise DataError(f"{path} is not a readable .npz file: {error}") from None


def _two_columns(labels: NDArray[Any]) -> NDArray[Any]:
    return labels[:, None] if labels.ndim == 1 else labels


def _labels(stem: str, labels_NL: NDArray[Any]) -> tuple[NDArray[np.float64], tuple[str, ...], str]:
    """Return states, names and task: one column of classes, or one column a finding."""
    known = _info(stem)
    if labels_NL.shape[1] > 1:
        count = labels_NL.shape[1]
        names = known or tuple(f"class {i}" for i in range(count))
        if len(names) != count:
            raise DataError(f"medmnist {stem}: {count} label columns, but {len(names)} names")
        return labels_NL.astype(float), names, "multilabel"
    classes = labels_NL[:, 0].astype(int)
    count = max(int(classes.max(initial=0)) + 1, len(known))
    names = known if len(known) == count else tuple(f"class {i}" for i in range(count))
    return (classes[:, None] == np.arange(count)).astype(float), names, "multiclass"


def _info(stem: str) -> tuple[str, ...]:
    """Return a set's class names from the package's own records, without importing torch."""
    package = importlib.util.find_spec("medmnist")
    if package is None or not package.submodule_search_locations:
        return ()
    records = Path(package.submodule_search_locations[0]) / "info.py"
    labels = runpy.run_path(str(records))["INFO"].get(stem, {}).get("label", {})
    return tuple(str(labels[key]) for key in sorted(labels, key=int))
