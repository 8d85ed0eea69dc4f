"""The linear probe."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from vesalius.core import DataError
from vesalius.evaluation import linear_probe


def relabelled(cases, change):
    labels_NC = cases.labels_NC.copy()
    change(labels_NC)
    return replace(cases, labels_NC=labels_NC)


def test_probe_equals_a_slow_sweep_with_scikit_learn(make_cohort):
    embeddings, cases = make_cohort()
    grid = (1e-3, 1e-1, 10.0)
    ledger, probe = linear_probe(embeddings, cases, regularisations=grid, tolerance=1e-10)
    x_ND = embeddings.values_ND
    train_N, validation_N = cases.splits == "train", cases.splits == "validation"
    scale = np.sqrt(x_ND[train_N].var(0).mean())
    for c in range(3):
        y_N, losses, models = cases.labels_NC[:, c], [], []
        for penalty in grid:
            model = LogisticRegression(C=1 / (train_N.sum() * penalty), tol=1e-12, max_iter=10_000)
            models.append(model.fit(x_ND[train_N] / scale, y_N[train_N]))
            chance_N = model.predict_proba(x_ND[validation_N] / scale)[:, 1]
            losses.append(log_loss(y_N[validation_N], chance_N))
        best = int(np.argmin(losses))
        assert probe.regularisation_C[c] == grid[best]
        np.testing.assert_allclose(probe.validation_RC[:, c], losses, atol=1e-7)
        expected_N = models[best].predict_proba(x_ND / scale)[:, 1]
        np.testing.assert_allclose(ledger.scores_NC[:, c], expected_N, atol=1e-6)


def test_heads_are_given_for_the_features_as_they_are(make_cohort):
    embeddings, cases = make_cohort()
    ledger, probe = linear_probe(embeddings, cases)
    logits_NC = embeddings.values_ND @ probe.weights_CD.T + probe.bias_C
    np.testing.assert_allclose(ledger.scores_NC, 1 / (1 + np.exp(-logits_NC)), atol=1e-12)
    assert ledger.method == probe.protocol == "linear_probe/v1"


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_shuffled_test_labels_change_no_selected_value(make_cohort, task):
    embeddings, cases = make_cohort(task=task, unknown=0.1)
    test = np.flatnonzero(cases.splits == "test")

    def shuffle(labels_NC):
        labels_NC[test] = labels_NC[np.random.default_rng(1).permutation(test)]

    before, probe = linear_probe(embeddings, cases)
    after, again = linear_probe(embeddings, relabelled(cases, shuffle))
    np.testing.assert_array_equal(probe.regularisation_C, again.regularisation_C)
    np.testing.assert_array_equal(probe.weights_CD, again.weights_CD)
    np.testing.assert_array_equal(probe.validation_RC, again.validation_RC)
    np.testing.assert_array_equal(before.scores_NC, after.scores_NC)


def test_test_features_change_no_head(make_cohort):
    embeddings, cases = make_cohort()
    values_ND = embeddings.values_ND.copy()
    values_ND[cases.splits == "test"] *= 100
    _, probe = linear_probe(embeddings, cases)
    _, again = linear_probe(replace(embeddings, values_ND=values_ND), cases)
    np.testing.assert_array_equal(probe.weights_CD, again.weights_CD)


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_scores_do_not_depend_on_the_unit_of_the_features(make_cohort, factor):
    embeddings, cases = make_cohort()
    scaled = replace(embeddings, values_ND=embeddings.values_ND * factor + 3.0)
    first, probe = linear_probe(embeddings, cases, tolerance=1e-9)
    second, again = linear_probe(scaled, cases, tolerance=1e-9)
    np.testing.assert_array_equal(probe.regularisation_C, again.regularisation_C)
    np.testing.assert_allclose(first.scores_NC, second.scores_NC, atol=1e-6)


def test_scores_do_not_depend_on_a_rotation_of_the_space(make_cohort):
    embeddings, cases = make_cohort()
    turn_DD = np.linalg.qr(np.random.default_rng(5).normal(size=(8, 8)))[0]
    turned = replace(embeddings, values_ND=embeddings.values_ND @ turn_DD)
    first, _ = linear_probe(embeddings, cases, tolerance=1e-9)
    second, _ = linear_probe(turned, cases, tolerance=1e-9)
    np.testing.assert_allclose(first.scores_NC, second.scores_NC, atol=1e-6)


def test_features_that_know_nothing_choose_the_strongest_penalty(make_cohort):
    embeddings, cases = make_cohort(n=300, signal=0.0, d=30)
    _, probe = linear_probe(embeddings, cases)
    assert (probe.regularisation_C >= 0.1).all()


def test_multiclass_probabilities_sum_to_one_and_find_the_class(make_cohort):
    embeddings, cases = make_cohort(n=200, c=4, task="multiclass", signal=3.0, unknown=0.1)
    ledger, probe = linear_probe(embeddings, cases)
    np.testing.assert_allclose(ledger.scores_NC.sum(1), 1)
    known_N = ~np.isnan(cases.labels_NC[:, 0])
    hits_N = ledger.scores_NC.argmax(1) == np.nan_to_num(cases.labels_NC).argmax(1)
    assert hits_N[known_N].mean() > 0.9
    assert len(set(probe.regularisation_C)) == 1


def test_a_class_without_training_cases_is_noted_and_nearly_never_given(make_cohort):
    embeddings, cases = make_cohort(n=200, c=3, task="multiclass", signal=3.0)
    lost_N = (cases.labels_NC[:, 1] == 1) & (cases.splits == "train")
    ledger, probe = linear_probe(embeddings.select(~lost_N), cases)
    assert "no training case" in probe.notes["label1"]
    np.testing.assert_array_equal(probe.weights_CD[1], 0)
    assert ledger.scores_NC[:, 1].mean() < 0.05


def test_a_label_of_one_kind_gets_a_constant_head_and_a_note(make_cohort):
    embeddings, cases = make_cohort()
    absent = relabelled(cases, lambda labels_NC: labels_NC[:, 1].fill(0.0))
    ledger, probe = linear_probe(embeddings, absent)
    assert "all 72 known training cases are negative" in probe.notes["label1"]
    np.testing.assert_allclose(ledger.scores_NC[:, 1], 0.5 / 73, atol=1e-12)
    assert np.isnan(probe.regularisation_C[1])
    np.testing.assert_array_equal(probe.weights_CD[1], 0)
    full, _ = linear_probe(embeddings, cases)
    np.testing.assert_allclose(ledger.scores_NC[:, 0], full.scores_NC[:, 0], atol=1e-5)


def test_a_label_that_is_never_known_has_no_score(make_cohort):
    embeddings, cases = make_cohort()
    ledger, probe = linear_probe(
        embeddings, relabelled(cases, lambda labels_NC: labels_NC[:, 2].fill(np.nan))
    )
    assert np.isnan(ledger.scores_NC[:, 2]).all()
    assert not np.isnan(ledger.scores_NC[:, :2]).any()
    assert "no score" in probe.notes["label2"]


def test_a_label_unknown_on_validation_follows_the_others(make_cohort):
    embeddings, cases = make_cohort()
    validation_N = cases.splits == "validation"

    def forget(labels_NC):
        labels_NC[validation_N, 2] = np.nan

    _, probe = linear_probe(embeddings, relabelled(cases, forget))
    best = probe.validation_RC[:, :2].mean(1).argmin()
    assert probe.regularisation_C[2] == probe.regularisations_R[best]
    assert "other labels" in probe.notes["label2"]


def test_one_regularisation_needs_no_validation_split(make_cohort):
    embeddings, cases = make_cohort(parts=("train", "test"))
    with pytest.raises(DataError, match="'validation'"):
        linear_probe(embeddings, cases)
    _, probe = linear_probe(embeddings, cases, regularisations=[0.1])
    np.testing.assert_array_equal(probe.regularisation_C, 0.1)


def test_more_memory_than_cases_allow_is_never_needed(make_cohort):
    embeddings, cases = make_cohort(n=40, d=200)
    ledger, probe = linear_probe(embeddings, cases)
    assert probe.weights_CD.shape == (3, 200)
    assert np.isfinite(ledger.scores_NC).all()


def test_labels_without_two_kinds_are_refused(make_cohort):
    embeddings, cases = make_cohort()
    with pytest.raises(DataError, match="both a positive and a negative"):
        linear_probe(embeddings, replace(cases, labels_NC=np.zeros_like(cases.labels_NC)))
    with pytest.raises(DataError, match="not finite"):
        linear_probe(replace(embeddings, values_ND=embeddings.values_ND * np.nan), cases)
