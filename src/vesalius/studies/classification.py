"""Classification: every ledger scored, compared and looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Literal

import numpy as np

from vesalius.core import DataError, Predictions, Score
from vesalius.core.files import slug
from vesalius.evaluation import (
    Comparison,
    Reliability,
    apply_temperature,
    holm,
    paired_difference,
    paired_permutation,
    reliability,
    temperature_scaling,
    write_ledger,
)
from vesalius.evaluation import classification as score_ledger
from vesalius.reporting import (
    Block,
    Column,
    Notice,
    Section,
    Table,
    figures,
    label_table,
    summary_table,
)
from vesalius.studies.examples import examples
from vesalius.studies.outcome import Context, Outcome

Protocol = Literal["sound", "published", "medmnist"]
Ledgers = Mapping[str, Predictions]
Scores = Mapping[str, tuple[Score, ...]]

TITLE = "How well are the findings told?"
MEASURES = {
    "multilabel": ("macro_auroc", "macro_average_precision", "macro_f1", "exact_match", "lrap",
                   "coverage_error", "brier", "ece"),
    "multiclass": ("macro_auroc", "accuracy", "balanced_accuracy", "macro_f1", "brier", "ece"),
}  # fmt: skip
POOLED = {
    "multilabel": "All labels pooled, 15 bins. The first table's ECE is another: the labels' mean.",
    "multiclass": "The highest score of each case, 15 bins. The first table has the ECE with its "
    "interval.",
}
DECIDED = ("sensitivity", "specificity", "threshold")


def classification(
    context: Context, *, protocols: tuple[Protocol, ...] = ("sound",), cases_shown: int = 9
) -> Outcome:
    """Score every method's ledger on the test split; thresholds come from validation alone.

    ``sound`` gives AUROC and average precision per label and macro, F1 at thresholds chosen on
    validation, calibration and comparisons; ``published`` the IU-Xray study's definitions,
    ``medmnist`` AUC and ACC of MedMNIST's Evaluator.
    """
    ledgers = context.found.predictions
    if not ledgers:
        nothing = Notice("Not measured: no method was asked to predict labels.")
        return Outcome(sections=(Section(TITLE, blocks=[nothing]),))
    for method, ledger in ledgers.items():
        write_ledger(context.run.file("predictions", f"{slug(method)}.parquet"), ledger)
    outcome = score_ledgers(
        ledgers, protocols=protocols, replicates=context.replicates, seed=context.seed
    )
    if not outcome.sections or cases_shown == 0:
        return outcome
    best = _best(outcome.scores)
    shown = examples(context.cases, ledgers[best].split("test"), method=best, count=cases_shown)
    section = Section("Cases to look at", "Numbers hide what pictures show.", [shown])
    return replace(outcome, sections=(*outcome.sections, section))


def score_ledgers(
    ledgers: Ledgers, *, protocols: tuple[Protocol, ...], replicates: int, seed: int
) -> Outcome:
    """Score ledgers on their test rows, thresholds from their validation rows.

    A ledger without splits is a test set whole; without validation rows nothing can be chosen.

    Raises:
        DataError: a ledger has splits, but none of its rows is of the test split.
    """
    tests = {method: _test_rows(method, ledger) for method, ledger in ledgers.items()}
    validations = {method: rows_of(ledger, "validation") for method, ledger in ledgers.items()}
    scores: dict[str, tuple[Score, ...]] = dict.fromkeys(ledgers, ())
    sections: list[Section] = []
    for protocol in protocols:
        found: dict[str, tuple[Score, ...]] = {
            method: tuple(
                score_ledger(
                    tests[method],
                    thresholds_from=validations[method],
                    protocol=protocol,
                    replicates=replicates,
                    seed=seed,
                )
            )
            for method in ledgers
        }
        scores |= {method: (*scores[method], *found[method]) for method in ledgers}
        if protocol == "sound":
            differences, comparison = _compared(tests, replicates=replicates, seed=seed)
            sections += _told(found, tests, _protocol_words(ledgers))
            sections += comparison
            sections.append(_calibration(tests, validations))
            scores |= differences
    return Outcome(scores=scores, sections=tuple(sections))


def _test_rows(method: str, ledger: Predictions) -> Predictions:
    test = ledger if ledger.splits is None else rows_of(ledger, "test")
    if test is None:
        there = ", ".join(sorted(set(ledger.splits.tolist())))  # type: ignore[union-attr]
        raise DataError(
            f"{method}: no row is of the test split, only of {there}; nothing else is scored as "
            "test (leave the split column out where every row is a test row)"
        )
    return test


def rows_of(ledger: Predictions, split: str) -> Predictions | None:
    """Return the rows of a split, None where there are none."""
    if ledger.splits is None or not (ledger.splits == split).any():
        return None
    return ledger.split(split)


def _protocol_words(ledgers: Ledgers) -> tuple[str, str]:
    """Say what was scored and how scores became yes and no, as it was with these ledgers."""
    whole = [method for method, ledger in ledgers.items() if rows_of(ledger, "test") is None]
    cut = [method for method, ledger in ledgers.items() if rows_of(ledger, "validation") is None]
    if not whole:
        scored = "The test split alone."
    else:
        scored = f"All rows{_only(whole, ledgers)}: no row is marked as of the test split."
    if _task(ledgers) == "multiclass":
        return scored, "The class that scores highest is decided."
    chosen = (
        "Thresholds were chosen label by label on the validation split, for the highest F1: never "
        "on the cases that are judged."
    )
    if not cut:
        return scored, chosen
    uncut = (
        f"No validation rows{_only(cut, ledgers)}: probabilities are cut at 0.5, other scores "
        "decide nothing."
    )
    return scored, uncut if len(cut) == len(ledgers) else f"{chosen} {uncut}"


def _task(ledgers: Ledgers) -> str:
    return next(iter(ledgers.values())).task


def _only(methods: list[str], ledgers: Ledgers) -> str:
    return "" if len(methods) == len(ledgers) else f" of {', '.join(methods)}"


def _told(scores: Scores, tests: Ledgers, words: tuple[str, str]) -> list[Section]:
    scored, decided = words
    overall: list[Block] = [summary_table(scores, measures=MEASURES[_task(tests)])]
    if _task(tests) == "multiclass":
        best = _best(scores)
        overall.append(_confusion(tests[best], best))
    return [
        Section(TITLE, f"{scored} {decided}", overall),
        Section(
            "Which findings, and how surely?",
            "AUROC is the chance that a case with the finding ranks above one without it.",
            [figures.forest(scores), label_table(scores)],
        ),
        Section(
            "What is found, and what is missed?",
            "Sensitivity is the share of the cases with the finding that are called present, "
            f"specificity the share of those without it that are called absent. {decided}",
            [label_table(scores, measures=DECIDED)],
        ),
    ]


def _confusion(test: Predictions, method: str) -> Block:
    known = ~np.isnan(test.truths_NC).any(1)
    truth, said = test.truths_NC[known].argmax(1), test.scores_NC[known].argmax(1)
    counts_CC = np.zeros((len(test.label_names),) * 2, dtype=int)
    np.add.at(counts_CC, (truth, said), 1)
    return figures.confusion(counts_CC, test.label_names, caption=f"Test cases, {method}.")


def _compared(
    tests: Ledgers, *, replicates: int, seed: int
) -> tuple[dict[str, tuple[Score, ...]], list[Section]]:
    """Compare every two methods on the same cases; Holm corrects for the number of pairs."""
    pairs = list(combinations(reversed(list(tests)), 2))
    if not pairs:
        return {}, []
    rng = np.random.default_rng(seed)
    tested = [paired_permutation(tests[a], tests[b], rng=rng) for a, b in pairs]
    corrected = holm(np.array([test.p_value for test in tested]))
    scores: dict[str, tuple[Score, ...]] = {}
    rows = []
    for (a, b), test, p_holm in zip(pairs, tested, corrected, strict=True):
        score = paired_difference(tests[a], tests[b], replicates=replicates, seed=seed)
        score = replace(score, note=_notes_of(score, test))
        pair = f"{a} − {b}"
        scores[pair] = (score,)
        rows.append((pair, score, _p(test.p_value), _p(float(p_holm))))
    columns = ("Pair", Column("Δ macro AUROC", marks=True, chance=0.0), "p", "p, Holm")
    section = Section(
        "Which method is better?",
        "Paired: both methods saw the same patients. Intervals draw patients, p-values swap the "
        f"two methods within patients; Holm's correction holds for all {len(pairs)} pairs.",
        [Table(columns, rows)],
    )
    return scores, [section]


def _notes_of(difference: Score, test: Comparison) -> str:
    """Return the remarks on an interval and its p-value, without the pair: the row names it."""
    _, *remarks = difference.note.split("; ")
    return "; ".join(dict.fromkeys(filter(None, [*remarks, *test.note.split("; ")])))


def _calibration(tests: Ledgers, validations: Mapping[str, Predictions | None]) -> Section:
    """Draw the reliability of each method, before and after temperature scaling."""
    title = "Can the scores be taken as probabilities?"
    raw, scaled, rows = {}, {}, []
    for method, test in tests.items():
        if np.nanmin(test.scores_NC) < 0 or np.nanmax(test.scores_NC) > 1:
            continue
        before, validation = reliability(test), validations[method]
        raw[method] = _bins(before)
        if validation is not None:
            temperature = temperature_scaling(validation)
            after = reliability(apply_temperature(test, temperature))
            scaled[method] = _bins(after)
            rows.append((method, before.ece, temperature, after.ece))
    if not raw:
        return Section(title, blocks=[Notice("No method gives scores between 0 and 1.")])
    blocks: list[Block] = [figures.reliability(raw, caption="As the methods score.")]
    if scaled:
        columns = ("Method", Column("ECE"), Column("T"), Column("ECE, scaled"))
        note = POOLED[_task(tests)]
        blocks.append(figures.reliability(scaled, caption="After temperature scaling."))
        blocks.append(Table(columns, rows, notes=[note]))
    why = "Of the cases that score 0.8, eight in ten should have the finding."
    if scaled:
        why += " One temperature T a method, chosen on validation, stretches or shrinks its logits."
    return Section(title, why, blocks)


def _bins(curve: Reliability) -> figures.Bins:
    return figures.Bins(curve.predicted_K, curve.observed_K, curve.counts_K)


def _best(scores: Scores) -> str:
    def macro(method: str) -> float:
        return next((s.value for s in scores[method] if s.name == "macro_auroc"), -np.inf)

    return max((m for m in scores if " − " not in m), key=lambda m: np.nan_to_num(macro(m), nan=-1))


def _p(value: float) -> str:
    return "–" if np.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
