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
from vesalius.evaluation.probe_heads import Heads, fit_classes, fit_labels

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
    is amiss: one without both kinds of training cases has a constant head (weights 0, λ NaN), one
    that no training case knows the bias NaN, and so NaN scores.
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
    fit = fit_classes if cases.task == "multiclass" else fit_labels
    heads = fit(values_ND[train_N] / scale, cases.select(train_N), penalties_R, tolerance)
    validation_RC = _log_losses(heads, values_ND[validation_N] / scale, cases.select(validation_N))
    chosen_C, notes = _choose(validation_RC, cases.label_names, heads.fitted_C)
    at = chosen_C, np.arange(len(chosen_C))
    probe = LinearProbe(
        weights_CD=heads.weights_RCD[at] / scale,
        bias_C=heads.bias_RC[at],
        label_names=cases.label_names,
        regularisation_C=np.where(heads.fitted_C, penalties_R[chosen_C], np.nan),
        regularisations_R=penalties_R,
        validation_RC=validation_RC,
        task=cases.task,
        notes=_merged(heads.notes, notes),
    )
    return ledger(cases, probe.probabilities(values_ND), method=PROTOCOL), probe


def _log_losses(
    heads: Heads, values_ND: NDArray[np.float64], cases: CaseSet
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
    known_NC = ~np.isnan(labels_NC) & ~np.isnan(heads.bias_RC[0])
    logits_RNC = np.where(known_NC, logits_RNC, 0.0)  # also where a label has no head at all
    loss_RNC = np.logaddexp(0.0, logits_RNC) - np.where(known_NC, labels_NC, 0.0) * logits_RNC
    total_RC = np.where(known_NC, loss_RNC, 0.0).sum(1)
    return np.where(known_NC.any(0), total_RC / np.maximum(known_NC.sum(0), 1), np.nan)


def _choose(
    loss_RC: Float[np.ndarray, "R C"], names: Sequence[str], fitted_C: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], dict[str, str]]:
    """Return the place of the penalty with the lowest loss for each label; of equals the last."""
    if len(loss_RC) == 1:
        return np.zeros(loss_RC.shape[1], dtype=np.int64), {}
    told_C = fitted_C & ~np.isnan(loss_RC).any(0)
    if not told_C.any():
        raise DataError("linear_probe: no validation case has a known label to choose by")
    macro_R = loss_RC[:, told_C].mean(1)
    last = len(loss_RC) - 1
    filled_RC = np.where(told_C, loss_RC, macro_R[:, None])
    notes = {
        name: "regularisation of the other labels: no validation case has a known label"
        for name, told, fitted in zip(names, told_C, fitted_C, strict=True)
        if fitted and not told
    }
    return last - filled_RC[::-1].argmin(0), notes


def _merged(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    names = dict.fromkeys([*first, *second])
    return {n: "; ".join(note for note in (first.get(n), second.get(n)) if note) for n in names}
