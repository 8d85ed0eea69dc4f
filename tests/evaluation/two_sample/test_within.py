"""Within classes another prevalence is no difference; another look is one."""

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.evaluation import mmd_test, mmd_within


def drawn(rng, shares, look=0.0):
    """Draw cases of two classes that lie far apart; ``look`` moves the second."""
    classes = np.where(rng.random(60) < shares, "ill", "well")
    at = np.where(classes == "ill", 3.0 + look, 0.0)
    return rng.normal(size=(60, 2)) + at[:, None], classes


def test_prevalence_alone_is_found_by_the_plain_test_and_not_within():
    plain = within = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        (x_ND, of_x), (y_MD, of_y) = drawn(rng, 0.7), drawn(rng, 0.3)
        plain += mmd_test(x_ND, y_MD, permutations=39, rng=seed).p_value <= 0.05
        found = mmd_within(x_ND, y_MD, of_x, of_y, permutations=39, rng=seed)
        within += found.p_value <= 0.05
    assert plain > 50
    assert within <= 8  # 60 draws at 0.05: 3 expected, standard deviation 1.7


def test_the_level_holds_over_all_classes():
    rejected = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        (x_ND, of_x), (y_MD, of_y) = drawn(rng, 0.5), drawn(rng, 0.4)
        found = mmd_within(x_ND, y_MD, of_x, of_y, permutations=39, rng=seed)
        rejected += found.p_value <= 0.05
    assert 5 <= rejected <= 27  # 15 expected, standard deviation 3.8


def test_another_look_is_found_in_its_class_and_over_all():
    rng = np.random.default_rng(0)
    (x_ND, of_x), (y_MD, of_y) = drawn(rng, 0.5, look=1.5), drawn(rng, 0.5)
    found = mmd_within(x_ND, y_MD, of_x, of_y, permutations=199)
    assert found.p_value == 1 / 200
    assert found.on_floor
    assert found.p_holm["ill"] <= 0.01 < found.p_holm["well"]
    assert found.p_holm["ill"] == 2 * found.tests["ill"].p_value


def test_the_whole_is_the_mean_over_classes_by_their_cases():
    rng = np.random.default_rng(1)
    (x_ND, of_x), (y_MD, of_y) = drawn(rng, 0.4), drawn(rng, 0.6)
    found = mmd_within(x_ND, y_MD, of_x, of_y, permutations=19)
    sizes = {name: own.n + own.m for name, own in found.tests.items()}
    mean = sum(own.mmd2 * sizes[name] for name, own in found.tests.items()) / sum(sizes.values())
    assert found.mmd2 == pytest.approx(mean)


def test_rare_and_unknown_classes_are_left_out_and_named():
    rng = np.random.default_rng(2)
    (x_ND, of_x), (y_MD, of_y) = drawn(rng, 0.5), drawn(rng, 0.5)
    of_x[:3], of_y[:20] = "rare", ""
    found = mmd_within(x_ND, y_MD, of_x, of_y, permutations=19)
    assert "3 and 0 cases" in found.left_out["rare"]
    assert "" not in {*found.left_out, *found.tests}
    with pytest.raises(DataError, match="no class can be compared"):
        mmd_within(x_ND, y_MD, ["a"] * 60, ["b"] * 60)
    with pytest.raises(DataError, match="name a class for each case"):
        mmd_within(x_ND, y_MD, of_x[:5], of_y)


def test_patients_are_exchanged_within_classes():
    rng = np.random.default_rng(3)
    patients = np.repeat(np.arange(30), 2)
    classes = np.where(patients % 2, "ill", "well")
    x_ND, y_MD = rng.normal(size=(60, 2)), rng.normal(size=(60, 2))
    found = mmd_within(
        x_ND, y_MD, classes, classes,
        groups_x=patients, groups_y=patients + 100, permutations=19,
    )  # fmt: skip
    assert {own.units for own in found.tests.values()} == {"patients"}


def test_patients_in_several_classes_leave_the_overall_test_at_its_level():
    rejected = 0
    for seed in range(150):
        rng, sides = np.random.default_rng(seed), []
        for first in (0, 100):
            patients = np.repeat(np.arange(first, first + 12), 4)
            own = rng.normal(size=(12, 3))[patients - first]
            sides.append(
                (own + 0.2 * rng.normal(size=own.shape), np.tile(list("abcd"), 12), patients)
            )
        (x_ND, of_x, groups_x), (y_MD, of_y, groups_y) = sides
        found = mmd_within(
            x_ND, y_MD, of_x, of_y, groups_x=groups_x, groups_y=groups_y, permutations=99, rng=rng
        )
        assert found.spanning == 24
        rejected += found.p_value <= 0.05
    assert rejected <= 12  # relabelling each class by itself rejects in 19 of these 150


def test_classes_that_share_patients_have_the_smallest_p_times_their_number():
    rng = np.random.default_rng(0)
    patients, classes = np.repeat(np.arange(20), 2), np.tile(["a", "b"], 20)
    found = mmd_within(
        rng.normal(size=(40, 2)), rng.normal(3, 1, size=(40, 2)), classes, classes,
        groups_x=patients, groups_y=patients + 100, permutations=99,
    )  # fmt: skip
    assert found.p_value == pytest.approx(0.02)
    assert found.on_floor


def test_the_interval_over_classes_is_that_of_their_weighted_mean():
    rng = np.random.default_rng(5)
    (x_ND, of_x), (y_MD, of_y) = drawn(rng, 0.5), drawn(rng, 0.5)
    found = mmd_within(x_ND, y_MD, of_x, of_y, permutations=19)
    alone = [(own.n + own.m, own.high - own.low) for own in found.tests.values()]
    expected = sum((n / 120 * width) ** 2 for n, width in alone) ** 0.5
    assert found.high - found.low == pytest.approx(expected)
    assert found.low < found.mmd2 < found.high
