"""From the columns of a long table to ledgers and back, with every mistake named.

Legend: L rows of the table, N cases, C labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core.errors import DataError
from vesalius.core.predictions import Predictions
from vesalius.evaluation.ledger_cells import (
    Table,
    constants,
    numbers,
    or_none,
    seed,
    split,
    text,
    texts,
    truths,
    typed,
)

REQUIRED = ("case_id", "label", "score", "truth")
WHOLE = ("task", "method", "run", "seed")  # one value a ledger
RESERVED = (*REQUIRED, "patient_id", "split", *WHOLE)


def to_ledgers(
    table: Table,
    *,
    columns: Mapping[str, str],
    attributes: Sequence[str] | None,
    task: str | None,
) -> dict[str, Predictions]:
    """Return the predictions of each method in a table; ``columns`` maps our names to its."""
    names = _column_names(table, columns)
    length = len(table.columns[names["case_id"]])
    if length == 0:
        raise DataError(f"{table.path} has no rows")
    others = [name for name in table.columns if name not in names.values()]
    for name in attributes or ():
        if name not in others:
            raise DataError(
                f"{table.path} has no attribute column {name!r}; choose from {', '.join(others)}"
            )
    others = others if attributes is None else list(attributes)
    ids_L = {key: texts(table, names[key]) for key in ("case_id", "label")}
    values_L = {
        "score": numbers(table, names["score"], "is not a number (blank: no score was given)"),
        "truth": truths(table, names["truth"]),
    }
    whole = {key: constants(table, names.get(key), length) for key in WHOLE}
    groups: dict[tuple[str, str, str], list[int]] = {}
    for i, key in enumerate(zip(whole["method"], whole["run"], whole["seed"], strict=True)):
        groups.setdefault(key, []).append(i)
    methods = [method for method, _, _ in groups]
    ledgers = {}
    for (method, run, word), group in groups.items():
        rows = np.array(group)
        case_ids, label_names, cell_of, first_of, case_of = _places(table, names, rows, ids_L)
        per_case = _per_case(table, names, others, rows, first_of, case_of)
        shape = (len(case_ids), len(label_names))
        scores_NC, truths_NC = np.full(shape, np.nan), np.full(shape, np.nan)
        scores_NC.flat[cell_of] = values_L["score"][rows]
        truths_NC.flat[cell_of] = values_L["truth"][rows]
        tag = method if methods.count(method) == 1 else f"{method} run={run} seed={word}"
        ledgers[tag] = Predictions(
            scores_NC,
            truths_NC,
            tuple(label_names.tolist()),
            case_ids,
            *per_case,
            task=task or next((whole["task"][i] for i in group if whole["task"][i]), "multilabel"),
            method=method,
            run=run,
            seed=seed(table, names, group[0], word),
        )
    return ledgers


def to_columns(ledgers: Sequence[Predictions], path: str) -> dict[str, list[Any]]:
    """Return the long columns of some ledgers; None where a value is unknown."""
    if not ledgers:
        raise DataError(f"{path}: no predictions to write")
    extra = list(dict.fromkeys(name for each in ledgers for name in each.attributes))
    taken = [name for name in extra if name in RESERVED]
    if taken:
        raise DataError(f"{path}: attribute {taken[0]!r} has the name of a column of the ledger")
    columns: dict[str, list[Any]] = {name: [] for name in (*RESERVED, *extra)}
    for each in ledgers:
        n, c = each.scores_NC.shape
        truths_NC = np.asarray(each.truths_NC, float)
        if not (np.isnan(truths_NC) | (truths_NC == 0) | (truths_NC == 1)).all():
            raise DataError(f"{path}: a truth is 1, 0 or NaN (unknown)")
        columns["case_id"] += np.repeat(each.case_ids, c).tolist()
        columns["label"] += list(each.label_names) * n
        columns["score"] += [or_none(v) for v in np.asarray(each.scores_NC, float).ravel()]
        columns["truth"] += [None if np.isnan(v) else int(v) for v in truths_NC.ravel()]
        per_case = {"patient_id": each.patient_ids, "split": each.splits}
        per_case |= {name: each.attributes.get(name) for name in extra}
        for name, values in per_case.items():
            blank = [None] * (n * c)
            columns[name] += blank if values is None else np.repeat(values, c).tolist()
        for name in WHOLE:
            columns[name] += [getattr(each, name)] * (n * c)
    for name in ("patient_id", "split"):
        if all(value is None for value in columns[name]):
            del columns[name]
    return columns


def _places(
    table: Table,
    names: Mapping[str, str],
    rows: NDArray[np.intp],
    ids_L: Mapping[str, NDArray[np.str_]],
) -> tuple[NDArray[np.str_], NDArray[np.str_], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return cases, labels, each row's cell, each case's first row and each row's case."""
    case_ids, case_of, first_of = _in_order(ids_L["case_id"][rows])
    label_names, label_of, _ = _in_order(ids_L["label"][rows])
    cell_of = case_of * len(label_names) + label_of
    _, first, counts = np.unique(cell_of, return_index=True, return_counts=True)
    if (counts > 1).any():
        cell = cell_of[first[counts > 1].min()]
        row = int(rows[np.flatnonzero(cell_of == cell)[1]])
        label = str(ids_L["label"][row])
        raise table.error(row, names["case_id"], f"has label {label!r} for the second time")
    return case_ids, label_names, cell_of, first_of, case_of


def _per_case(
    table: Table,
    names: Mapping[str, str],
    others: Sequence[str],
    rows: NDArray[np.intp],
    first_of: NDArray[np.intp],
    case_of: NDArray[np.intp],
) -> tuple[NDArray[np.str_] | None, NDArray[np.str_] | None, dict[str, NDArray[Any]]]:
    """Return patients, splits and attributes: what must be the same in all rows of a case."""

    def column(name: str) -> list[str]:
        words = [text(table.columns[name][row]) for row in rows]
        for i, word in enumerate(words):
            given = words[first_of[case_of[i]]]
            if word != given:
                hint = f"differs from {given!r} in another row of the same case"
                if name in others:
                    hint += "; choose the attributes to keep with attributes=(…)"
                raise table.error(int(rows[i]), name, hint)
        return [words[i] for i in first_of]

    optional: list[NDArray[np.str_] | None] = []
    for key in ("patient_id", "split"):
        words = column(names[key]) if key in names else []
        if any(words) and not all(words):
            row = int(rows[first_of[words.index("")]])
            raise table.error(row, names[key], "is blank here and given elsewhere")
        if key == "split" and any(words):
            words = [split(table, names[key], int(rows[row])) for row in first_of]
        optional.append(np.array(words) if any(words) else None)
    attributes = {}
    for name in others:
        column(name)
        values = typed([table.columns[name][rows[i]] for i in first_of])
        if values is not None:
            attributes[name] = values
    return optional[0], optional[1], attributes


def _column_names(table: Table, columns: Mapping[str, str]) -> dict[str, str]:
    """Return our name → the file's, for the columns that are there."""
    for ours in columns:
        if ours not in RESERVED:
            raise DataError(f"columns: unknown name {ours!r}; choose from {', '.join(RESERVED)}")
    names = {ours: columns.get(ours, ours) for ours in RESERVED}
    there = list(table.columns)
    for ours, theirs in names.items():
        if theirs not in there and (ours in REQUIRED or ours in columns):
            near = get_close_matches(theirs, there, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise DataError(
                f"{table.path} has no column {theirs!r}; {hint}its columns are "
                f"{', '.join(there)}; name another with {ours}=… "
                f"(columns={{{ours!r}: …}} in Python)"
            )
    return {ours: theirs for ours, theirs in names.items() if theirs in there}


def _in_order(values: NDArray[np.str_]) -> tuple[NDArray[np.str_], NDArray[Any], NDArray[Any]]:
    """Return the distinct values as they first come, each row's place among them, first rows."""
    distinct, first, place = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order))
    return distinct[order], rank[place], first[order]
