"""The classifier test: exact on held-out units, blind to what trained it."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from vesalius.core import DataError
from vesalius.evaluation import classifier_test
from vesalius.evaluation.two_sample.classifier import _aurocs


def test_a_shift_is_found_and_p_sits_on_its_floor():
    rng = np.random.default_rng(0)
    found = classifier_test(rng.normal(0, 1, (80, 6)), rng.normal(1, 1, (60, 6)), permutations=99)
    assert found.auroc > 0.8
    assert found.low < found.auroc < found.high
    assert found.accuracy > 0.7
    assert found.p_value == 1 / 100
    assert found.on_floor
    assert found.n_train + found.n_test == 140
    assert "p = 0.01" in str(found)


def test_the_auroc_of_a_relabelling_is_that_of_mann_and_whitney():
    rng = np.random.default_rng(1)
    score_T = rng.integers(0, 6, 30).astype(float)  # with ties
    labels_TP = (rng.random((30, 5)) < 0.4).astype(np.uint8)
    for own_T, auroc in zip(labels_TP.T, _aurocs(score_T, labels_TP), strict=True):
        of_x, of_y = score_T[own_T == 1], score_T[own_T == 0]
        u = mannwhitneyu(of_x, of_y).statistic
        assert auroc == pytest.approx(u / (len(of_x) * len(of_y)), abs=1e-12)


def test_under_the_null_it_rejects_at_its_level():
    rejected = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        x_ND, y_MD = rng.normal(size=(24, 3)), rng.normal(size=(20, 3))
        found = classifier_test(x_ND, y_MD, permutations=59, replicates=20, rng=seed)
        rejected += found.p_value <= 0.05
    # 300 draws at 0.05: 15 expected, standard deviation 3.8
    assert 5 <= rejected <= 27


def test_patients_learn_or_are_judged_as_a_whole():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(12), 3)
    found = classifier_test(
        rng.normal(size=(36, 2)), rng.normal(size=(36, 2)),
        groups_x=groups, groups_y=groups + 100, permutations=19,
    )  # fmt: skip
    everyone = np.concatenate([groups, groups + 100])
    held = set(everyone[found.rows_T])
    assert len(held) == 12
    assert np.isin(everyone, list(held)).sum() == found.n_test
    assert found.units == "patients"


def test_equal_seeds_give_equal_results():
    rng = np.random.default_rng(3)
    x_ND, y_MD = rng.normal(size=(20, 2)), rng.normal(size=(20, 2))
    one, two = (classifier_test(x_ND, y_MD, permutations=19, rng=7) for _ in range(2))
    assert (one.auroc, one.p_value, one.low) == (two.auroc, two.p_value, two.low)


def test_constant_axes_do_no_harm():
    rng = np.random.default_rng(4)
    x_ND = np.column_stack([rng.normal(size=16), np.ones(16)])
    assert 0 <= classifier_test(x_ND, x_ND + [2, 0], permutations=19).auroc <= 1


def test_too_few_are_told():
    with pytest.raises(DataError, match="4 cases or patients"):
        classifier_test(np.eye(3), np.eye(3))
    with pytest.raises(DataError, match="together or not at all"):
        classifier_test(np.eye(8), np.eye(8), groups_x=np.arange(8))
