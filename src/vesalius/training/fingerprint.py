"""What a training rests on, in short: two equal fingerprints, two equal trainings."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import numpy as np

from vesalius.core import CaseSet


def cases_hash(cases: CaseSet, *, texts: bool = False, labels: bool = False) -> str:
    """Return a digest of case ids and what is learnt from; pixels are not read for it."""
    digest = sha256()
    _add(digest, (str(case_id) for case_id in cases.case_ids))
    if texts and cases.texts is not None:
        _add(digest, (text or "" for text in cases.texts))
    if labels:
        _add(digest, cases.label_names)
        digest.update(np.ascontiguousarray(cases.labels_NC, dtype=np.float64).tobytes())
    return digest.hexdigest()


def array_hash(*arrays: object) -> str:
    """Return a digest of some arrays."""
    digest = sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
    return digest.hexdigest()


def _add(digest: object, parts: Iterable[str]) -> None:
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)  # type: ignore[attr-defined]
