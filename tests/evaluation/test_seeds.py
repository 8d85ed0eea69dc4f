"""Means over seeds: the same as a slow loop over seeds, swaps of patients held to all of them."""

from itertools import product

import numpy as np
import pytest

from vesalius.core import DataError, Predictions
from vesalius.evaluation.paired import paired_difference
from vesalius.evaluation.seeds import seed_difference, seed_mean


def auroc(truths, scores):
    """Count pairs: the share in which the positive scores higher, ties halved."""
    pairs = [(p, n) for p in scores[truths == 1] for n in scores[truths == 0]]
    return sum(1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs) / len(pairs)


def ledgers(seeds, *, gain, key, n=40, labels=2, patients=None):
    """Return one ledger a seed: scores that know ``gain`` of the truth."""
    truths_NC = np.random.default_rng(0).integers(0, 2, (n, labels)).astype(float)
    truths_NC[:2] = [[0.0] * labels, [1.0] * labels]
    return [
        Predictions(
            gain * truths_NC + np.random.default_rng([key, seed]).normal(size=truths_NC.shape),
            truths_NC,
            tuple(f"finding {c}" for c in range(labels)),
            np.array([f"case-{i}" for i in range(n)]),
            patient_ids=None if patients is None else np.array(patients),
        )
        for seed in range(seeds)
    ]


def by_hand(own):
    """Return macro AUROC seed by seed."""
    return [
        np.mean([auroc(each.truths_NC[:, c], each.scores_NC[:, c]) for c in range(2)])
        for each in own
    ]


def test_the_mean_is_that_of_the_seeds_own_measures():
    own = ledgers(3, gain=1.0, key=1)
    score, spread = seed_mean(own, replicates=100)
    assert spread.values == pytest.approx(by_hand(own), abs=1e-12)
    assert score.value == pytest.approx(np.mean(by_hand(own)), abs=1e-12)
    assert spread.sd == pytest.approx(np.std(by_hand(own), ddof=1), abs=1e-12)
    assert score.low < score.value < score.high


def test_the_interval_draws_patients_and_not_seeds():
    one = ledgers(1, gain=1.0, key=1)
    alone, _ = seed_mean(one, replicates=200)
    thrice, spread = seed_mean(one * 3, replicates=200)
    assert (thrice.low, thrice.high) == pytest.approx((alone.low, alone.high), abs=1e-12)
    assert spread.sd == pytest.approx(0, abs=1e-12)


def test_the_order_of_the_cases_is_of_no_account():
    own = ledgers(2, gain=1.0, key=1)
    mixed = [each.select(np.random.default_rng(s).permutation(40)) for s, each in enumerate(own)]
    assert seed_mean(mixed, replicates=100) == seed_mean(own, replicates=100)


def test_a_difference_turned_round_is_its_negative():
    better, worse = ledgers(3, gain=2.0, key=1), ledgers(3, gain=0.5, key=2)
    there, test, spread = seed_difference(better, worse, replicates=200, permutations=199)
    back, turned, reverse = seed_difference(worse, better, replicates=200, permutations=199)
    assert there.value == pytest.approx(-back.value, abs=1e-12)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-12)
    assert test.p_value == turned.p_value
    assert spread.values == pytest.approx([-value for value in reverse.values], abs=1e-12)


def test_the_spread_of_a_difference_is_that_of_the_pairs_of_one_seed():
    first, second = ledgers(3, gain=2.0, key=1), ledgers(3, gain=0.5, key=2)
    score, _, spread = seed_difference(first, second, replicates=100, permutations=99)
    expected = np.subtract(by_hand(first), by_hand(second))
    assert spread.values == pytest.approx(expected, abs=1e-12)
    assert score.value == pytest.approx(expected.mean(), abs=1e-12)


def test_one_seed_is_the_paired_difference_of_two_ledgers():
    first, second = ledgers(1, gain=2.0, key=1), ledgers(1, gain=0.5, key=2)
    score, _, _ = seed_difference(first, second, replicates=200, permutations=99, seed=4)
    plain = paired_difference(first[0], second[0], replicates=200, seed=4)
    assert (score.value, score.low, score.high) == pytest.approx(
        (plain.value, plain.low, plain.high), abs=1e-12
    )


def test_p_is_the_share_of_all_swaps_of_patients_with_all_seeds_at_once():
    patients = [f"patient-{i // 2}" for i in range(14)]
    first = ledgers(2, gain=1.5, key=1, n=14, patients=patients)
    second = ledgers(2, gain=0.0, key=2, n=14, patients=patients)

    def ranks(own):
        """A score's place among its column's: what a swap exchanges."""
        return [[[np.sum(s[:, c] < v) for v in s[:, c]] for c in range(2)]
                for s in (each.scores_NC for each in own)]  # fmt: skip

    mine, theirs, truths_NC = np.array(ranks(first)), np.array(ranks(second)), first[0].truths_NC

    def difference(swapped_N):
        a, b = np.where(swapped_N, theirs, mine), np.where(swapped_N, mine, theirs)
        return np.mean([auroc(truths_NC[:, c], a[s, c]) - auroc(truths_NC[:, c], b[s, c])
                        for s in range(2) for c in range(2)])  # fmt: skip

    every = [difference(np.repeat(swap, 2)) for swap in product([False, True], repeat=7)]
    exact = np.mean(np.abs(every) >= abs(every[0]) - 1e-12)
    _, tested, _ = seed_difference(first, second, replicates=100, permutations=20_000)
    assert 0.01 < exact < 0.9
    assert tested.p_value == pytest.approx(exact, abs=0.015)


def test_an_arm_beside_itself_differs_by_nothing():
    own = ledgers(3, gain=1.0, key=1)
    score, tested, spread = seed_difference(own, own, replicates=100, permutations=99)
    assert (score.value, score.low, score.high, tested.p_value) == (0, 0, 0, 1)
    assert (spread.low, spread.high) == (0, 0)


def test_arms_of_unequal_seeds_are_refused():
    own = ledgers(3, gain=1.0, key=1)
    with pytest.raises(DataError, match="3 seeds, the other 2"):
        seed_difference(own, own[:2])


def test_accuracy_of_classes_is_averaged_over_seeds():
    rng = np.random.default_rng(5)
    classes_N = rng.integers(0, 3, 30)
    truths_NC = np.eye(3)[classes_N]
    own = [
        Predictions(
            truths_NC + np.random.default_rng([6, seed]).normal(size=(30, 3)),
            truths_NC,
            ("a", "b", "c"),
            np.array([f"case-{i}" for i in range(30)]),
            task="multiclass",
        )
        for seed in range(2)
    ]
    score, spread = seed_mean(own, measure="accuracy", replicates=100)
    right = [float(np.mean(each.scores_NC.argmax(1) == classes_N)) for each in own]
    assert spread.values == pytest.approx(right, abs=1e-12)
    assert score.value == pytest.approx(np.mean(right), abs=1e-12)
