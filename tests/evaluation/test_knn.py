"""Nearest neighbours."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from vesalius.core import DataError
from vesalius.evaluation import knn
from vesalius.evaluation.knn import nearest


def slow(embeddings, cases, k, temperature):
    units_ND = embeddings.values_ND / np.linalg.norm(embeddings.values_ND, axis=1, keepdims=True)
    scores_NC = np.full(cases.labels_NC.shape, np.nan)
    train = [
        j
        for j in range(len(cases))
        if cases.splits[j] == "train" and not np.isnan(cases.labels_NC[j]).all()
    ]
    for i in range(len(cases)):
        others = [j for j in train if j != i]
        cosines = {j: float(np.round(units_ND[i] @ units_ND[j], 12)) for j in others}
        neighbours = sorted(others, key=lambda j: (-cosines[j], j))[:k]
        for c in range(cases.labels_NC.shape[1]):
            votes = [
                (np.exp(cosines[j] / temperature), cases.labels_NC[j, c])
                for j in neighbours
                if not np.isnan(cases.labels_NC[j, c])
            ]
            if votes:
                scores_NC[i, c] = sum(w * y for w, y in votes) / sum(w for w, _ in votes)
    return scores_NC


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
@pytest.mark.parametrize("k", [1, 7, 200])
def test_votes_equal_a_slow_loop(make_cohort, task, k):
    embeddings, cases = make_cohort(n=60, unknown=0.3, task=task)
    ledger = knn(embeddings, cases, k=k, temperature=0.2)
    np.testing.assert_allclose(
        ledger.scores_NC, slow(embeddings, cases, k, 0.2), atol=1e-10, equal_nan=True
    )


def test_multiclass_votes_equal_scikit_learn(make_cohort):
    embeddings, cases = make_cohort(task="multiclass")
    train_N, test_N = cases.splits == "train", cases.splits == "test"
    units_ND = embeddings.normalised()
    model = KNeighborsClassifier(
        20, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / 0.07)
    )
    model.fit(units_ND[train_N], cases.labels_NC[train_N].argmax(1))
    ledger = knn(embeddings, cases)
    expected_NC = model.predict_proba(units_ND[test_N])
    np.testing.assert_allclose(ledger.scores_NC[test_N], expected_NC, atol=1e-9)


def test_a_training_case_never_votes_on_itself(make_cohort):
    embeddings, cases = make_cohort(signal=0.0)
    ledger = knn(embeddings, cases, k=1)
    train_N = cases.splits == "train"
    agreement = (ledger.scores_NC[train_N] == cases.labels_NC[train_N]).mean()
    assert agreement < 0.8  # 1.0 if it did


def test_copies_of_a_case_go_to_the_earlier_row():
    cosines_BM = np.array([[0.2, 0.5, 0.5, 0.5, 0.9], [1.0, 1.0, 1.0, 1.0, 1.0]])
    rows, columns = nearest(cosines_BM, 3)
    assert rows.tolist() == [0, 0, 0, 1, 1, 1]
    assert columns.tolist() == [1, 2, 4, 0, 1, 2]


def test_equal_embeddings_give_the_same_whatever_the_tile(make_cohort, monkeypatch):
    embeddings, cases = make_cohort(unknown=0.2)
    doubled = replace(embeddings, values_ND=np.repeat(embeddings.values_ND[::4], 4, axis=0))
    whole = knn(doubled, cases, k=5)
    monkeypatch.setattr(sys.modules["vesalius.evaluation.knn"], "TILE_BYTES", 1)
    tiled = knn(doubled, cases, k=5)
    np.testing.assert_allclose(tiled.scores_NC, whole.scores_NC, atol=1e-9, equal_nan=True)


def test_lengths_and_rotations_do_not_matter(make_cohort):
    embeddings, cases = make_cohort()
    rng = np.random.default_rng(5)
    turn_DD = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    changed_ND = embeddings.values_ND @ turn_DD * rng.uniform(1, 9, (120, 1))
    first = knn(embeddings, cases).scores_NC
    second = knn(replace(embeddings, values_ND=changed_ND), cases).scores_NC
    np.testing.assert_allclose(first, second, atol=1e-9)


def test_k_beyond_the_training_set_is_clipped(make_cohort):
    embeddings, cases = make_cohort()
    np.testing.assert_array_equal(
        knn(embeddings, cases, k=72).scores_NC, knn(embeddings, cases, k=10_000).scores_NC
    )


def test_test_labels_change_no_score(make_cohort):
    embeddings, cases = make_cohort()
    labels_NC = cases.labels_NC.copy()
    labels_NC[cases.splits != "train"] = np.nan
    np.testing.assert_array_equal(
        knn(embeddings, cases).scores_NC,
        knn(embeddings, replace(cases, labels_NC=labels_NC)).scores_NC,
    )


def test_a_tiny_temperature_does_not_overflow(make_cohort):
    embeddings, cases = make_cohort()
    first = knn(embeddings, cases, temperature=1e-6).scores_NC
    np.testing.assert_allclose(first, knn(embeddings, cases, k=1).scores_NC, atol=1e-6)


def test_mistakes_are_named(make_cohort):
    embeddings, cases = make_cohort()
    with pytest.raises(DataError, match="k 0"):
        knn(embeddings, cases, k=0)
    with pytest.raises(DataError, match="temperature 0"):
        knn(embeddings, cases, temperature=0)
    with pytest.raises(DataError, match="'train' split"):
        knn(embeddings, cases.split("test"))
    with pytest.raises(DataError, match="no training case has a known label"):
        knn(embeddings, replace(cases, labels_NC=np.full_like(cases.labels_NC, np.nan)))
