"""Ledgers to measure."""

import numpy as np
import pytest

from vesalius.core import Predictions


@pytest.fixture
def make_ledger():
    """Return a function that draws a ledger: informative probabilities, ties, unknowns."""

    def make(
        n=200,
        c=4,
        *,
        seed=0,
        unknown=0.0,
        ties=True,
        per_patient=2,
        task="multilabel",
        prefix="case",
        **more,
    ):
        rng = np.random.default_rng(seed)
        if task == "multiclass":
            truths_NC = np.eye(c)[rng.integers(0, c, n)]
            logits_NC = rng.normal(size=(n, c)) + 1.5 * truths_NC
            scores_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(1, keepdims=True)
            truths_NC[rng.random(n) < unknown] = np.nan
        else:
            truths_NC = (rng.random((n, c)) < np.linspace(0.1, 0.5, c)).astype(float)
            scores_NC = 1 / (1 + np.exp(1 - rng.normal(size=(n, c)) - 1.5 * truths_NC))
            scores_NC = np.round(scores_NC, 2) if ties else scores_NC
            truths_NC[rng.random((n, c)) < unknown] = np.nan
        patients = None
        if per_patient:
            patients = np.array([f"{prefix}-patient{i // per_patient}" for i in range(n)])
        return Predictions(
            scores_NC,
            truths_NC,
            tuple(f"label{k}" for k in range(c)),
            np.array([f"{prefix}{i}" for i in range(n)]),
            patients,
            task=task,
            **more,
        )

    return make
