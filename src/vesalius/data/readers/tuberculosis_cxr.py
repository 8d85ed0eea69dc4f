"""Montgomery and Shenzhen: chest films with or without tuberculosis (Jaeger et al. 2014)."""

from __future__ import annotations

import os
import re
from math import nan
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vesalius.core import CaseSet, DataError, Skipped
from vesalius.data.images import PICTURES, ImageFiles
from vesalius.data.images.mask_files import Files, with_masks
from vesalius.data.images.presence import with_images
from vesalius.data.tables.table import read_text

LABEL, TARGET = "Tuberculosis", "Lungs"
IMAGES = ("CXR_png", "images", "")
SIDES = ("ManualMask/leftMask", "ManualMask/rightMask")
MASKS = ("masks", "mask")
READINGS = "ClinicalReadings"
AGE = re.compile(r"(?<!\d)(\d{1,3}) *(y|m|d)", re.IGNORECASE)  # 027Y, 45yrs, 3 months, 20days
YEARS = {"y": 1.0, "m": 1 / 12, "d": 1 / 365.25}
SEX = re.compile(r"\b(female|male|f|m|o)\b", re.IGNORECASE)


def montgomery(root: Path) -> CaseSet:
    """Read ``CXR_png/MCUCXR_0001_0.png``: the last digit says whether there is tuberculosis.

    The films may also lie in ``images/`` or beside the masks' folder. The mask ``Lungs`` is
    ``ManualMask/leftMask`` and ``rightMask`` merged, or one file in ``masks/`` or ``mask/``, with
    the film's name or with ``_mask`` after it. ``ClinicalReadings/MCUCXR_0001_0.txt``, where it
    is, gives ``sex``, ``age`` (in years) and the text, the reading. The number in the name stands
    for the patient: each film has its own.

    Args:
        root: the folder of the films and masks, such as ``MontgomerySet``.

    Raises:
        DataError: there are no such films, or a reading is no text.
    """
    return _films(root, "MCUCXR", "montgomery")


def shenzhen(root: Path) -> CaseSet:
    """Read ``CXR_png/CHNCXR_0001_0.png``: the last digit says whether there is tuberculosis.

    The films may also lie in ``images/`` or beside the masks' folder. The mask ``Lungs`` is
    ``mask/CHNCXR_0001_0_mask.png`` (or in ``masks/``); of 662 films 566 have one as published.
    ``ClinicalReadings/CHNCXR_0001_0.txt``, where it is, gives ``sex``, ``age`` (in years) and the
    text, the reading. The number in the name stands for the patient: each film has its own.

    Args:
        root: the folder of the films and masks, such as ``ChinaSet_AllFiles``.

    Raises:
        DataError: there are no such films, or a reading is no text.
    """
    return _films(root, "CHNCXR", "shenzhen")


class Reading(NamedTuple):
    """A film's clinical reading: F or M, the age in years, the words."""

    sex: str = ""
    age: float = nan
    text: str | None = None


def reading(words: str) -> Reading:
    """Part a clinical reading into sex, age and text.

    >>> reading("Patient's Sex: F \\nPatient's Age: 027Y\\nnormal")
    Reading(sex='F', age=27.0, text='normal')
    >>> reading("male 45yrs\\nright upper PTB")
    Reading(sex='M', age=45.0, text='right upper PTB')
    """
    sex, age = "", nan
    said: list[str] = []
    for line in words.splitlines():
        line = line.strip()
        about = line.partition(":")[2] if line.lower().startswith("patient's") else line
        found_sex, found_age = SEX.search(about), AGE.search(about)
        is_head = line != about or (found_sex is not None and found_age is not None)
        if not is_head or said:
            said.append(line)
            continue
        if found_sex and not sex:
            sex = found_sex.group(1)[0].upper()
        if found_age:
            age = int(found_age.group(1)) * YEARS[found_age.group(2).lower()]
    return Reading(sex, age, "\n".join(said).strip() or None)


def _films(root: Path, prefix: str, source: str) -> CaseSet:
    name = re.compile(rf"{prefix}_(\d+)_([01])")
    folder = next((f for f in IMAGES if (root / f).is_dir() and _any(root / f, name)), None)
    if folder is None:
        raise DataError(
            f"{root} has no films named like {prefix}_0001_0.png, nor has its CXR_png/ or images/"
        )
    films: list[tuple[str, re.Match[str]]] = []
    skipped = []
    for file in _files(root / folder):
        path = f"{folder}/{file}".lstrip("/")
        match = name.fullmatch(Path(file).stem)
        if match and file.lower().endswith(PICTURES):
            films.append((path, match))
        else:
            skipped.append(Skipped(path, f"not named like {prefix}_0001_0.png"))
    readings = [_reading(root / READINGS / f"{match.group(0)}.txt") for _, match in films]
    cases = CaseSet(
        case_ids=np.array([match.group(0) for _, match in films], dtype=np.str_),
        images=ImageFiles(root, [path for path, _ in films]),
        labels_NC=np.array([[float(match.group(2))] for _, match in films]),
        label_names=(LABEL,),
        patient_ids=np.array([f"{prefix}_{match.group(1)}" for _, match in films], np.str_),
        texts=np.array([own.text for own in readings], dtype=object),
        attributes={
            "age": np.array([own.age for own in readings]),
            "sex": np.array([own.sex for own in readings], dtype=np.str_),
        },
        skipped=tuple(skipped),
        source=source,
    )
    return with_images(with_masks(cases, _masks(root, [match.group(0) for _, match in films])))


def _masks(root: Path, stems: list[str]) -> list[Files]:
    """Return the files of each film's lungs: both sides, or the one file at hand."""
    if any((root / side).is_dir() for side in SIDES):
        return [{TARGET: tuple(f"{side}/{stem}.png" for side in SIDES)} for stem in stems]
    folder = next((root / name for name in MASKS if (root / name).is_dir()), None)
    if folder is None:
        return [{} for _ in stems]
    at_hand = {Path(file).stem: f"{folder.name}/{file}" for file in _files(folder)}
    found = [at_hand.get(stem, at_hand.get(f"{stem}_mask")) for stem in stems]
    return [{} if path is None else {TARGET: (path,)} for path in found]


def _reading(path: Path) -> Reading:
    return reading(read_text(path)) if path.is_file() else Reading()


def _files(folder: Path) -> list[str]:
    return sorted(e.name for e in os.scandir(folder) if e.is_file() and not e.name.startswith("."))


def _any(folder: Path, name: re.Pattern[str]) -> bool:
    return any(name.fullmatch(Path(file).stem) for file in _files(folder))
