"""The maps of the outlined cases, one after the other: a set's full-size maps fill no memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from vesalius.core import CaseSet
from vesalius.evaluation import Located, reference
from vesalius.explanation import explainer
from vesalius.studies.explaining.targets import Explained, layer_at

AT_ONCE = 16  # images whose maps are held at a time
Way = tuple[str, str]  # a method and its layer


def located(
    target: Explained, cases: CaseSet, where: Mapping[str, Sequence[int]], way: Way, *, device: str
) -> Iterator[Located]:
    """Make the map of every case and finding that is outlined, a few at a time."""
    method, layer = way
    chosen = {} if layer == "auto" else {"layer": layer_at(target.model, layer)}
    for finding, rows in where.items():
        for start in range(0, len(rows), AT_ONCE):
            own = cases.select(np.array(rows[start : start + AT_ONCE]))
            maps = explainer(method)(
                target.model, own.images, {finding: target.scores[finding]}, device=device, **chosen
            )
            for case, (heatmap,) in zip(own, maps, strict=True):
                region = reference(case, finding)
                yield Located(case.case_id, finding, heatmap, region, case.patient_id)


def watched(
    rows: Iterable[Located],
    shown: list[Located],
    places: Collection[int],
    *,
    sizes: list[Located] | None,
) -> Iterator[Located]:
    """Hand rows on; keep those at some places, for their pictures, and all without their maps."""
    for at, row in enumerate(rows):
        if at in places:
            shown.append(row)
        if sizes is not None:
            sizes.append(without_map(row))
        yield row


def without_map(row: Located) -> Located:
    """Return the row with a map of the same size that takes no memory; controls ask no more."""
    return replace(row, heatmap=np.broadcast_to(np.zeros(()), row.map().shape))
