"""Is a map faithful to the model: does what it marks carry the score?

Deletion takes pixels away, the most marked first, and insertion puts them onto an image without
content; a faithful map makes the score fall early and rise early. The score is the caller's
``predict(images) -> scores_B``, so that nothing here knows a model.

Source: Petsiuk et al. 2018 (RISE). Whether a map follows the model at all is asked by
:mod:`~vesalius.evaluation.randomisation`.

Legend: H W pixels, B images in a batch, S steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError, unknown
from vesalius.evaluation.case_values import CaseValues, tabulated

if TYPE_CHECKING:
    from jaxtyping import Float

Predict = Callable[[NDArray[Any]], ArrayLike]

PROTOCOL = "deletion_insertion/v1"
MEASURES = ("deletion_auc", "insertion_auc", "insertion_minus_deletion")
BLUR = 0.05  # standard deviation of the blurred baseline, as a share of the image's longer side


@dataclass(frozen=True, slots=True, eq=False)
class DeletionInsertion:
    """The score as pixels are taken away and put back; ``share_S`` is how many of them, 0…1."""

    share_S: Float[np.ndarray, "S"]
    deletion_S: Float[np.ndarray, "S"]
    insertion_S: Float[np.ndarray, "S"]
    baseline: str

    @property
    def deletion_auc(self) -> float:
        """The area under the deletion curve: low for a faithful map."""
        return float(np.trapezoid(self.deletion_S, self.share_S))

    @property
    def insertion_auc(self) -> float:
        """The area under the insertion curve: high for a faithful map."""
        return float(np.trapezoid(self.insertion_S, self.share_S))


@dataclass(frozen=True, slots=True)
class Explained:
    """The curves of one case and finding; ``patient_id`` None: the patient is not known."""

    case_id: str
    finding: str
    curves: DeletionInsertion
    patient_id: str | None = None


def deletion_insertion(
    predict: Predict,
    image: NDArray[Any],
    map_HW: Float[np.ndarray, "H W"],
    *,
    steps: int = 50,
    baseline: str = "blur",
    batch_size: int = 32,
    rng: int | np.random.Generator = 0,
) -> DeletionInsertion:
    """Return how the score falls when pixels are taken away and rises when they are put back.

    Args:
        predict: takes images ``(B, H, W)`` or ``(B, H, W, 3)`` of the image's type and returns
            their B scores (probabilities, cosines: whatever is to be explained).
        image: H × W, or H × W × 3.
        map_HW: what is marked, of the image's size; greater is more. Pixels of equal value come in
            random order.
        steps: the pixels go in so many parts of equal size.
        baseline: what a pixel without content holds: ``blur`` (the image blurred, σ 5 % of its
            longer side), ``mean`` (the image's mean colour) or ``zero``.
        batch_size: images scored at once.
        rng: a seed or a generator for the order of ties.

    Raises:
        DataError: sizes differ, the map or a score is not finite, or not one score an image.

    >>> image_HW = np.array([[8.0, 0.0], [0.0, 0.0]])
    >>> curves = deletion_insertion(lambda images_BHW: images_BHW.max((1, 2)) / 8, image_HW,
    ...                             image_HW, steps=4, baseline="zero")
    >>> curves.deletion_S.tolist(), curves.insertion_S.tolist(), curves.deletion_auc
    ([1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0, 1.0], 0.125)
    """
    image, map_HW = np.asarray(image), np.asarray(map_HW)
    _check(image, map_HW, steps, batch_size)
    empty = _without_content(image, baseline)
    order = _order(map_HW, np.random.default_rng(rng))
    counts_S = np.unique(np.round(np.linspace(0, order.size, steps + 1)).astype(int))

    def images() -> Iterator[NDArray[Any]]:
        for under, over in ((image, empty), (empty, image)):
            for count in counts_S:
                mixed = under.copy()
                rows, columns = np.unravel_index(order[:count], map_HW.shape)
                mixed[rows, columns] = over[rows, columns]
                yield mixed

    scores = _scored(predict, images(), batch_size)
    share_S = counts_S / order.size
    return DeletionInsertion(share_S, scores[: len(counts_S)], scores[len(counts_S) :], baseline)


def faithfulness_values(rows: Iterable[Explained], *, method: str = "") -> CaseValues:
    """Return the table of both areas and of insertion − deletion, which is what a map must raise.

    The areas of different images are compared for one model and baseline only.
    """
    rows = list(rows)
    baselines = sorted({row.curves.baseline for row in rows})
    if len(baselines) > 1:
        raise DataError(f"curves of different baselines do not compare: {', '.join(baselines)}")
    areas = [(row.curves.deletion_auc, row.curves.insertion_auc) for row in rows]
    notes = {(m, f): f"baseline {b}" for b in baselines for m in MEASURES
             for f in {"", *(row.finding for row in rows)}}  # fmt: skip
    return tabulated(
        rows,
        [(deleted, inserted, inserted - deleted) for deleted, inserted in areas],
        MEASURES,
        method=method,
        protocol=PROTOCOL,
        left_out={},
        notes=notes,
    )


def _check(image: NDArray[Any], map_HW: NDArray[Any], steps: int, batch_size: int) -> None:
    if image.ndim not in (2, 3) or image.shape[:2] != map_HW.shape or not image.size:
        raise DataError(
            f"an image H × W or H × W × 3 and its map H × W are needed, not {image.shape} and "
            f"{map_HW.shape}"
        )
    if not np.isfinite(map_HW).all():
        raise DataError("the map has values that are not finite")
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        if value < 1:
            raise DataError(f"{name} is {value}; it must be 1 or more")


def _without_content(image: NDArray[Any], baseline: str) -> NDArray[Any]:
    """Return the image that holds nothing, in the image's own type."""
    whole = image.astype(np.float64)
    if baseline == "zero":
        empty = np.zeros_like(whole)
    elif baseline == "mean":
        empty = np.broadcast_to(whole.mean((0, 1)), whole.shape)
    elif baseline == "blur":
        from scipy.ndimage import gaussian_filter

        empty = gaussian_filter(whole, BLUR * max(image.shape[:2]), axes=(0, 1))
    else:
        raise unknown("baseline", baseline, ("blur", "mean", "zero"))
    if np.issubdtype(image.dtype, np.integer):
        empty = np.round(empty)
    return np.asarray(empty).astype(image.dtype)


def _order(map_HW: NDArray[Any], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the pixels from most to least marked, those of equal value shuffled."""
    shuffled = rng.permutation(map_HW.size)
    return shuffled[np.argsort(-map_HW.ravel()[shuffled].astype(np.float64), kind="stable")]


def _scored(
    predict: Predict, images: Iterator[NDArray[Any]], batch_size: int
) -> Float[np.ndarray, "B"]:
    """Return the scores of all images, so many at a time."""
    scores: list[NDArray[np.float64]] = []
    while batch := list(islice(images, batch_size)):
        own_B = np.asarray(predict(np.stack(batch)), dtype=np.float64)
        if own_B.shape != (len(batch),) or not np.isfinite(own_B).all():
            raise DataError(
                f"predict must give {len(batch)} finite scores for {len(batch)} images, not shape "
                f"{own_B.shape}" + ("" if np.isfinite(own_B).all() else " with NaN or infinity")
            )
        scores.append(own_B)
    return np.concatenate(scores)
