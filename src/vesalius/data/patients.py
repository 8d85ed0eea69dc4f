"""Patients by their names in paths, where the source says it nowhere else."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError


def patients_in(paths: Sequence[str], pattern: str) -> NDArray[np.str_]:
    """Return the patient that a pattern's first group finds in each path.

    >>> patients_in(["a/12_1.png", "a/12_2.png"], "([0-9]+)_").tolist()
    ['12', '12']

    Raises:
        DataError: the pattern is no regular expression with a group, or finds nothing in a path.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(f"patient_id={pattern!r} is not a regular expression: {error}") from None
    if compiled.groups < 1:
        raise DataError(f"patient_id={pattern!r} has no group, such as ([0-9]+)_")
    found = [compiled.search(path) for path in paths]
    for path, match in zip(paths, found, strict=True):
        if match is None or not match.group(1):
            raise DataError(f"patient_id={pattern!r} finds no patient in {path!r}")
    return np.array([match.group(1) for match in found if match], dtype=np.str_)
