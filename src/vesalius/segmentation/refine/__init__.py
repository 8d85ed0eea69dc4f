"""From a heatmap to a mask, and from a mask to boxes and points.

``REFINERS`` are functions of a heatmap's values and its image, ``(heat_HW, image, *, settings)``;
those that need no image do not look at it. A map without a difference in it points nowhere: its
mask is empty.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vesalius.core.errors import unknown
from vesalius.segmentation.refine.components import boxes_of, largest_components, points_of
from vesalius.segmentation.refine.dense_crf import dense_crf
from vesalius.segmentation.refine.kmeans import kmeans
from vesalius.segmentation.refine.otsu import otsu

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import UInt8

    from vesalius.core import Heatmap, Mask

REFINERS = {
    "dense_crf": "vesalius.segmentation.refine.dense_crf:dense_crf",
    "kmeans": "vesalius.segmentation.refine.kmeans:kmeans",
    "otsu": "vesalius.segmentation.refine.otsu:otsu",
}

__all__ = [
    "REFINERS",
    "boxes_of",
    "dense_crf",
    "kmeans",
    "largest_components",
    "otsu",
    "points_of",
    "refine",
]


def refine(
    heatmap: "Heatmap",
    image: "UInt8[np.ndarray, 'H W ...'] | None" = None,
    *,
    method: str = "kmeans",
    keep: int | None = 1,
    **settings: Any,
) -> "Mask":
    """Return the mask that a heatmap points at: a refiner, then the largest components.

    Args:
        heatmap: values in the original image's coordinates.
        image: that image, grey or colour; ``dense_crf`` needs it.
        method: a name of ``REFINERS``.
        keep: how many components stay, all where it is None.
        settings: those of the refiner.

    Raises:
        ChoiceError: there is no such refiner.
        DataError: the map is not finite, or the image is of another size or kind.

    >>> import numpy as np
    >>> from vesalius.core import Heatmap
    >>> looked = Heatmap(np.array([[0.0, 0.1, 0.0], [0.9, 0.0, 0.0]]), "gradcam", "nodule")
    >>> mask = refine(looked)
    >>> mask.values_HW.tolist(), mask.method
    ([[False, False, False], [True, False, False]], 'gradcam, kmeans')
    """
    from vesalius.core import Mask

    if method not in REFINERS:
        raise unknown("refiner", method, REFINERS)
    module, _, function = REFINERS[method].partition(":")
    mask_HW = getattr(import_module(module), function)(heatmap.values_HW, image, **settings)
    if keep is not None:
        mask_HW = largest_components(mask_HW, keep=keep)
    return Mask(mask_HW, heatmap.target, f"{heatmap.method}, {method}")
