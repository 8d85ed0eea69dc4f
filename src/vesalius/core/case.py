"""One case: an image, the words about it, what is known of it.

Legend of shapes: N cases, C labels, D width, H W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from vesalius.core.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import Bool, UInt8

    from vesalius.core.heatmap import Mask


@dataclass(frozen=True, slots=True)
class Box:
    """A box around a finding, in pixels of the original image: left, top, width, height."""

    label: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Question:
    """A question about one image; ``kind`` is ``closed`` (yes/no, left/right …) or ``open``."""

    question: str
    answer: str
    kind: str = "open"


class ImageColumn(Protocol):
    """The images of a CaseSet: opened one at a time, when asked for.

    ``column[i]`` is a uint8 array, ``(H, W)`` grey or ``(H, W, 3)`` colour, and raises
    :class:`~vesalius.core.errors.ImageError` naming the file where it cannot be read.
    ``name(i)`` is what a person would look for (a path relative to the root),
    ``content_hash(i)`` a hex digest that changes whenever the pixels change.
    """

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> UInt8[np.ndarray, "..."]: ...
    def name(self, index: int) -> str: ...
    def content_hash(self, index: int) -> str: ...
    def take(self, indices: NDArray[np.integer]) -> ImageColumn: ...


class RegionColumn(Protocol):
    """Where the findings are: boxes and masks of each case, found when asked for."""

    def __len__(self) -> int: ...
    def boxes(self, index: int) -> Sequence[Box]: ...
    def masks(self, index: int) -> Mapping[str, Mask]: ...
    def take(self, indices: NDArray[np.integer]) -> RegionColumn: ...


class QuestionColumn(Protocol):
    """The questions about each case."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> tuple[Question, ...]: ...
    def take(self, indices: NDArray[np.integer]) -> QuestionColumn: ...


@dataclass(frozen=True, slots=True)
class Regions:
    """Boxes and masks that are already at hand, one entry a case (a :class:`RegionColumn`)."""

    boxes_per_case: Sequence[tuple[Box, ...]]
    masks_per_case: Sequence[Mapping[str, Mask]] | None = None

    def __len__(self) -> int:
        return len(self.boxes_per_case)

    def boxes(self, index: int) -> tuple[Box, ...]:
        return self.boxes_per_case[index]

    def masks(self, index: int) -> Mapping[str, Mask]:
        return {} if self.masks_per_case is None else self.masks_per_case[index]

    def take(self, indices: NDArray[np.integer]) -> Regions:
        masks = self.masks_per_case
        return Regions(
            [self.boxes_per_case[i] for i in indices],
            None if masks is None else [masks[i] for i in indices],
        )


@dataclass(frozen=True, slots=True, eq=False)
class ArrayImages:
    """Images that lie in one array, ``(N, H, W)`` or ``(N, H, W, 3)`` (an :class:`ImageColumn`)."""

    values: UInt8[np.ndarray, "N H W ..."]
    names: Sequence[str]

    def __post_init__(self) -> None:
        if self.values.dtype != np.uint8 or self.values.ndim not in (3, 4):
            raise DataError(
                "images in an array are uint8 of shape (N, H, W) or (N, H, W, 3), "
                f"not {self.values.dtype} of shape {self.values.shape}"
            )
        if len(self.values) != len(self.names):
            raise DataError(f"{len(self.values)} images have {len(self.names)} names")

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "H W ..."]:
        return np.asarray(self.values[index])

    def __iter__(self) -> Iterator[UInt8[np.ndarray, "H W ..."]]:
        return (self[i] for i in range(len(self)))

    def name(self, index: int) -> str:
        return self.names[index]

    def content_hash(self, index: int) -> str:
        from hashlib import sha256

        image = np.ascontiguousarray(self.values[index])
        return sha256(f"{image.shape}".encode() + image.tobytes()).hexdigest()

    def take(self, indices: NDArray[np.integer]) -> ArrayImages:
        return ArrayImages(self.values[indices], [self.names[i] for i in indices])


@dataclass(frozen=True, slots=True)
class LazyImage:
    """An image that opens when it is read; a broken file says which file and why."""

    column: ImageColumn
    index: int

    def read(self) -> UInt8[np.ndarray, "..."]:
        """Return the pixels, uint8, ``(H, W)`` or ``(H, W, 3)``."""
        return self.column[self.index]

    @property
    def name(self) -> str:
        return self.column.name(self.index)

    @property
    def content_hash(self) -> str:
        return self.column.content_hash(self.index)


@dataclass(frozen=True, slots=True)
class Case:
    """One image with what is known about it.

    A label is ``True``, ``False`` or ``None``; **None is unknown, never negative**.
    """

    case_id: str
    patient_id: str | None
    image: LazyImage
    text: str | None = None
    labels: Mapping[str, bool | None] = field(default_factory=dict)
    boxes: Sequence[Box] = ()
    masks: Mapping[str, Mask] = field(default_factory=dict)
    split: str | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()
    source: str = ""


def mask_box(label: str, mask_HW: Bool[np.ndarray, "H W"]) -> Box | None:
    """Return the tight box around a mask, or None where the mask is empty.

    >>> mask_box("nodule", np.array([[0, 0, 0], [0, 1, 1]], bool))
    Box(label='nodule', x=1.0, y=1.0, width=2.0, height=1.0)
    """
    rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
    if rows.size == 0:
        return None
    return Box(
        label,
        float(columns[0]),
        float(rows[0]),
        float(columns[-1] - columns[0] + 1),
        float(rows[-1] - rows[0] + 1),
    )
