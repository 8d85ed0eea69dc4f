"""One map beside its reference: what localisation is scored on.

Legend: H W pixels of the original image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core import DataError, Heatmap
from vesalius.evaluation.localisation.regions import Region, region_mask

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """The map of one case for one finding, and where the finding is.

    ``heatmap`` is a :class:`~vesalius.core.Heatmap` or a plain array H × W, raw, in pixels of the
    original image. ``region`` is a :class:`~vesalius.core.Mask`, a plain mask or boxes (their
    union); None, an empty mask and no boxes mean that there is no reference: the case is left out
    and counted. ``patient_id`` None: the patient is not known.
    """

    case_id: str
    finding: str
    heatmap: Heatmap | Float[np.ndarray, "H W"]
    region: Region | None
    patient_id: str | None = None

    def arrays(self) -> tuple[Float[np.ndarray, "H W"], Bool[np.ndarray, "H W"]] | None:
        """Return the map (float64) and its region's mask; None where there is no reference.

        Raises:
            DataError: values that are not finite, no table of numbers, a region that does not fit.
        """
        if self.region is None or (not isinstance(self.region, np.ndarray) and not self.region):
            return None
        map_HW = self.map()
        try:
            region_HW = region_mask(self.region, (map_HW.shape[0], map_HW.shape[1]))
        except DataError as error:
            raise DataError(f"{self.place}: {error}") from error
        return (map_HW, region_HW) if region_HW.any() else None

    def map(self) -> Float[np.ndarray, "H W"]:
        """Return the map as float64, checked."""
        own = self.heatmap.values_HW if isinstance(self.heatmap, Heatmap) else self.heatmap
        values_HW = np.asarray(own)
        if values_HW.ndim != 2 or not values_HW.size or values_HW.dtype.kind not in "fiub":
            raise DataError(
                f"{self.place}: a map is a table of numbers H × W, not {values_HW.dtype} of shape "
                f"{values_HW.shape}"
            )
        values_HW = values_HW.astype(np.float64)
        if not np.isfinite(values_HW).all():
            raise DataError(f"{self.place}: the map has values that are not finite")
        return values_HW

    @property
    def place(self) -> str:
        return f"case {self.case_id!r}, finding {self.finding!r}"
