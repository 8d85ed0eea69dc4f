"""The logistic solver against its closed forms, scikit-learn and itself turned round."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from vesalius.core import DataError
from vesalius.evaluation.logistic import multinomial, one_vs_rest


def draw(n=150, d=6, labels=3, *, seed=0, spread=0.0):
    rng = np.random.default_rng(seed)
    features_ND = rng.normal(size=(n, d)) * np.logspace(0, spread, d) + 1.0
    heads_DL = rng.normal(size=(d, labels)) / np.logspace(0, spread, d)[:, None]
    chance_NL = 1 / (1 + np.exp(1.0 - features_ND @ heads_DL))
    return features_ND, (rng.random((n, labels)) < chance_NL).astype(float)


def peer(features_ND, target_N, penalty):
    strength = 1 / (len(target_N) * penalty)
    model = LogisticRegression(C=strength, tol=1e-12, max_iter=10_000, solver="newton-cg")
    return model.fit(features_ND, target_N)


def objective(features_ND, target_N, weights_D, bias, penalty):
    logits_N = features_ND @ weights_D + bias
    loss = np.mean(np.logaddexp(0, logits_N) - target_N * logits_N)
    return loss + penalty / 2 * weights_D @ weights_D


def gradient(features_ND, target_N, weights_D, bias, penalty):
    residual_N = 1 / (1 + np.exp(-features_ND @ weights_D - bias)) - target_N
    slope_D = features_ND.T @ residual_N / len(target_N) + penalty * weights_D
    return np.append(slope_D, residual_N.mean())


def test_an_endless_penalty_leaves_the_log_odds_of_the_prevalence():
    features_ND, labels_NL = draw()
    found = one_vs_rest(features_ND, labels_NL, [1e9], tolerance=1e-12)
    share_L = labels_NL.mean(0)
    np.testing.assert_allclose(found.weights_RLD, 0, atol=1e-8)
    np.testing.assert_allclose(found.bias_RL[0], np.log(share_L / (1 - share_L)), atol=1e-6)


def test_two_points_meet_their_closed_form():
    # w solves w·λ = σ(−w): with x = ±1 and one case of each, the gradient is −σ(−w) + λ w
    found = one_vs_rest(
        np.array([[1.0], [-1.0]]), np.array([[1.0], [0.0]]), [0.25], tolerance=1e-13
    )
    weight = found.weights_RLD.item()
    assert weight * 0.25 == pytest.approx(1 / (1 + np.exp(weight)), abs=1e-12)
    assert found.bias_RL.item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("spread", [0.0, 2.0])
@pytest.mark.parametrize("penalty", [1e-3, 1e-1, 10.0])
def test_binary_heads_equal_scikit_learn(penalty, spread):
    features_ND, labels_NL = draw(spread=spread)
    found = one_vs_rest(features_ND, labels_NL, [penalty], tolerance=1e-10)
    for label, target_N in enumerate(labels_NL.T):
        weights_D, bias = found.weights_RLD[0, label], found.bias_RL[0, label]
        assert np.abs(gradient(features_ND, target_N, weights_D, bias, penalty)).max() < 1e-8
        model = peer(features_ND, target_N, penalty)
        other = objective(features_ND, target_N, model.coef_[0], model.intercept_[0], penalty)
        assert found.objective_RL[0, label] <= other + 1e-12
        if spread == 0:
            np.testing.assert_allclose(weights_D, model.coef_[0], atol=1e-6)
            assert bias == pytest.approx(model.intercept_[0], abs=1e-6)


@pytest.mark.parametrize("penalty", [1e-3, 1e-1])
def test_the_softmax_equals_scikit_learn(penalty):
    features_ND, labels_NL = draw(labels=4)
    classes_N = (labels_NL * [1, 2, 3, 4]).argmax(1)
    found = multinomial(features_ND, classes_N, [penalty], tolerance=1e-10)
    model = peer(features_ND, classes_N, penalty)
    np.testing.assert_allclose(found.weights_RLD[0], model.coef_, atol=1e-6)
    shift = found.bias_RL[0].mean() - model.intercept_.mean()
    np.testing.assert_allclose(found.bias_RL[0] - shift, model.intercept_, atol=1e-6)
    assert found.gradient_RL.max() <= 1e-10


def test_unknown_labels_count_for_nothing():
    features_ND, labels_NL = draw()
    labels_NL[::4, 1] = np.nan
    known_N = ~np.isnan(labels_NL[:, 1])
    found = one_vs_rest(features_ND, labels_NL, [0.01], tolerance=1e-10)
    alone = one_vs_rest(features_ND[known_N], labels_NL[known_N, 1:2], [0.01], tolerance=1e-10)
    np.testing.assert_allclose(found.weights_RLD[0, 1], alone.weights_RLD[0, 0], atol=1e-8)


def test_heads_solved_together_equal_heads_solved_alone():
    features_ND, labels_NL = draw()
    penalties = [1e-4, 1e-2, 1.0]
    together = one_vs_rest(features_ND, labels_NL, penalties, tolerance=1e-10)
    for row, penalty in enumerate(penalties):
        for label in range(labels_NL.shape[1]):
            alone = one_vs_rest(
                features_ND, labels_NL[:, label : label + 1], [penalty], tolerance=1e-10
            )
            np.testing.assert_allclose(
                together.weights_RLD[row, label], alone.weights_RLD[0, 0], atol=1e-6
            )


def test_a_rotation_of_the_features_rotates_the_heads():
    features_ND, labels_NL = draw()
    turn_DD = np.linalg.qr(np.random.default_rng(5).normal(size=(6, 6)))[0]
    found = one_vs_rest(features_ND, labels_NL, [0.01], tolerance=1e-11)
    turned = one_vs_rest(features_ND @ turn_DD, labels_NL, [0.01], tolerance=1e-11)
    np.testing.assert_allclose(turned.weights_RLD, found.weights_RLD @ turn_DD, atol=1e-8)


def test_fewer_cases_than_features_cost_nothing_but_give_the_same():
    features_ND, labels_NL = draw(n=25, d=60)
    found = one_vs_rest(features_ND, labels_NL, [0.05], tolerance=1e-11)
    for label, target_N in enumerate(labels_NL.T):
        weights_D, bias = found.weights_RLD[0, label], found.bias_RL[0, label]
        assert np.abs(gradient(features_ND, target_N, weights_D, bias, 0.05)).max() < 1e-9


def test_separable_cases_and_almost_no_penalty_still_converge():
    features_ND, _ = draw(n=200, d=20)
    labels_NL = (features_ND[:, :2] > features_ND[:, 2:4]).astype(float)
    found = one_vs_rest(features_ND, labels_NL, [1e-7, 1e-5], tolerance=1e-8)
    assert found.gradient_RL.max() <= 1e-8
    assert found.steps_RL.max() < 120
    soft = multinomial(features_ND, labels_NL[:, 0].astype(int), [1e-5], tolerance=1e-8)
    assert soft.gradient_RL.max() <= 1e-8


def test_ill_conditioned_features_cost_hardly_more_steps():
    even = one_vs_rest(*draw(n=400, d=12), [1e-3])
    steep = one_vs_rest(*draw(n=400, d=12, spread=4.0), [1e-3])
    assert steep.gradient_RL.max() <= 1e-6
    assert steep.steps_RL.max() <= 3 * even.steps_RL.max()


def test_constant_and_doubled_features_do_no_harm():
    features_ND, labels_NL = draw()
    wide_ND = np.column_stack([features_ND, features_ND[:, 0], np.full(len(features_ND), 7.0)])
    found = one_vs_rest(wide_ND, labels_NL, [0.01], tolerance=1e-10)
    np.testing.assert_allclose(found.weights_RLD[..., 0], found.weights_RLD[..., 6], atol=1e-9)
    np.testing.assert_allclose(found.weights_RLD[..., 7], 0, atol=1e-9)


def test_groups_of_problems_change_nothing(monkeypatch):
    features_ND, labels_NL = draw()
    whole = one_vs_rest(features_ND, labels_NL, [1e-2, 1e-1], tolerance=1e-10)
    monkeypatch.setattr("vesalius.evaluation.logistic.BUDGET_BYTES", 8 * 2 * len(features_ND))
    pieces = one_vs_rest(features_ND, labels_NL, [1e-2, 1e-1], tolerance=1e-10)
    np.testing.assert_allclose(pieces.weights_RLD, whole.weights_RLD, atol=1e-7)


def test_labels_of_one_kind_and_wrong_penalties_are_refused():
    features_ND, labels_NL = draw()
    with pytest.raises(DataError, match="label 1 lacks"):
        one_vs_rest(features_ND, labels_NL * [1, 0, 1], [0.1])
    with pytest.raises(DataError, match="must be positive"):
        one_vs_rest(features_ND, labels_NL, [0.1, 0.0])
    with pytest.raises(DataError, match="2 classes"):
        multinomial(features_ND, np.zeros(len(features_ND), int), [0.1])
    with pytest.raises(DataError, match="finite"):
        one_vs_rest(features_ND * np.nan, labels_NL, [0.1])
