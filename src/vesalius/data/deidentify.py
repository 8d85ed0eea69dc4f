"""What a DICOM header may say outside the file: pseudonyms, and what names nobody.

Ids are keyed hashes (HMAC-SHA256, 64 bits) of PatientID and of the study's and series' UIDs. With
no salt, or a known one, anybody who can guess a PatientID can check the guess: a short number is
found in seconds. Keep a secret salt in a file for whatever leaves the house; the same salt gives
the same ids. Ages over 89 are 90 (HIPAA, safe harbour). Dates, names and free text are not read.
"""

from __future__ import annotations

import hmac
import re
from pathlib import Path
from typing import Any

import numpy as np

from vesalius.core import DataError, unknown

IDS = {"PatientID": "patient", "StudyInstanceUID": "study", "SeriesInstanceUID": "series"}
CODES = {
    "modality": ("Modality",),
    "view": ("ViewPosition",),
    "laterality": ("ImageLaterality", "Laterality"),
    "body_part": ("BodyPartExamined",),
    "sex": ("PatientSex",),
}
HARMLESS = (*(k for own in CODES.values() for k in own), "PatientAge", "Manufacturer")
UNITS = {"Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}  # of an age, in one year
OLDEST = 90.0
_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")  # DICOM's code strings (PS3.5, 6.2)


def salt_of(file: str | None) -> bytes:
    """Return the bytes of the file of the salt; none without a file.

    Raises:
        DataError: the file is missing or empty.
    """
    if file is None:
        return b""
    try:
        salt = Path(file).expanduser().read_bytes().strip()
    except OSError as error:
        raise DataError(f"salt_file {file} cannot be read: {error.strerror or error}") from None
    if not salt:
        raise DataError(f"salt_file {file} is empty")
    return salt


def pseudonym(kind: str, value: str, salt: bytes) -> str:
    """Return the name that stands for an id; a blank id has none.

    >>> pseudonym("patient", "12345", b"")
    'patient-06ad5404669fa04d'
    """
    name = value.strip()
    if not name:
        return ""
    return f"{kind}-{hmac.digest(salt, f'{kind} {name}'.encode(), 'sha256').hex()[:16]}"


def harmless(elements: Any) -> dict[str, str | float]:
    """Return what may be told of a case: codes, age in years (NaN where unknown), manufacturer."""
    told: dict[str, str | float] = {
        name: next(filter(None, (_code(elements, k) for k in keywords)), "")
        for name, keywords in CODES.items()
    }
    return {
        **told,
        "age": age_in_years(text_of(elements, "PatientAge")),
        "manufacturer": text_of(elements, "Manufacturer"),
    }


def age_in_years(text: str) -> float:
    """Return an age as DICOM writes it in years; NaN where it is none.

    >>> age_in_years("045Y"), age_in_years("006M"), age_in_years("093Y"), age_in_years("")
    (45.0, 0.5, 90.0, nan)
    """
    number, unit = text[:-1], text[-1:]
    if unit not in UNITS or not (number.isascii() and number.isdecimal()):
        return float("nan")
    return min(float(number) / UNITS[unit], OLDEST)


def text_of(elements: Any, keyword: str) -> str:
    """Return an element as text, several values joined by ``|``; a broken one is blank."""
    try:
        value = elements.get(keyword)
        if value is None:
            return ""
        several = not isinstance(value, (str, bytes)) and np.ndim(value) == 1
        return "|".join(str(v) for v in value).strip() if several else str(value).strip()
    except Exception:  # a broken value can raise anything, with the value in its text
        return ""


def check_keywords(keywords: list[str]) -> None:
    """Raise ChoiceError for the first that is no keyword of a DICOM element."""
    from pydicom.datadict import keyword_dict

    for keyword in keywords:
        if keyword not in keyword_dict:
            raise unknown("DICOM keyword in phi:", keyword, _near(keyword, keyword_dict))


def _near(keyword: str, known: Any) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(keyword, known, n=3) or ["PatientBirthDate", "StudyDate", "PatientID"]


def _code(elements: Any, keyword: str) -> str:
    text = text_of(elements, keyword)
    return text if _CODE.fullmatch(text) else ""
