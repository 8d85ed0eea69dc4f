"""Ledgers to measure."""

import numpy as np
import pytest

from vesalius.core import ArrayImages, CaseSet, Embeddings, Predictions


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


@pytest.fixture
def make_cohort():
    """Return a function that draws embeddings that know their labels, and the cases to them."""

    def make(
        n=120,
        c=3,
        d=8,
        *,
        seed=0,
        signal=1.5,
        unknown=0.0,
        task="multilabel",
        parts=("train", "train", "train", "validation", "test"),
        **more,
    ):
        rng = np.random.default_rng(seed)
        if task == "multiclass":
            labels_NC = np.eye(c)[rng.integers(0, c, n)]
        else:
            labels_NC = (rng.random((n, c)) < 0.4).astype(float)
        values_ND = rng.normal(size=(n, d)) + signal * labels_NC @ rng.normal(size=(c, d))
        if task == "multiclass":
            labels_NC[rng.random(n) < unknown] = np.nan
        else:
            labels_NC[rng.random((n, c)) < unknown] = np.nan
        case_ids = np.array([f"case{i}" for i in range(n)])
        given = {"label_names": tuple(f"label{k}" for k in range(c))} | more
        cases = CaseSet(
            case_ids,
            ArrayImages(np.zeros((n, 1, 1), np.uint8), case_ids.tolist()),
            labels_NC,
            patient_ids=np.array([f"patient{i // 2}" for i in range(n)]),
            splits=np.resize(np.array(parts), n),
            task=task,
            **given,
        )
        return Embeddings(values_ND, case_ids, "image"), cases

    return make
