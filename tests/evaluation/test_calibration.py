"""Calibration error, reliability curves and temperature."""

from dataclasses import replace

import numpy as np
import pytest

from vesalius.core import ChoiceError, DataError
from vesalius.evaluation import (
    MEASURES,
    apply_temperature,
    classification,
    ece,
    reliability,
    temperature_scaling,
)


def slow_ece(truth, score, bins=15):
    total = 0.0
    for k in range(bins):
        inside = (score > k / bins) & (score <= (k + 1) / bins)
        inside |= (k == 0) & (score == 0)
        if inside.any():
            total += inside.mean() * abs(truth[inside].mean() - score[inside].mean())
    return total


def test_ece_equals_a_loop_over_bins(make_ledger):
    ledger = make_ledger()
    for c in range(4):
        truth, score = ledger.truths_NC[:, c], ledger.scores_NC[:, c]
        assert ece(truth, score) == pytest.approx(slow_ece(truth, score), abs=1e-12)
        assert ece(truth, score, bins=4) == pytest.approx(slow_ece(truth, score, 4), abs=1e-12)


def test_scores_on_the_edges_of_bins_fall_into_the_lower_one():
    score = np.array([0.0, 1 / 15, 2 / 15, 1.0])
    assert ece(np.array([0.0, 1, 0, 1]), score) == pytest.approx(
        (abs(1 - 1 / 15) + 2 / 15) / 4, abs=1e-12
    )


def test_honest_scores_have_an_ece_near_zero_and_boasting_ones_have_not():
    rng = np.random.default_rng(0)
    score = rng.random(50_000)
    truth = (rng.random(50_000) < score).astype(float)
    assert ece(truth, score) < 0.01
    assert ece(truth, score**0.2) > 0.2


def test_the_reliability_curve_adds_up_to_the_ece(make_ledger):
    ledger = make_ledger(unknown=0.2)
    scores = {(s.name, s.label): s.value for s in classification(ledger, replicates=0)}
    for label in ledger.label_names:
        curve = reliability(ledger, label=label)
        assert curve.ece == pytest.approx(scores["ece", label], abs=1e-12)
        assert curve.label == label
    pooled = reliability(ledger)
    assert pooled.counts_K.sum() == (~np.isnan(ledger.truths_NC)).sum()
    empty = pooled.counts_K == 0
    assert np.isnan(pooled.observed_K[empty]).all()


def test_multiclass_ece_is_that_of_the_top_label(make_ledger):
    ledger = make_ledger(task="multiclass", unknown=0.1)
    known = ~np.isnan(ledger.truths_NC).any(1)
    best = ledger.scores_NC[known].argmax(1)
    right = ledger.truths_NC[known, best]
    expected = slow_ece(right, ledger.scores_NC[known].max(1))
    scores = {s.name: s.value for s in classification(ledger, replicates=0) if not s.label}
    assert scores["ece"] == pytest.approx(expected, abs=1e-12)
    assert reliability(ledger).ece == pytest.approx(expected, abs=1e-12)


def test_scores_outside_0_to_1_have_no_calibration():
    assert np.isnan(ece(np.array([1.0, 0]), np.array([1.5, 0.2])))


def test_a_curve_of_logits_is_refused_with_a_hint(make_ledger):
    ledger = make_ledger()
    with pytest.raises(DataError, match="temperature_scaling"):
        reliability(replace(ledger, scores_NC=ledger.scores_NC * 9))
    with pytest.raises(ChoiceError, match="did you mean 'label1'"):
        reliability(ledger, label="labl1")


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_temperature_finds_the_factor_that_logits_were_blown_up_by(make_ledger, task):
    rng = np.random.default_rng(1)
    logits_NC = 2 * rng.normal(size=(20_000, 3))
    if task == "multilabel":
        truths_NC = (rng.random(logits_NC.shape) < 1 / (1 + np.exp(-logits_NC))).astype(float)
    else:
        chosen_N = (logits_NC + rng.gumbel(size=logits_NC.shape)).argmax(1)
        truths_NC = np.eye(3)[chosen_N]
    ledger = replace(
        make_ledger(n=20_000, c=3, task=task), scores_NC=3.5 * logits_NC, truths_NC=truths_NC
    )
    temperature = temperature_scaling(ledger)
    assert temperature == pytest.approx(3.5, rel=0.03)
    calm = apply_temperature(ledger, temperature)
    probability = apply_temperature(ledger, 1.0)
    assert reliability(calm).ece < 0.02 < reliability(probability).ece
    # probabilities lead to the answer of the logits they came from, but for those cut at 1e-12
    assert temperature_scaling(probability) == pytest.approx(temperature, rel=1e-4)
    again = apply_temperature(probability, temperature)
    np.testing.assert_allclose(again.scores_NC, calm.scores_NC, rtol=0, atol=1e-3)


def test_temperature_is_the_minimum_of_the_likelihood_loss(make_ledger):
    ledger = make_ledger(unknown=0.3)
    known = ~np.isnan(ledger.truths_NC)
    truth = ledger.truths_NC[known]

    def loss(temperature):
        p = apply_temperature(ledger, temperature).scores_NC[known]
        return -np.mean(truth * np.log(p) + (1 - truth) * np.log1p(-p))

    best = temperature_scaling(ledger)
    assert loss(best) < min(loss(best * 1.01), loss(best / 1.01))


def test_temperature_keeps_the_order_of_scores(make_ledger):
    ledger = make_ledger(ties=False)
    warm = apply_temperature(ledger, 2.5)
    for name in ("macro_auroc", "macro_average_precision"):
        measure = MEASURES[name]
        assert measure(ledger.truths_NC, warm.scores_NC) == measure(
            ledger.truths_NC, ledger.scores_NC
        )


def test_temperatures_past_the_bounds_stop_there(make_ledger):
    ledger = make_ledger()
    perfect = replace(ledger, scores_NC=2.0 * ledger.truths_NC - 1)
    assert temperature_scaling(perfect, kind="logits") == pytest.approx(0.01)
    assert temperature_scaling(replace(perfect, scores_NC=-perfect.scores_NC)) == 100
    with pytest.raises(DataError, match="above 0"):
        apply_temperature(ledger, 0.0)
    with pytest.raises(ChoiceError, match="logits"):
        temperature_scaling(ledger, kind="logit")
