"""One ledger made ready for measuring, and what a measure that is not taken yet looks like.

Legend: N cases, C labels, R replicates, K measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core.errors import DataError
from vesalius.core.predictions import Predictions
from vesalius.core.score import Score
from vesalius.evaluation.calibration import known_truths

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


PATIENTS_UNKNOWN = "patients unknown: cases treated as independent"


@dataclass(frozen=True, slots=True)
class Panel:
    """A ledger made ready: truths are NaN wherever truth or score is missing."""

    truths_NC: Float[np.ndarray, "N C"]
    scores_NC: Float[np.ndarray, "N C"]
    label_names: tuple[str, ...]
    clusters_N: NDArray[Any]

    @property
    def fully_known_N(self) -> Bool[np.ndarray, "N"]:
        return ~np.isnan(self.truths_NC).any(1)

    def score(self, name: str, rows_N: Bool[np.ndarray, "N"], note: str = "") -> Score:
        """Return an overall score to be, resting on the given cases."""
        clusters = len(np.unique(self.clusters_N[rows_N]))
        return Score(name, nan, n=int(rows_N.sum()), clusters=clusters, note=note)

    def label_scores(self, name: str, notes_C: Sequence[str]) -> list[Score]:
        """Return one score to be for each label."""
        scores = []
        for label, truth_N, note in zip(self.label_names, self.truths_NC.T, notes_C, strict=True):
            known_N = ~np.isnan(truth_N)
            clusters = len(np.unique(self.clusters_N[known_N]))
            positives = int((truth_N == 1).sum())
            scores.append(
                Score(
                    name,
                    nan,
                    n=int(known_N.sum()),
                    label=label,
                    clusters=clusters,
                    positives=positives,
                    note=note,
                )
            )
        return scores

    def macro_and_labels(
        self, name: str, lacks_C: Sequence[str], note: str = "", notes_C: Sequence[str] = ()
    ) -> list[Score]:
        """Return the score to be over all labels, then each label's: the order of `with_macro`."""
        some_N = ~np.isnan(self.truths_NC).all(1)
        overall = self.score(name, some_N, join(macro_note(self.label_names, lacks_C), note))
        label_notes_C = join_notes(lacks_C, notes_C or [note] * len(lacks_C))
        return [overall, *self.label_scores(name.removeprefix("macro_"), label_notes_C)]

    def lacks_C(self, *classes: int) -> list[str]:
        """Return for each label which of the needed truths (1, 0) no case has; empty if none."""
        words = {1: "no positive case", 0: "no negative case"}
        lacks = []
        for truth_N in self.truths_NC.T:
            if np.isnan(truth_N).all():
                lacks.append("no case of known truth")
                continue
            missing = [words[value] for value in classes if not (truth_N == value).any()]
            lacks.append(missing[0] if missing else "")
        return lacks


def make_panel(predictions: Predictions) -> Panel:
    """Make a ledger ready; DataError where a multi-class case has not exactly one class."""
    truths_NC = known_truths(predictions)
    if predictions.task == "multiclass":
        truths_NC[np.isnan(truths_NC).any(1)] = nan
        wrong = np.flatnonzero((truths_NC.sum(1) != 1) & ~np.isnan(truths_NC[:, 0]))
        if wrong.size:
            raise DataError(
                f"predictions: case {str(predictions.case_ids[wrong[0]])!r} has "
                f"{int(truths_NC[wrong[0]].sum())} true classes; in a multiclass task it must "
                "have exactly 1 (or task is 'multilabel')"
            )
    scores_NC = np.asarray(predictions.scores_NC, dtype=float)
    return Panel(truths_NC, scores_NC, predictions.label_names, predictions.clusters)


def macro_note(label_names: Sequence[str], lacks_C: Sequence[str]) -> str:
    """Say which labels a macro mean is taken without.

    >>> macro_note(("Edema", "Hernia"), ["", "no positive case"])
    'without Hernia (no positive case)'
    """
    left_out = [f"{n} ({lack})" for n, lack in zip(label_names, lacks_C, strict=True) if lack]
    return f"without {', '.join(left_out)}" if left_out else ""


def join(*notes: str) -> str:
    """Return the notes that say something, as one."""
    return "; ".join(note for note in notes if note)


def join_notes(first_C: Sequence[str], second_C: Sequence[str]) -> list[str]:
    return [join(first, second) for first, second in zip(first_C, second_C, strict=True)]
