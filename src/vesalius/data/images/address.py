"""An image's address: a file, and which picture of it where it holds several.

``scan.dcm#frame=3``, ``ct.nii.gz#axial=40&window=40,400``. Frames count from 1, as DICOM counts
them; slices and volumes count from 0, as voxels are indexed. Only ``#`` before one of the keys
begins this part: any other ``#`` belongs to the file's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from vesalius.core import DataError, unknown

KEYS = ("frame", "axial", "coronal", "sagittal", "volume", "window")
_PICTURE = re.compile(rf"#(?=(?:{'|'.join(KEYS)})=)")


def file_of(address: str) -> str:
    """Return the file of an address.

    >>> file_of("a/scan.dcm#frame=3"), file_of("a/film #2.png")
    ('a/scan.dcm', 'a/film #2.png')
    """
    return _PICTURE.split(address, maxsplit=1)[0] if "#" in address else address


def parted(address: str) -> tuple[str, dict[str, str]]:
    """Return the file of an address, and what picks the picture.

    >>> parted("ct.nii.gz#axial=40&window=40,400")
    ('ct.nii.gz', {'axial': '40', 'window': '40,400'})

    Raises:
        DataError: a part is not ``key=value`` with one of the keys, or a key stands twice.
    """
    file, *rest = _PICTURE.split(address, maxsplit=1)
    picks: dict[str, str] = {}
    for part in rest[0].split("&") if rest else ():
        key, equals, value = part.partition("=")
        if key not in KEYS:
            raise unknown(f"part of {address!r}:", key, KEYS)
        if not equals or not value or key in picks:
            raise DataError(f"{address!r}: write each of its parts once, as {key}=…")
        picks[key] = value
    return file, picks


def joined(file: str, **picks: str | int | None) -> str:
    """Return the address of a picture of a file; what is None is left out.

    >>> joined("scan.dcm", frame=3, window=None)
    'scan.dcm#frame=3'
    """
    parts = [f"{key}={value}" for key, value in picks.items() if value is not None]
    return f"{file}#{'&'.join(parts)}" if parts else file


def only(picks: Mapping[str, str], allowed: Iterable[str], address: object, kind: str) -> None:
    """Raise DataError where an address picks what its kind of file does not have."""
    for key in picks:
        if key not in allowed:
            choices = ", ".join(allowed) or "nothing"
            raise DataError(f"{address}: {kind} has no {key!r} to pick; it takes {choices}")


def number(picks: Mapping[str, str], key: str, address: object, *, default: int) -> int:
    """Return a whole number that an address gives, or the default.

    Raises:
        DataError: it is not a whole number of 0 or more.
    """
    value = picks.get(key)
    if value is None:
        return default
    if not (value.isascii() and value.isdecimal() and len(value) < 10):
        raise DataError(f"{address}: {key}={value!r} is not a whole number")
    return int(value)
