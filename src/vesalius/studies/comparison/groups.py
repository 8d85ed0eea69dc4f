"""One encoder, two groups of cases: sites, scanners, modalities, any attribute of the cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, unknown
from vesalius.studies.comparison.clouds import FEWEST, Cloud
from vesalius.studies.comparison.design import DESIGN, Design
from vesalius.studies.comparison.many import all_pairs
from vesalius.studies.comparison.shift import shift
from vesalius.studies.inputs import Splits, image_features, in_splits, splits_of
from vesalius.studies.outcome import Context, Outcome

MOST = 12  # groups that are compared pair by pair


def groups(
    context: Context,
    *,
    attribute: str,
    first: str | None = None,
    second: str | None = None,
    cases: Splits = "test",
    design: Design = DESIGN,
) -> Outcome:
    """Compare groups of cases in the space of the model.

    ``attribute`` names a column of the cases (or a label: present against absent); ``first`` and
    ``second`` are two of its values, by default the most frequent ones. Where there are more than
    two values and none was named, all pairs are compared as well.
    """
    chosen = in_splits(context.cases, *splits_of(context.cases, cases))
    value_N = values_of(chosen, attribute)
    names, counts = np.unique(value_N[value_N != ""], return_counts=True)
    frequent = [str(names[i]) for i in np.argsort(-counts, kind="stable") if counts[i] >= FEWEST]
    for name in (first, second):
        if name is not None and name not in names:
            raise unknown(f"value of {attribute}", name, names.tolist())
    everything = frequent[:MOST] if first is None and second is None and len(frequent) > 2 else []
    named = [name for name in (first, second) if name is not None]
    named += [name for name in frequent if name not in named]
    if len(named) < 2:
        raise DataError(
            f"{attribute} has {len(named)} values with {FEWEST} or more cases; two are needed"
        )
    features = image_features(context, *splits_of(context.cases, cases))
    clouds = {}
    for name in dict.fromkeys([*named[:2], *everything]):
        own = chosen.select(value_N == name)
        there = np.isin(features.case_ids, own.case_ids)
        clouds[name] = Cloud.of(_title(attribute, name), features.select(there), own)
    outcome = shift(
        clouds[named[0]], clouds[named[1]],
        design=design, seed=context.seed, device=context.device,
    )  # fmt: skip
    if not everything:
        return outcome
    short = [replace(clouds[name], name=name) for name in everything]
    more = all_pairs(context, short, what=attribute.replace("_", " "), design=design)
    alone = replace(outcome, answer=f"Two of them alone, not corrected: {outcome.answer}")
    return more.joined(alone)


def values_of(cases: CaseSet, attribute: str) -> NDArray[np.str_]:
    """Return each case's value of an attribute or label in words; empty where it is not known."""
    if attribute in cases.attributes:
        column = cases.attributes[attribute]
        return np.array(["" if v is None or v != v else str(v) for v in column], np.str_)
    if attribute in cases.label_names:
        state_N = cases.labels_NC[:, cases.label_names.index(attribute)]
        return np.select([state_N == 1, state_N == 0], ["present", "absent"], "")
    raise unknown("attribute", attribute, [*cases.attributes, *cases.label_names])


def _title(attribute: str, value: str) -> str:
    return f"{attribute.replace('_', ' ')} {value}"
