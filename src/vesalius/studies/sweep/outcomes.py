"""What the arms of a sweep came to: measures over seeds, pair by pair, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np

from vesalius.core import Predictions, Score
from vesalius.core.files import read_json, slug
from vesalius.evaluation import holm, read_ledger
from vesalius.evaluation.seeds import Spread, seed_difference, seed_mean, spread
from vesalius.evaluation.tiers import tiers
from vesalius.studies.sweep.arms import Arm

MEASURES = {
    "multilabel": ("macro_auroc", "macro_average_precision", "macro_f1"),
    "multiclass": ("macro_auroc", "accuracy", "balanced_accuracy"),
}
OTHERS = (
    "medmnist_auc",
    "medmnist_acc",
    "image_to_text_r@1",
    "image_to_text_r@10",
    "text_to_image_r@10",
    "separability",
)
LEVEL = 0.05
ENOUGH = 3  # seeds, for an interval over them to have a say
Places = Sequence[tuple[Arm, int, Path]]


@dataclass(frozen=True, slots=True)
class Result:
    """One method of one arm: a measure's mean over seeds with its interval, and their spread."""

    arm: Arm
    method: str
    score: Score
    seeds: Spread


@dataclass(frozen=True, slots=True)
class Difference:
    """Two arms by one method on the same cases; ``seeds`` spreads the differences seed by seed."""

    first: Arm
    second: Arm
    method: str
    score: Score
    seeds: Spread
    p_value: float
    p_holm: float

    @property
    def told_apart(self) -> bool:
        """Whether neither other patients nor, given three, other seeds explain the difference."""
        explained = len(self.seeds.values) >= ENOUGH and self.seeds.low <= 0 <= self.seeds.high
        return self.p_holm < LEVEL and not explained


def grouped(places: Places) -> list[tuple[Arm, list[Path]]]:
    """Return each arm with its Runs, in the order of the seeds."""
    found: dict[str, tuple[Arm, list[Path]]] = {}
    for arm, _, place in places:
        found.setdefault(arm.slug, (arm, []))[1].append(place)
    return list(found.values())


def ledgers_of(runs: Sequence[Path]) -> dict[str, list[Predictions]]:
    """Return the ledgers of each method that every seed has, as classification wrote them."""
    scores = read_json(runs[0] / "scores.json")
    found = {}
    for method in scores:
        files = [run / "predictions" / f"{slug(method)}.parquet" for run in runs]
        if all(file.is_file() for file in files):
            found[method] = [read_ledger(file) for file in files]
    return found


def results(places: Places, *, replicates: int, seed: int) -> list[Result]:
    """Return every headline measure of every arm and method."""
    found = []
    for arm, runs in grouped(places):
        for method, ledgers in ledgers_of(runs).items():
            for measure in MEASURES[ledgers[0].task]:
                score, seeds = seed_mean(ledgers, measure=measure, replicates=replicates, seed=seed)
                found.append(Result(arm, method, score, seeds))
        found += _others(arm, [read_json(run / "scores.json") for run in runs])
    return found


def differences(
    places: Places, *, replicates: int, seed: int, measure: str = "macro_auroc"
) -> list[Difference]:
    """Compare every two arms on the same cases; Holm corrects over the pairs of each method."""
    arms = [(arm, ledgers_of(runs)) for arm, runs in grouped(places)]
    methods = dict.fromkeys(method for _, own in arms for method in own)
    found: list[Difference] = []
    for method in methods:
        having = [(arm, own[method]) for arm, own in arms if method in own]
        pairs: list[Difference] = []
        for (first, mine), (second, theirs) in combinations(having, 2):
            score, tested, seeds = seed_difference(
                mine,
                theirs,
                measure=measure,
                replicates=replicates,
                permutations=max(999, replicates),
                seed=seed,
            )
            pairs.append(Difference(first, second, method, score, seeds, tested.p_value, nan))
        corrected = holm(np.array([own.p_value for own in pairs])) if pairs else np.array([])
        found += [replace(o, p_holm=float(p)) for o, p in zip(pairs, corrected, strict=True)]
    return found


def tiers_of(
    found: Sequence[Result], pairs: Sequence[Difference], method: str, measure: str = "macro_auroc"
) -> dict[str, int]:
    """Return the tier of each arm (by its title) in one method, the highest first."""
    own = [one for one in found if one.method == method and one.score.name == measure]
    values = {one.arm.title: one.score.value for one in own}
    apart = {
        frozenset((pair.first.title, pair.second.title))
        for pair in pairs
        if pair.method == method and pair.told_apart
    }
    best_first = sorted(own, key=lambda one: -one.score.value)
    found_tiers = tiers(values, apart)
    return {one.arm.title: found_tiers[one.arm.title] for one in best_first
            if one.arm.title in found_tiers}  # fmt: skip


def fits(places: Places) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return (arm, training) → how it went, seed by seed."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for arm, _, place in places:
        for name, own in read_json(place / "fits.json").items():
            found.setdefault((arm.title, name), []).append(own)
    return found


def tidy(found: Sequence[Result]) -> list[dict[str, Any]]:
    """Return one plain row for each arm, method and measure; NaN is None."""
    return [
        {
            **dict(own.arm.levels),
            "method": own.method,
            **own.score.as_dict(),
            "seeds": len(own.seeds.values),
            "seed_values": [value if isfinite(value) else None for value in own.seeds.values],
            "seed_sd": own.seeds.sd if isfinite(own.seeds.sd) else None,
            "seed_low": own.seeds.low if isfinite(own.seeds.low) else None,
            "seed_high": own.seeds.high if isfinite(own.seeds.high) else None,
        }
        for own in found
    ]


def _others(arm: Arm, scores: Sequence[Mapping[str, Any]]) -> list[Result]:
    """Return retrieval's measures: the mean of the seeds, and of the bounds of their intervals."""
    found = []
    for method in scores[0]:
        for name in OTHERS:
            own = [
                next(
                    (s for s in each.get(method, ()) if s["name"] == name and not s["label"]), None
                )
                for each in scores
            ]
            if any(one is None or one["value"] is None for one in own):
                continue
            known = [one for one in own if one is not None]
            low, high = (
                float(np.mean([nan if one[side] is None else one[side] for one in known]))
                for side in ("low", "high")
            )
            note = "interval: the seeds' own bounds, averaged" if len(known) > 1 else ""
            values = [one["value"] for one in known]
            score = Score(name, float(np.mean(values)), low, high, n=known[0]["n"],
                          protocol=known[0]["protocol"], clusters=known[0]["clusters"],
                          note=note)  # fmt: skip
            found.append(Result(arm, method, score, spread(values)))
    return found
