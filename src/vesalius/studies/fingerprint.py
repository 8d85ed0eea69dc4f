"""A fingerprint of the cases: it changes when a case, a label, a text or a split changes."""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from vesalius.core import CaseSet


def fingerprint(cases: CaseSet) -> str:
    """Return 16 hex digits over ids, patients, splits, labels, texts and image contents."""
    digest = sha256()
    for column in (cases.case_ids, cases.patient_ids, cases.splits, cases.texts):
        values = [] if column is None else [str(value) for value in column]
        digest.update("\x1f".join(values).encode() + b"\x1e")
    digest.update("\x1f".join(cases.label_names).encode() + b"\x1e")
    digest.update(np.ascontiguousarray(cases.labels_NC, dtype=np.float64).tobytes())
    for i in range(len(cases)):
        digest.update(cases.images.content_hash(i).encode())
    return digest.hexdigest()[:16]
