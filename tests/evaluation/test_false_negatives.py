"""The share of negatives that say the same."""

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.evaluation import false_negative_rate


def drawn(n, seed=0):
    rng = np.random.default_rng(seed)
    findings = (rng.random((n, 3)) < [0.5, 0.2, 0.1]).astype(float)
    findings[rng.random(findings.shape) < 0.1] = np.nan
    return findings


def test_it_is_the_share_of_pairs_that_a_slow_double_loop_counts():
    findings = drawn(60)
    known = findings[(~np.isnan(findings)).any(1)] == 1
    same = [
        (known[i] == known[j]).all()
        for i in range(len(known)) for j in range(len(known)) if i != j
    ]  # fmt: skip
    score = false_negative_rate(findings)
    assert score.value == pytest.approx(np.mean(same), abs=1e-12)
    assert score.n == len(known)


def test_it_is_one_where_all_say_the_same_and_nought_where_none_do():
    assert false_negative_rate(np.zeros((5, 2))).value == 1
    assert false_negative_rate(np.eye(5)).value == 0


def test_the_interval_holds_the_true_rate_as_often_as_it_says():
    p = np.array([0.5, 0.2, 0.1])
    true = np.prod(p**2 + (1 - p) ** 2)
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        score = false_negative_rate((rng.random((200, 3)) < p).astype(float))
        inside += score.low <= true <= score.high
    assert 0.92 <= inside / 400 <= 0.98


@pytest.mark.parametrize("findings", [np.zeros((2, 3)), np.full((9, 3), np.nan), np.zeros((9, 0))])
def test_too_few_known_findings_are_refused(findings):
    with pytest.raises(DataError, match="3 or more are needed"):
        false_negative_rate(findings)
