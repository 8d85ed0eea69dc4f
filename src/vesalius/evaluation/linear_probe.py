"""Linear probe: how much a straight cut through frozen features can tell.

Protocol ``linear_probe/v1``, never edited in place:

1. Features as the model gives them are centred and divided by one number, the root mean square of
   the centred training features over cases and coordinates. Directions keep their relative size, so
   a rotation of the embedding space changes nothing, and penalties mean the same for any encoder.
2. Logistic regression on the ``train`` split: one-vs-rest for a multi-label set, over the cases
   whose label is known; one softmax for a multi-class set.
3. For each label (multi-class: for all together) the penalty of lowest log loss on ``validation``;
   of equals the strongest. Where validation cannot tell, the one that the other labels like best.
4. No refit on train + validation: validation scores stay honest for thresholds and calibration.

The test split is never looked at. Legend: N cases, C labels, D width, R penalties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, Embeddings, Predictions
from vesalius.evaluation.alignment import align, class_of, ledger, rows_of
from vesalius.evaluation.logistic import Solution, multinomial, one_vs_rest

if TYPE_CHECKING:
    from jaxtyping import Float

PROTOCOL = "linear_probe/v1"
REGULARISATIONS = tuple(10.0**e for e in range(-6, 3))
TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class LinearProbe:
    """The fitted heads: logits are ``values_ND @ weights_CD.T + bias_C`` on unnormalised features.

    ``regularisation_C`` is the chosen penalty λ (scikit-learn's C is 1/(nλ) on the scaled
    features), ``validation_RC`` the log loss that chose it. ``notes`` say for which label something
    is amiss: a label without both kinds of training cases has a constant head, one whose label is
    never known NaN.
    """

    weights_CD: Float[np.ndarray, "C D"]
    bias_C: Float[np.ndarray, "C"]
    label_names: tuple[str, ...]
    regularisation_C: Float[np.ndarray, "C"]
    regularisations_R: Float[np.ndarray, "R"]
    validation_RC: Float[np.ndarray, "R C"]
    task: str = "multilabel"
    protocol: str = PROTOCOL
    notes: Mapping[str, str] = field(default_factory=dict)

    def logits(self, values_ND: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N C"]:
        return np.asarray(values_ND, dtype=np.float64) @ self.weights_CD.T + self.bias_C

    def probabilities(self, values_ND: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N C"]:
        """Return each label's probability; over the classes of a multi-class set they sum to 1."""
        from scipy.special import expit, softmax

        logits_NC = self.logits(values_ND)
        if self.task == "multilabel":
            return np.asarray(expit(logits_NC))
        return np.asarray(softmax(logits_NC, axis=1))


def linear_probe(
    embeddings: Embeddings,
    cases: CaseSet,
    *,
    regularisations: Sequence[float] = REGULARISATIONS,
    tolerance: float = TOLERANCE,
) -> tuple[Predictions, LinearProbe]:
    """Fit on train, choose on validation, score every case (protocol ``linear_probe/v1``).

    Args:
        embeddings: of all splits, unnormalised; cases without one are left out.
        cases: labels and splits.
        regularisations: the penalties λ that are swept. One alone needs no validation split.
        tolerance: on the length of the objective's gradient.

    Raises DataError where a split is missing or no label has both kinds of training cases.
    """
    penalties_R = np.sort(np.asarray(regularisations, dtype=np.float64))
    embeddings, cases = align(embeddings, cases)
    train_N = rows_of(cases, "train", "linear_probe")
    values_ND = embeddings.values_ND.astype(np.float64)
    if len(penalties_R) > 1:
        validation_N = rows_of(cases, "validation", "linear_probe's sweep of the regularisation")
    else:
        validation_N = np.zeros(len(cases), dtype=bool)
    scale = float(np.sqrt(values_ND[train_N].var(0).mean())) or 1.0
    fit = _fit_classes if cases.task == "multiclass" else _fit_labels
    heads = fit(values_ND[train_N] / scale, cases.select(train_N), penalties_R, tolerance)
    validation_RC = _log_losses(
        heads, values_ND[validation_N] / scale, cases.select(validation_N)
    )
    chosen_C, notes = _choose(validation_RC, cases.label_names)
    at = chosen_C, np.arange(len(chosen_C))
    probe = LinearProbe(
        weights_CD=heads.weights_RCD[at] / scale,
        bias_C=heads.bias_RC[at],
        label_names=cases.label_names,
        regularisation_C=penalties_R[chosen_C],
        regularisations_R=penalties_R,
        validation_RC=validation_RC,
        task=cases.task,
        notes=_merged(heads.notes, notes),
    )
    return ledger(cases, probe.probabilities(values_ND), method=PROTOCOL), probe


@dataclass(frozen=True, slots=True)
class _Heads:
    """The heads of every penalty, on scaled features."""

    weights_RCD: NDArray[np.float64]
    bias_RC: NDArray[np.float64]
    notes: dict[str, str]


def _fit_labels(
    train_ND: NDArray[np.float64],
    cases: CaseSet,
    penalties_R: NDArray[np.float64],
    tolerance: float,
) -> _Heads:
    labels_NC = np.asarray(cases.labels_NC, dtype=np.float64)
    ones_C, known_C = (labels_NC == 1).sum(0), (~np.isnan(labels_NC)).sum(0)
    fitted_C = np.flatnonzero((ones_C > 0) & (ones_C < known_C))
    if fitted_C.size == 0:
        raise DataError("linear_probe: no label has both a positive and a negative training case")
    shape = len(penalties_R), len(cases.label_names)
    weights_RCD = np.zeros((*shape, train_ND.shape[1]))
    odds_C = np.log((ones_C + 0.5) / (known_C - ones_C + 0.5))
    bias_RC = np.tile(np.where(known_C > 0, odds_C, np.nan), (shape[0], 1))
    solution = one_vs_rest(train_ND, labels_NC[:, fitted_C], penalties_R, tolerance=tolerance)
    weights_RCD[:, fitted_C], bias_RC[:, fitted_C] = solution.weights_RLD, solution.bias_RL
    names = [cases.label_names[c] for c in fitted_C]
    notes = _unconverged(solution, names, tolerance)
    for name, ones, known in zip(cases.label_names, ones_C, known_C, strict=True):
        if known == 0:
            notes[name] = "no score: no training case has a known label"
        elif ones in (0, known):
            kind = "positive" if ones else "negative"
            notes[name] = f"constant: all {known} known training cases are {kind}"
    return _Heads(weights_RCD, bias_RC, notes)


def _fit_classes(
    train_ND: NDArray[np.float64],
    cases: CaseSet,
    penalties_R: NDArray[np.float64],
    tolerance: float,
) -> _Heads:
    class_N = class_of(cases.labels_NC)
    present_C = np.unique(class_N[class_N >= 0])
    if len(present_C) < 2:
        raise DataError("linear_probe: the training cases are all of one class")
    rows_N, n = class_N >= 0, int((class_N >= 0).sum())
    solution = multinomial(
        train_ND[rows_N],
        np.searchsorted(present_C, class_N[rows_N]),
        penalties_R,
        tolerance=tolerance,
    )
    shape = len(penalties_R), len(cases.label_names)
    weights_RCD = np.zeros((*shape, train_ND.shape[1]))
    mean_D = train_ND[rows_N].mean(0)
    usual_RL = solution.weights_RLD @ mean_D + solution.bias_RL
    # A class that was never seen gets, at the mean of the features, the odds of half a case.
    unseen_R = np.logaddexp.reduce(usual_RL, axis=1) + np.log(0.5 / (n + 0.5))
    bias_RC = np.tile(unseen_R[:, None], (1, shape[1]))
    weights_RCD[:, present_C], bias_RC[:, present_C] = solution.weights_RLD, solution.bias_RL
    notes = _unconverged(solution, [cases.label_names[c] for c in present_C], tolerance)
    for c in np.setdiff1d(np.arange(shape[1]), present_C):
        notes[cases.label_names[c]] = "constant: no training case of this class"
    return _Heads(weights_RCD, bias_RC, notes)


def _log_losses(
    heads: _Heads, values_ND: NDArray[np.float64], cases: CaseSet
) -> Float[np.ndarray, "R C"]:
    """Return the validation log loss of each penalty and label, NaN where no case is known."""
    logits_RNC = values_ND @ heads.weights_RCD.transpose(0, 2, 1) + heads.bias_RC[:, None]
    shape = heads.bias_RC.shape
    if cases.task == "multiclass":
        class_N = class_of(cases.labels_NC)
        rows = np.flatnonzero(class_N >= 0)
        if rows.size == 0:
            return np.full(shape, np.nan)
        own_RN = logits_RNC[:, rows, class_N[rows]]
        loss_R = (np.logaddexp.reduce(logits_RNC[:, rows], axis=2) - own_RN).mean(1)
        return np.tile(loss_R[:, None], (1, shape[1]))
    labels_NC = np.asarray(cases.labels_NC, dtype=np.float64)
    known_NC = ~np.isnan(labels_NC)
    loss_RNC = np.logaddexp(0.0, logits_RNC) - np.where(known_NC, labels_NC, 0.0) * logits_RNC
    total_RC = np.where(known_NC, loss_RNC, 0.0).sum(1)
    return np.where(known_NC.any(0), total_RC / np.maximum(known_NC.sum(0), 1), np.nan)


def _choose(
    loss_RC: Float[np.ndarray, "R C"], names: Sequence[str]
) -> tuple[NDArray[np.int64], dict[str, str]]:
    """Return the place of the penalty with the lowest loss for each label; of equals the last."""
    if len(loss_RC) == 1:
        return np.zeros(loss_RC.shape[1], dtype=np.int64), {}
    told_C = ~np.isnan(loss_RC).any(0)
    if not told_C.any():
        raise DataError("linear_probe: no validation case has a known label to choose by")
    macro_R = loss_RC[:, told_C].mean(1)
    last = len(loss_RC) - 1
    filled_RC = np.where(told_C, loss_RC, macro_R[:, None])
    notes = {
        name: "regularisation of the other labels: no validation case has a known label"
        for name, told in zip(names, told_C, strict=True)
        if not told
    }
    return last - filled_RC[::-1].argmin(0), notes


def _unconverged(solution: Solution, names: Sequence[str], tolerance: float) -> dict[str, str]:
    return {
        name: f"gradient {length:.1e} stayed above the tolerance {tolerance:.0e}"
        for name, length in zip(names, solution.gradient_RL.max(0), strict=True)
        if length > tolerance
    }


def _merged(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    names = dict.fromkeys([*first, *second])
    return {n: "; ".join(note for note in (first.get(n), second.get(n)) if note) for n in names}
