"""Embeddings laid flat: two dimensions, and how far the flat picture can be trusted."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core.errors import VesaliusError, unknown
from vesalius.reporting.blocks import Figure
from vesalius.reporting.figures import style

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
MOST_POINTS = 1500  # about three seconds of t-SNE on one core
STEPS = 500
MOST_GROUPS = 7  # as many as there are colours that can be told apart; the rest is grey
FEWEST = 5


@dataclass(frozen=True, slots=True)
class Projection:
    """Points in the plane: ``rows_M`` are the embeddings that were drawn.

    ``trustworthiness`` is the share of neighbours in the plane that are neighbours in the full
    space too (Venna & Kaski 2001; 1 is perfect), NaN where there are too few points.
    """

    points_M2: Float[np.ndarray, "M 2"]
    rows_M: Int[np.ndarray, "M"]
    method: str
    trustworthiness: float
    neighbours: int
    dropped: int = 0


def project(
    values_ND: Float[np.ndarray, "N D"],
    *,
    rng: np.random.Generator,
    method: str = "tsne",
    limit: int = MOST_POINTS,
    normalise: bool = True,
    perplexity: float = 30.0,
) -> Projection:
    """Lay at most ``limit`` embeddings flat, drawn at random where there are more.

    Rows that are not finite are left out and counted. The same rng state gives the same picture.

    Raises:
        ChoiceError: the method is none of ``pca``, ``tsne`` and ``umap``.
        VesaliusError: umap-learn is not installed (``pip install "vesalius[umap]"``).
    """
    if method not in METHODS:
        raise unknown("projection", method, METHODS)
    finite = np.flatnonzero(np.isfinite(values_ND).all(1))
    rows = np.sort(rng.choice(finite, limit, replace=False)) if len(finite) > limit else finite
    values = np.asarray(values_ND[rows], np.float64)
    if normalise and len(rows):
        values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    seed = int(rng.integers(2**31 - 1))
    dropped = len(values_ND) - len(finite)
    if len(rows) < FEWEST or np.ptp(values, axis=0).max(initial=0) < 1e-9:
        points = np.zeros((len(rows), 2))
        return Projection(points, rows, method, float("nan"), 0, dropped)
    if method == "pca":
        points = _principal(values, 2)
    else:
        points = _umap(values, seed) if method == "umap" else _tsne(values, perplexity, seed)
    neighbours = min(10, (len(rows) - 1) // 2)
    trust = _trustworthiness(values, points, neighbours)
    return Projection(points, rows, method, trust, neighbours, dropped)


def embedding_map(
    values_ND: Float[np.ndarray, "N D"],
    groups_N: Sequence[object],
    *,
    rng: np.random.Generator,
    method: str = "tsne",
    limit: int = MOST_POINTS,
    caption: str = "",
) -> Figure:
    """Return the embeddings as points in the plane, coloured by group (PNG).

    A group of None or ``""`` is drawn grey as unknown, as are groups beyond the largest seven.
    The trustworthiness stands under the picture.
    """
    projection = project(values_ND, rng=rng, method=method, limit=limit)
    return map_figure(projection, groups_N, caption=caption)


def map_figure(projection: Projection, groups_N: Sequence[object], *, caption: str = "") -> Figure:
    """Return the figure of a projection that is already at hand."""
    groups = [_group(groups_N[int(i)]) for i in projection.rows_M]
    drawn, total = len(groups), len(groups_N)
    of = f"{drawn:,} of {total:,} embeddings" if drawn < total else f"{drawn:,} embeddings"
    trust = _trust_in_words(projection)
    alt = (
        f"{METHODS[projection.method]} map of {of}, coloured by "
        f"{style.listed(_largest(groups))}. {trust}"
    )

    def paint(drawing: Drawing) -> None:
        if np.isnan(projection.trustworthiness):
            return style.nothing(drawing, "Too few embeddings, or all alike")
        axes = drawing.add_subplot()
        paint_map(axes, projection, groups)
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=3,
            borderaxespad=0.4,
            borderpad=0,
            markerscale=1.6,
            handletextpad=0.1,
            fontsize=9,
        )

    words = " ".join(part for part in (caption, f"{of}; distances are cosine-like.", trust) if part)
    return style.draw(paint, width=style.WIDTH, height=500, alt=alt, caption=words, form="png")


def paint_map(axes: Axes, projection: Projection, groups: Sequence[str]) -> None:
    """Paint the points on given axes, the largest group first so that small ones lie on top."""
    largest = _largest(groups)
    of_point = np.array([g if g in largest else "" for g in groups], dtype=object)
    size = float(np.clip(6000 / max(len(groups), 1), 5, 26))
    named = [*largest, ""] if (of_point == "").any() else largest
    letters = 36 if len(named) <= 2 else 22  # of a name in the legend
    order = sorted(named, key=lambda g: (g != "", -int((of_point == g).sum())))
    for group in order:
        at = of_point == group
        i = largest.index(group) if group else -1
        axes.scatter(
            projection.points_M2[at, 0],
            projection.points_M2[at, 1],
            s=size,
            marker=style.marker(i) if group else "o",
            color=style.colour(i) if group else "#b9b4ab",
            alpha=0.8,
            linewidths=0,
            label=style.plain(group, limit=letters) if group else "other or unknown",
        )
    name = METHODS[projection.method]
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[:].set(visible=True, color=style.FAINT)
    axes.set(xlabel=f"{name} 1", ylabel=f"{name} 2")
    axes.text(
        0.995,
        0.005,
        f"trustworthiness {projection.trustworthiness:.3f}, k = {projection.neighbours}",
        transform=axes.transAxes,
        ha="right",
        va="bottom",
        fontsize=8,
        color=style.SOFT,
    )


def _trust_in_words(projection: Projection) -> str:
    if np.isnan(projection.trustworthiness):
        return "Too few embeddings, or all alike: nothing to lay flat."
    dropped = f" {projection.dropped:,} rows were not finite." if projection.dropped else ""
    return (
        f"Trustworthiness {projection.trustworthiness:.3f} "
        f"({projection.neighbours} neighbours).{dropped}"
    )


def _group(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return str(value)


def _largest(groups: Sequence[str]) -> list[str]:
    names, counts = np.unique([g for g in groups if g] or np.array([], "U1"), return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_GROUPS]
    return [str(names[i]) for i in order]


def _principal(values: Float[np.ndarray, "M D"], width: int) -> Float[np.ndarray, "M K"]:
    """Return the leading principal components, each with its largest loading positive."""
    centred = values - values.mean(0)
    left, singular, right = np.linalg.svd(centred, full_matrices=False)
    width = min(width, len(singular))
    signs = np.sign(right[np.arange(width), np.abs(right[:width]).argmax(1)])
    scores = left[:, :width] * singular[:width] * np.where(signs == 0, 1, signs)
    return scores if width > 1 else np.column_stack([scores, np.zeros(len(scores))])


def _tsne(values: Float[np.ndarray, "M D"], perplexity: float, seed: int) -> Any:
    from sklearn.manifold import TSNE

    reduced = _principal(values, 50)
    start = reduced[:, :2] / max(float(reduced[:, 0].std()), 1e-12) * 1e-4
    fitting = min(perplexity, (len(values) - 1) / 3)
    method = TSNE(2, perplexity=fitting, init=start, max_iter=STEPS, random_state=seed, n_jobs=1)
    return method.fit_transform(reduced)


def _umap(values: Float[np.ndarray, "M D"], seed: int) -> Any:
    try:
        from umap import UMAP
    except ImportError:
        raise VesaliusError(
            'a UMAP needs umap-learn: pip install "vesalius[umap]"; t-SNE and PCA need nothing more'
        ) from None
    neighbours = min(15, len(values) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed means one thread
        return UMAP(n_neighbors=neighbours, random_state=seed).fit_transform(values)


def _trustworthiness(values: Any, points: Any, neighbours: int) -> float:
    if neighbours < 1:
        return float("nan")
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(values, points, n_neighbors=neighbours))
