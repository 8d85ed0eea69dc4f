"""Findings read from the Open-I reports, beside the manual coding.

    python benchmarks/findings_openi.py ROOT --out findings_openi.json

ROOT holds ``indiana_reports.csv``. The text is findings and impression. The truth is the manual
coding (``MeSH`` and ``Problems``) as the reader ``iu_xray`` maps it to the CheXpert findings
(``vocabulary.OPEN_I``); reports that were not coded or have no text are left out. An uncertain
mention counts as absent, or as present with ``--uncertain present``. The vocabulary was tuned on
reports with an even uid: the default is the odd half. Intervals: 95 %, reports drawn anew (a report
is its own patient in this source).

Legend: N reports, F findings, R replicates.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core.files import write_json
from vesalius.data.findings import findings_of, label_reports
from vesalius.data.readers.iu_xray import coded_findings
from vesalius.data.tables.table import read_table
from vesalius.data.tables.vocabulary import CHEXPERT
from vesalius.evaluation.bootstrap import bootstrap, bootstrap_each
from vesalius.evaluation.measures import macro_f1

Array = NDArray[np.float64]
FEWEST = 30  # positives of a finding that counts in the macro mean


def coded_reports(root: Path, half: str) -> tuple[list[str], list[str], Array]:
    """Return uids, texts and coded findings of a half (``even``, ``odd``) or of ``all``."""
    table = read_table(root / "indiana_reports.csv")
    wanted = {"even": (0,), "odd": (1,), "all": (0, 1)}[half]
    uids, texts, truths = [], [], []
    for row, uid in enumerate(table["uid"]):
        text = f"{table['findings'][row]} {table['impression'][row]}".strip()
        coded = coded_findings(f"{table['MeSH'][row]};{table['Problems'][row]}".split(";"))
        if int(uid) % 2 in wanted and text and not np.isnan(coded).any():
            uids.append(uid)
            texts.append(text)
            truths.append(coded)
    return uids, texts, np.array(truths)


def agreement(truths_NF: Array, decided_NF: Array, weights_RN: Array) -> Array:
    """Return precision, recall and F1 of each finding (R, 3 F); NaN where undefined."""
    hit_RF = weights_RN @ (truths_NF * decided_NF)
    said_RF, true_RF = weights_RN @ decided_NF, weights_RN @ truths_NF
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = hit_RF / said_RF, hit_RF / true_RF, 2 * hit_RF / (said_RF + true_RF)
    return np.concatenate(parts, axis=1)


def scored(truths_NF: Array, decided_NF: Array, uids: list[str], seed: int) -> dict[str, Any]:
    """Return the table's rows and the macro F1 over the findings with enough positives."""
    clusters_N = np.array(uids)

    def measure(weights_RN: Array) -> Array:
        return agreement(truths_NF, decided_NF, weights_RN)

    points = measure(np.ones((1, len(uids))))[0].reshape(3, -1)
    intervals = bootstrap_each(measure, clusters_N, rng=np.random.default_rng(seed))
    many_F = truths_NF.sum(0) >= FEWEST
    rows = []
    for f, name in enumerate(CHEXPERT):
        row: dict[str, Any] = {"finding": name, "positives": int(truths_NF[:, f].sum())}
        for k, key in enumerate(("precision", "recall", "f1")):
            own = intervals[k * len(CHEXPERT) + f]
            row[key] = [float(points[k, f]), own.low, own.high]
        missed_N = (truths_NF[:, f] == 1) & (decided_NF[:, f] == 0)
        extra_N = (truths_NF[:, f] == 0) & (decided_NF[:, f] == 1)
        row |= {"missed": np.flatnonzero(missed_N), "extra": np.flatnonzero(extra_N)}
        rows.append(row)

    def macro(weights_RN: Array | None = None) -> Array:
        return macro_f1(truths_NF[:, many_F], decided_NF[:, many_F], weights_RN)

    own = bootstrap(macro, clusters_N, rng=np.random.default_rng(seed))
    value = [float(macro()[0]), own.low, own.high]
    return {"rows": rows, "macro_f1": value, "findings": int(many_F.sum())}


def disagreements(row: dict[str, Any], texts: list[str]) -> dict[str, int]:
    """Count a finding's disagreements by what the text says of it."""
    kinds = {1: "stated", 0: "denied", -1: "doubted"}
    counted = dict.fromkeys(("missed, not mentioned", "missed, denied", "missed, doubted"), 0)
    for n in row["missed"]:
        states = {m.state for m in findings_of(texts[n]) if m.finding == row["finding"]}
        own = kinds[-1 if -1 in states else 0] if states else "not mentioned"
        counted[f"missed, {own}"] += 1
    return counted | {"extra, stated": len(row["extra"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--half", choices=("odd", "even", "all"), default="odd")
    parser.add_argument("--uncertain", choices=("absent", "present"), default="absent")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    settings = parser.parse_args()
    uids, texts, truths_NF = coded_reports(settings.root, settings.half)
    began = time.perf_counter()
    labels_NF = label_reports(texts)
    rate = len(texts) / (time.perf_counter() - began)
    decided_NF = (labels_NF == 1).astype(float)
    if settings.uncertain == "present":
        decided_NF[labels_NF == -1] = 1
    found = scored(truths_NF, decided_NF, uids, settings.seed)
    print(f"{len(texts):,} reports, {rate:,.0f}/s, uncertain as {settings.uncertain}\n")
    missed = "missed: not mentioned, denied, doubted"
    print(f"| finding | n+ | precision | recall | F1 | {missed} | extra |\n|{'---|' * 7}")
    for row in found["rows"]:
        cells = (
            "{:.3f} [{:.3f}, {:.3f}]".format(*row[key]) for key in ("precision", "recall", "f1")
        )
        row["disagreements"] = disagreements(row, texts)
        *misses, extra = row["disagreements"].values()
        print(f"| {row['finding']} | {row['positives']} | {' | '.join(cells)} "
              f"| {', '.join(map(str, misses))} | {extra} |")  # fmt: skip
        row |= {key: [uids[n] for n in row[key]] for key in ("missed", "extra")}
    value = "{:.3f} [{:.3f}, {:.3f}]".format(*found["macro_f1"])
    print(f"\nmacro F1 {value} over {found['findings']} findings with >= {FEWEST} positives")
    if settings.out:
        write_json(settings.out, found | {"reports": len(uids), "per_second": rate})


if __name__ == "__main__":
    main()
