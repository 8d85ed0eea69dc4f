"""Logistic probes, many labels by many regularisations: ours beside scikit-learn's lbfgs.

    python benchmarks/logistic_probe.py --out logistic_probe.json

Both minimise the same objective to the same tolerance: scikit-learn stops when the largest entry of
the gradient is below it, ours when the gradient's Euclidean length is, which is stricter. Ours is
timed as the median of --repeats solves of all heads, the peer's once over all fits. The answers are
the same where our objective is nowhere above the peer's.

Legend: N cases, D width, L labels, R regularisations.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core.files import write_json
from vesalius.evaluation.logistic import Solution, one_vs_rest

Array = NDArray[np.float64]


def draw(kind: str, n: int, width: int, labels: int, rng: np.random.Generator) -> tuple[Array, ...]:
    """Return features and labels whose prevalence falls from 50 % to a few per cent."""
    whitened_ND = rng.normal(size=(n, width))
    head_DL = rng.normal(size=(width, labels)) * np.sqrt(4 / width)
    logits_NL = whitened_ND @ head_DL - np.linspace(0, 5, labels)
    labels_NL = (logits_NL + rng.logistic(size=logits_NL.shape) > 0).astype(float)
    if kind == "isotropic":
        return whitened_ND, labels_NL
    # Standard deviations from 10 to 0.01: the covariance has condition number 1e6.
    turn_DD = np.linalg.qr(rng.normal(size=(width, width)))[0]
    return whitened_ND * np.logspace(1, -2, width) @ turn_DD + 1.0, labels_NL


def peer(features_ND: Array, labels_NL: Array, strengths_R: Array, tolerance: float) -> Array:
    """Return scikit-learn's heads (R, L, D + 1), the intercept last."""
    from sklearn.linear_model import LogisticRegression

    shape = len(strengths_R), labels_NL.shape[1], features_ND.shape[1] + 1
    heads_RLM = np.empty(shape)
    for r, strength in enumerate(strengths_R):
        for label, target_N in enumerate(labels_NL.T):
            model = LogisticRegression(C=strength, tol=tolerance, max_iter=10_000)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(features_ND, target_N)
            heads_RLM[r, label] = np.append(model.coef_[0], model.intercept_)
    return heads_RLM


def objectives(features_ND: Array, labels_NL: Array, heads_RLM: Array, penalties_R: Array) -> Array:
    """Return the objective of each head, worked out alike for both."""
    values_RL = np.empty(heads_RLM.shape[:2])
    for r, penalty in enumerate(penalties_R):
        weights_LD, bias_L = heads_RLM[r, :, :-1], heads_RLM[r, :, -1]
        logits_NL = features_ND @ weights_LD.T + bias_L
        losses_NL = np.logaddexp(0, logits_NL) - labels_NL * logits_NL
        values_RL[r] = losses_NL.mean(0) + penalty / 2 * (weights_LD**2).sum(1)
    return values_RL


def measure(kind: str, settings: argparse.Namespace) -> dict[str, Any]:
    rng = np.random.default_rng(settings.seed)
    features_ND, labels_NL = draw(kind, settings.cases, settings.width, settings.labels, rng)
    strengths_R = np.logspace(-4, 4, settings.regularisations)
    penalties_R = 1 / (len(features_ND) * strengths_R)

    def ours() -> Solution:
        return one_vs_rest(features_ND, labels_NL, penalties_R, tolerance=settings.tolerance)

    seconds = []
    for _ in range(settings.repeats):
        start = time.perf_counter()
        solution = ours()
        seconds.append(time.perf_counter() - start)
    start = time.perf_counter()
    peer_RLM = peer(features_ND, labels_NL, strengths_R, settings.tolerance)
    peer_seconds = time.perf_counter() - start
    heads_RLM = np.concatenate([solution.weights_RLD, solution.bias_RL[..., None]], axis=2)
    ours_RL = objectives(features_ND, labels_NL, heads_RLM, penalties_R)
    excess_RL = ours_RL - objectives(features_ND, labels_NL, peer_RLM, penalties_R)
    own = float(np.median(seconds))
    return {
        "features": kind,
        "ours_seconds": round(own, 3),
        "ours_seconds_each": [round(s, 3) for s in seconds],
        "peer_seconds": round(peer_seconds, 3),
        "ratio": round(peer_seconds / own, 2),
        "largest_excess_of_our_objective": float(excess_RL.max()),
        "largest_excess_of_peers_objective": float(-excess_RL.min()),
        "same_answer": bool(excess_RL.max() <= 1e-9),
        "longest_gradient": float(solution.gradient_RL.max()),
        "most_steps": int(solution.steps_RL.max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="logistic probes beside scikit-learn's lbfgs")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--labels", type=int, default=14)
    parser.add_argument("--regularisations", type=int, default=9)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    kinds = ["isotropic", "ill-conditioned"]
    parser.add_argument("--features", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--out", type=Path, default=None, help="JSON file to write")
    settings = parser.parse_args()
    print(
        f"{settings.labels} labels x {settings.regularisations} regularisations, "
        f"{settings.cases:,} x {settings.width}, tolerance {settings.tolerance:g}"
    )
    header = ("features", "ours s", "scikit-learn s", "ratio", "objective excess", "same answer")
    print("{:<16}{:>10}{:>16}{:>9}{:>18}{:>13}".format(*header), flush=True)
    rows = []
    for kind in settings.features:
        row = measure(kind, settings)
        rows.append(row)
        print(
            f"{kind:<16}{row['ours_seconds']:>10.2f}{row['peer_seconds']:>16.2f}"
            f"{row['ratio']:>9.1f}{row['largest_excess_of_our_objective']:>18.1e}"
            f"{'yes' if row['same_answer'] else 'NO':>13}",
            flush=True,
        )
    if settings.out is not None:
        given = {k: v for k, v in vars(settings).items() if k != "out"}
        write_json(settings.out, {"benchmark": "logistic_probe", "settings": given, "rows": rows})


if __name__ == "__main__":
    main()
