"""What makes up the distance: classes add up to it exactly, planted axes are found."""

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.evaluation import axis_contributions, label_contributions, mmd_test


def test_the_classes_add_up_to_mmd2():
    rng = np.random.default_rng(0)
    x_ND, y_MD = rng.normal(0, 1, (50, 3)), rng.normal(0.4, 1, (40, 3))
    classes = rng.choice(["a", "b", ""], 50), rng.choice(["a", "b", "c"], 40)
    test = mmd_test(x_ND, y_MD, permutations=19)
    found = label_contributions(test, *classes)
    assert sum(own.mmd2 for own in found) == pytest.approx(test.mmd2, abs=1e-12)
    assert sum(own.share for own in found) == pytest.approx(1)
    assert sum(own.prevalence_x for own in found) == pytest.approx(1)


def test_the_class_that_differs_adds_most():
    rng = np.random.default_rng(1)
    classes = np.repeat(["same", "other"], 40)
    x_ND, y_MD = rng.normal(size=(80, 3)), rng.normal(size=(80, 3))
    x_ND[40:] += 2
    found = label_contributions(mmd_test(x_ND, y_MD, permutations=19), classes, classes)
    assert found[0].label == "other"


def test_classes_are_one_a_case():
    test = mmd_test(np.eye(4), 2 * np.eye(4), permutations=19)
    with pytest.raises(DataError, match="classes_y"):
        label_contributions(test, ["a"] * 4, ["a"] * 3)


def test_shifted_axes_are_found_and_no_others():
    rng = np.random.default_rng(2)
    x_ND, y_MD = rng.normal(0, 1, (60, 10)), rng.normal(0, 1, (70, 10))
    x_ND[:, 3] += 1.5
    x_ND[:, 7] -= 1.5
    found = axis_contributions(x_ND, y_MD, permutations=199)
    assert set(np.flatnonzero(found.p_D <= 0.05)) == {3, 7}
    assert found.difference_D[3] > 0 > found.difference_D[7]
    assert found.share_D.sum() == pytest.approx(1)


def test_shares_are_those_of_the_squared_distance_of_the_means():
    rng = np.random.default_rng(3)
    x_ND, y_MD = rng.normal(0, 1, (9, 4)) * [1, 5, 1, 1], rng.normal(1, 1, (7, 4))
    square_D = (x_ND.mean(0) - y_MD.mean(0)) ** 2
    found = axis_contributions(x_ND, y_MD, permutations=19)
    np.testing.assert_allclose(found.share_D, square_D / square_D.sum(), atol=1e-12)
    spread_D = np.concatenate([x_ND, y_MD]).std(0, ddof=1)
    difference_D = (x_ND.mean(0) - y_MD.mean(0)) / spread_D
    np.testing.assert_allclose(found.difference_D, difference_D, atol=1e-12)


def test_any_false_axis_is_found_at_the_level():
    wrong = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        mixed_DD = rng.normal(size=(6, 6))  # axes that go together
        x_ND, y_MD = (rng.normal(size=(20, 6)) @ mixed_DD for _ in range(2))
        wrong += (axis_contributions(x_ND, y_MD, permutations=59, rng=seed).p_D <= 0.05).any()
    assert 5 <= wrong <= 27  # 300 draws at 0.05: 15 expected, standard deviation 3.8


def test_equal_samples_and_constant_axes_have_no_share():
    found = axis_contributions(np.ones((5, 2)), np.ones((5, 2)), permutations=19)
    assert (found.share_D == 0).all()
    assert (found.p_D == 1).all()
