"""One slice of a NIfTI volume, as radiologists look at it. Only what a slice needs is read.

Whatever way the voxels are stored, the volume is taken in its nearest right-anterior-superior
order: slice 0 is the most inferior (axial), posterior (coronal) or left (sagittal). Rows run from
anterior (axial) or superior at the top; the patient's right is at the left of the picture
(radiological convention), and in sagittal slices anterior is at the left. Voxels are not resampled:
a pixel is as wide and high as its voxel. Without a window a slice is stretched between its own
percentiles 0.5 and 99.5. A ``.nii.gz`` must be unpacked up to the slice, every time.

Legend of shapes: H W pixels.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError, ImageError
from vesalius.data.images.address import number, only
from vesalius.data.images.decoded import LARGEST_PIXELS, Decoded, too_large
from vesalius.data.images.greys import TAILS, stretched, window_of, windowed

if TYPE_CHECKING:
    from jaxtyping import Float, Num

AXES = {"sagittal": 0, "coronal": 1, "axial": 2}  # the axis of right, anterior, superior
FULL = "full"
MOST_PER_BYTE = 1032  # deflate makes at most so many bytes of one
LARGEST_HEADER = 2**26  # bytes before the voxels
HEADER_BYTES = 540  # of NIfTI-2; NIfTI-1 has 348


@dataclass(frozen=True, slots=True)
class Volume:
    """A NIfTI file whose header is read: which stored axis is which, and which run backwards."""

    path: Path
    header: Any
    affine: Float[np.ndarray, "4 4"]
    stored: tuple[int, int, int]
    backwards: tuple[bool, bool, bool]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels from left to right, posterior to anterior, inferior to superior."""
        own = (*self.header.get_data_shape(), 1, 1, 1)
        return (own[self.stored[0]], own[self.stored[1]], own[self.stored[2]])

    @property
    def volumes(self) -> int:
        """How many volumes there are: time points or channels."""
        return prod(self.header.get_data_shape()[3:])

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres from voxel to voxel along the same axes."""
        own = np.sqrt((self.affine[:3, :3] ** 2).sum(0))
        return (float(own[self.stored[0]]), float(own[self.stored[1]]), float(own[self.stored[2]]))


def decode_nifti(path: Path, picks: Mapping[str, str]) -> Decoded:
    """Return the pixels of one slice (the middle axial one of the first volume by default).

    Raises:
        ImageError: the file is broken, truncated, too large or of a kind that is not read, or has
            no such slice.
        DataError: the address is none of a NIfTI file, or nibabel is not installed.
    """
    window = picks.get("window")
    with opened_volume(path) as volume:
        axis, values = slice_of(volume, picks)
        if values.dtype.names:  # colour
            colour = np.stack([values[name] for name in ("R", "G", "B")], axis=-1)
            return Decoded(np.ascontiguousarray(colour), ("NIfTI", axis, "RGB"))
        if window is None:
            grey, step = stretched(values, tails=TAILS), "stretched from percentile {} to {}"
            step = step.format(*TAILS)
        elif window == FULL:
            grey, step = stretched(values), "stretched from its minimum to its maximum"
        else:
            own = window_of(window, path)
            grey, step = windowed(values, own), str(own)
        return Decoded(np.ascontiguousarray(grey), ("NIfTI", axis, step))


def nifti_size(path: Path, picks: Mapping[str, str]) -> tuple[int, int]:
    """Return the width and height of a slice."""
    with opened_volume(path) as volume:
        axis, _ = _place(volume, picks)
        across, up = (n for i, n in enumerate(volume.shape) if i != AXES[axis])
        return across, up


@contextmanager
def opened_volume(path: Path) -> Iterator[Volume]:
    """Open a NIfTI file, once what it declares is checked against its bytes.

    Raises:
        ImageError: the file is missing, broken, truncated or too large.
        DataError: nibabel is not installed.
    """
    try:
        import nibabel
    except ImportError:
        raise DataError("NIfTI files need nibabel: pip install 'vesalius[nifti]'") from None
    try:
        header = _header(nibabel, path)
        affine = header.get_best_affine()
        yield Volume(path, header, affine, *_orientation(nibabel, path, affine))
    except DataError:
        raise
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or 'broken'}") from None
    except Exception as error:  # a broken file can raise anything; its text may quote the header
        raise ImageError(f"{path} is a broken NIfTI file ({type(error).__name__})") from None


def slice_of(volume: Volume, picks: Mapping[str, str]) -> tuple[str, Num[np.ndarray, "H W"]]:
    """Return the axis and the scaled values of a slice, as they are looked at.

    Raises:
        ImageError: there is no such slice or volume, or its values are no picture.
        DataError: the address is of two axes.
    """
    from nibabel.arrayproxy import ArrayProxy

    axis, index = _index(volume, picks)
    shape = volume.header.get_data_shape()
    later = shape[3:] or (1,)
    which = number(picks, "volume", volume.path, default=0)
    if which >= volume.volumes:
        raise ImageError(f"{volume.path} has no volume {which}; it has {volume.volumes}, from 0")
    index = index[: len(shape)]
    index += [int(i) for i in np.unravel_index(which, later, order="F")] if shape[3:] else []
    values = np.asanyarray(ArrayProxy(volume.path, volume.header)[tuple(index)])
    if np.iscomplexobj(values):
        raise ImageError(f"{volume.path} holds complex numbers, which are no picture")
    return axis, _upright(volume, AXES[axis], values)


def upright_view(
    volume: Volume, picks: Mapping[str, str], stored_XYZ: NDArray[Any]
) -> Num[np.ndarray, "H W"]:
    """Return the slice of an array in stored order as it is looked at; writing to it writes there.

    Raises:
        ImageError: there is no such slice.
        DataError: the address is of two axes.
    """
    axis, index = _index(volume, picks)
    return _upright(volume, AXES[axis], stored_XYZ[tuple(index)])


def _index(volume: Volume, picks: Mapping[str, str]) -> tuple[str, list[Any]]:
    """Return the axis of a slice, and what picks it of three dimensions in stored order."""
    axis, place = _place(volume, picks)
    own = AXES[axis]
    if volume.backwards[own]:
        place = volume.shape[own] - 1 - place
    index: list[Any] = [slice(None)] * 3
    index[volume.stored[own]] = place
    return axis, index


def _upright(volume: Volume, own: int, values: NDArray[Any]) -> NDArray[Any]:
    """Turn a slice from stored order to the one in which it is looked at."""
    first, second = (axis for axis in range(3) if axis != own)
    lengths = {volume.stored[axis]: volume.shape[axis] for axis in (first, second)}
    values = values.reshape([lengths[axis] for axis in sorted(lengths)])
    if volume.stored[first] > volume.stored[second]:
        values = values.T
    # looked at from anterior to posterior, superior to inferior, right to left: both axes backwards
    steps = tuple(slice(None, None, 1 if volume.backwards[a] else -1) for a in (first, second))
    return values[steps].T


def _place(volume: Volume, picks: Mapping[str, str]) -> tuple[str, int]:
    only(picks, (*AXES, "volume", "window"), volume.path, "a NIfTI file")
    named = [axis for axis in AXES if axis in picks] or ["axial"]
    if len(named) > 1:
        raise DataError(f"{volume.path}: a slice is {' or '.join(named)}, not both")
    depth = volume.shape[AXES[named[0]]]
    place = number(picks, named[0], volume.path, default=depth // 2)
    if place >= depth:
        raise ImageError(f"{volume.path} has no {named[0]} slice {place}; it has {depth}, from 0")
    return named[0], place


def _header(nibabel: Any, path: Path) -> Any:
    """Return a header that declares no more than its file can hold. Extensions are passed over."""
    packed = path.name.lower().endswith(".gz")
    size = path.stat().st_size
    with gzip.open(path) if packed else path.open("rb") as opened:
        block = opened.read(HEADER_BYTES)
    newer = block[4:8] in (b"n+2\0", b"ni2\0")
    kind, length = (nibabel.Nifti2Header, 540) if newer else (nibabel.Nifti1Header, 348)
    if len(block) < length:
        raise ImageError(f"{path} is truncated: it has no whole NIfTI header")
    header = kind(block[:length], check=False)
    if not bytes(header["magic"]).startswith((b"n+1", b"n+2")):
        raise ImageError(f"{path} is not a NIfTI file (.nii or .nii.gz in one file)")
    shape = tuple(int(n) for n in header.get_data_shape())
    if len(shape) < 2 or min(shape) < 1:
        raise ImageError(f"{path} declares the shape {shape}, which is no image")
    three = sorted((*shape[:3], 1)[:3])
    if three[-1] * three[-2] > LARGEST_PIXELS:
        raise too_large(path, f"slices of {three[-1]}×{three[-2]} pixels")
    before = int(header.get_data_offset())
    declared = before + prod(shape) * header.get_data_dtype().itemsize
    holds = size * MOST_PER_BYTE if packed else size
    if declared > holds or before > LARGEST_HEADER:
        words = "×".join(str(n) for n in shape)
        raise ImageError(
            f"{path} is truncated: it declares {words} voxels, {declared:,} bytes, and holds at "
            f"most {holds:,}"
        )
    sizes = np.abs(header["pixdim"][1:4])
    header["pixdim"][1:4] = np.where(sizes > 0, sizes, 1)  # some write none, or negative ones
    return header


def _orientation(
    nibabel: Any, path: Path, affine: NDArray[Any]
) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Return which stored axis is nearest to right, anterior, superior, and which run backwards."""
    if not np.isfinite(affine).all():
        raise ImageError(f"{path} has an affine that is not finite")
    nearest = nibabel.io_orientation(affine)
    if np.isnan(nearest).any():
        raise ImageError(f"{path} has an affine without three directions")
    stored = np.argsort(nearest[:, 0]).tolist()
    backwards = [bool(nearest[axis, 1] < 0) for axis in stored]
    return (stored[0], stored[1], stored[2]), (backwards[0], backwards[1], backwards[2])
