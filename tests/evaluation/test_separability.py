"""Separability of classes."""

import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from vesalius.evaluation import separability
from vesalius.evaluation.separability import _distances, first_positive, silhouettes


def by_name(embeddings, cases, replicates=50, **settings):
    scores = separability(embeddings, cases, replicates=replicates, **settings)
    return {score.name: score for score in scores}


def slow(values_ND, class_N):
    centroids = {c: values_ND[class_N == c].mean(0) for c in np.unique(class_N)}
    intra = np.mean(
        [
            np.mean([np.linalg.norm(x_D - centroid_D) for x_D in values_ND[class_N == c]])
            for c, centroid_D in centroids.items()
        ]
    )
    inter = np.mean([np.linalg.norm(a - b) for a, b in combinations(centroids.values(), 2)])
    return intra, inter, inter / intra


def test_two_pairs_of_points_have_their_distances_by_hand(make_cohort):
    embeddings, cases = make_cohort(n=4, d=2, task="multiclass", c=2)
    cases = replace(cases, labels_NC=np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]]))
    points = np.array([[0.0, 1], [0, -1], [10, 2], [10, -2]])
    found = by_name(replace(embeddings, values_ND=points), cases)
    assert found["intra"].value == pytest.approx(1.5)
    assert found["inter"].value == pytest.approx(10)
    assert found["ratio"].value == pytest.approx(10 / 1.5)


def test_values_equal_a_slow_loop(make_cohort):
    embeddings, cases = make_cohort(unknown=0.1)
    class_N, _ = first_positive(cases)
    known_N = class_N >= 0
    expected = slow(embeddings.values_ND[known_N], class_N[known_N])
    found = by_name(embeddings, cases)
    got = [found[name].value for name in ("intra", "inter", "ratio")]
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    assert found["intra"].n == known_N.sum()
    assert f"without {(~known_N).sum()} cases of unknown class" in found["intra"].note


def test_silhouettes_equal_scikit_learn_whatever_the_tile(make_cohort, monkeypatch):
    embeddings, cases = make_cohort(task="multiclass")
    class_N = cases.labels_NC.argmax(1)
    values_ND = embeddings.normalised()
    expected_N = silhouette_samples(values_ND, class_N)
    np.testing.assert_allclose(silhouettes(values_ND, class_N), expected_N, atol=1e-7)
    monkeypatch.setattr(sys.modules["vesalius.evaluation.separability"], "TILE_BYTES", 1)
    np.testing.assert_allclose(silhouettes(values_ND, class_N), expected_N, atol=1e-7)
    found = by_name(embeddings, cases)["silhouette"]
    assert found.value == pytest.approx(expected_N.mean())


def test_weights_equal_repeated_rows(make_cohort):
    embeddings, cases = make_cohort(task="multiclass")
    class_N = cases.labels_NC.argmax(1)
    weights_RN = np.random.default_rng(1).integers(0, 4, (5, 120)).astype(float)
    got_RK = _distances(embeddings.values_ND, class_N)(weights_RN)
    for weights_N, got_K in zip(weights_RN, got_RK, strict=True):
        rows = np.repeat(np.arange(120), weights_N.astype(int))
        np.testing.assert_allclose(got_K, slow(embeddings.values_ND[rows], class_N[rows]))


def test_a_replicate_without_a_class_is_undefined(make_cohort):
    embeddings, cases = make_cohort(task="multiclass")
    class_N = cases.labels_NC.argmax(1)
    assert np.isnan(_distances(embeddings.values_ND, class_N)((class_N != 1)[None] * 1.0)).all()


def test_distances_grow_with_the_unit_and_ratio_and_silhouette_do_not(make_cohort):
    embeddings, cases = make_cohort()
    one = by_name(embeddings, cases)
    ten = by_name(replace(embeddings, values_ND=embeddings.values_ND * 10), cases)
    for name, factor in (("intra", 10), ("inter", 10), ("ratio", 1), ("silhouette", 1)):
        assert ten[name].value == pytest.approx(one[name].value * factor)
        assert ten[name].low == pytest.approx(one[name].low * factor)


def test_a_shift_of_the_space_leaves_the_distances(make_cohort):
    embeddings, cases = make_cohort()
    one = by_name(embeddings, cases)
    far = by_name(replace(embeddings, values_ND=embeddings.values_ND + 1e4), cases)
    for name in ("intra", "inter", "ratio"):
        assert far[name].value == pytest.approx(one[name].value, rel=1e-6)


def test_features_that_know_the_classes_separate_better(make_cohort):
    blind = by_name(*make_cohort(task="multiclass", signal=0.0))
    seeing = by_name(*make_cohort(task="multiclass", signal=4.0))
    assert seeing["ratio"].low > blind["ratio"].high
    assert seeing["silhouette"].low > blind["silhouette"].high


def test_intervals_cover_the_value_of_the_whole_population(make_cohort):
    # Plug-in distances between centroids of few cases are too long; the intervals undo it.
    everyone, labels = make_cohort(n=20_000, task="multiclass", signal=1.0, d=16)
    true = slow(everyone.values_ND, labels.labels_NC.argmax(1))
    covered = np.zeros(3)
    for start in range(0, 20_000, 400):
        rows = np.arange(start, start + 60)
        found = by_name(everyone.select(rows), labels.select(rows), replicates=200)
        scores = [found[name] for name in ("intra", "inter", "ratio")]
        covered += [s.low <= t <= s.high for s, t in zip(scores, true, strict=True)]
    assert (covered / 50 >= 0.8).all()


def test_the_class_is_the_first_positive_label_or_no_finding(make_cohort):
    labels_NC = np.array([[0, 1, 1], [0, 0, 0], [np.nan, 1, 0], [np.nan, 0, 0], [1, 0, np.nan]])
    _, cases = make_cohort(n=5)
    class_N, names = first_positive(replace(cases, labels_NC=labels_NC))
    assert [names[c] if c >= 0 else None for c in class_N] == [
        "label1", "no finding", "label1", None, "label0",
    ]  # fmt: skip


def test_classes_of_one_case_are_left_out_and_named(make_cohort):
    embeddings, cases = make_cohort(n=21, task="multiclass", c=3)
    labels_NC = np.eye(3)[np.array([0] * 10 + [1] * 10 + [2])]
    found = by_name(embeddings, replace(cases, labels_NC=labels_NC))
    assert "without label2 (1 case each)" in found["inter"].note
    assert found["inter"].n == 20


def test_one_class_has_no_separability_and_says_so(make_cohort):
    embeddings, cases = make_cohort(task="multiclass")
    scores = separability(embeddings, replace(cases, labels_NC=np.tile([1.0, 0, 0], (120, 1))))
    assert all(np.isnan(score.value) and "fewer than 2 classes" in score.note for score in scores)


def test_cases_without_labels_have_no_separability_and_say_so(make_cohort):
    embeddings, cases = make_cohort()
    bare = replace(cases, labels_NC=np.ones((120, 0)), label_names=())
    assert all("fewer than 2 classes" in s.note for s in separability(embeddings, bare))


def test_copies_of_one_point_lie_at_distance_zero(make_cohort):
    embeddings, cases = make_cohort(task="multiclass")
    points_CD = np.random.default_rng(0).normal(size=(3, 8))
    collapsed = replace(embeddings, values_ND=points_CD[cases.labels_NC.argmax(1)])
    found = by_name(collapsed, cases)
    assert found["intra"].value == 0.0
    assert np.isnan(found["ratio"].value)
    assert found["silhouette"].value == pytest.approx(1.0)
