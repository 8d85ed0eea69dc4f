"""Which cases have the same words: groups for retrieval.

Legend: N cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, unknown


def caption_groups(cases: CaseSet, *, by: str | None = None) -> NDArray[np.int64]:
    """Return the group of each case: cases with the same text share one, numbered from 0.

    Texts are compared without regard to case, white space and a final full stop; a case without
    text is a group of its own. With ``by``, the name of an attribute (``study_id``), cases that
    share its value are joined as well.

    Raises ChoiceError for an attribute that is not there.
    """
    texts = [None] * len(cases) if cases.texts is None else cases.texts
    keys: list[Any] = [
        ("text", words) if (words := _words(text)) else ("case", i) for i, text in enumerate(texts)
    ]
    if by is None:
        return _numbered(keys)
    if by not in cases.attributes:
        raise unknown("attribute", by, cases.attributes)
    return _joined(_numbered(keys), _numbered(cases.attributes[by].tolist()))


def _words(text: object) -> str:
    return " ".join(text.casefold().split()).rstrip(". ") if isinstance(text, str) else ""


def _numbered(keys: Sequence[Any]) -> NDArray[np.int64]:
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _joined(first_N: NDArray[np.int64], second_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the groups that hold together by either of two groupings."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if first_N.size == 0:
        return first_N
    offset = int(first_N.max()) + 1
    size = offset + int(second_N.max()) + 1
    edges = coo_array((np.ones(len(first_N)), (first_N, second_N + offset)), shape=(size, size))
    _, component = connected_components(edges, directed=False)
    return _numbered(component[first_N].tolist())
