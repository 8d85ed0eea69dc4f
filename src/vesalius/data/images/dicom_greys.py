"""DICOM's grey pipeline: modality LUT or rescale → VOI LUT or window → MONOCHROME1 inverted.

DICOM PS3.3, C.11.1 and C.11.2; enhanced files say it a frame at a time in functional groups.
Legend of shapes: H W pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError, ImageError
from vesalius.data.images.greys import Window, stretched, window_of, windowed

if TYPE_CHECKING:
    from jaxtyping import Bool, UInt8

FULL = "full"  # asks for no window: from the image's minimum to its maximum


def dicom_greys(
    path: Path, elements: Any, values_HW: NDArray[Any], *, frame: int, window: str | None
) -> tuple[UInt8[np.ndarray, "H W"], tuple[str, ...]]:
    """Return the greys of a frame's stored values, and the steps.

    Args:
        path: of the file, for errors.
        elements: of the header.
        values_HW: what is stored.
        frame: counted from 1; enhanced files have a window for each.
        window: None for the file's own, else ``full``, its number, or ``centre,width``.

    Raises:
        ImageError: there is no such window.
        DataError: the window is asked for in none of its forms.
    """
    padding_HW = _padding(elements, values_HW)
    values_HW, steps = _modality(elements, values_HW, frame)
    grey_HW, voi = _voi(path, elements, values_HW, ~padding_HW, frame, window, bool(steps))
    steps = [*steps, voi]
    if elements.PhotometricInterpretation == "MONOCHROME1":
        grey_HW = 255 - grey_HW
        steps.append("MONOCHROME1 inverted")
    if padding_HW.any():
        grey_HW[padding_HW] = 0
        steps.append("padding black")
    return grey_HW, tuple(steps)


def check_window(asked: str, where: object) -> str:
    """Return a window as it is asked for, or raise DataError where it is none of the forms."""
    if "," in asked:
        window_of(asked, where)
    elif asked != FULL and not (asked.isascii() and asked.isdecimal() and int(asked)):
        raise DataError(
            f"{where}: window={asked!r} is not full, centre,width or the number of a window"
        )
    return asked


def _modality(elements: Any, values_HW: NDArray[Any], frame: int) -> tuple[NDArray[Any], list[str]]:
    """Bring stored values to the modality's own (Hounsfield units, say)."""
    if elements.get("ModalityLUTSequence"):
        looked_HW, _ = _looked_up(elements, elements.ModalityLUTSequence[0], values_HW)
        return looked_HW, ["modality LUT"]
    own = _of_frame(elements, "PixelValueTransformationSequence", frame)
    slope, intercept = own.get("RescaleSlope"), own.get("RescaleIntercept")
    slope = 1.0 if slope is None else float(slope)
    intercept = 0.0 if intercept is None else float(intercept)
    if (slope, intercept) == (1.0, 0.0):
        return values_HW, []
    return values_HW * slope + intercept, [f"rescale {slope:g}/{intercept:g}"]


def _voi(
    path: Path,
    elements: Any,
    values_HW: NDArray[Any],
    among_HW: Bool[np.ndarray, "H W"],
    frame: int,
    asked: str | None,
    rescaled: bool,
) -> tuple[UInt8[np.ndarray, "H W"], str]:
    """Bring a modality's values to greys, as asked, else as the file says, else as they are."""
    if asked is None and elements.get("VOILUTSequence"):
        item = elements.VOILUTSequence[0]
        looked_HW, bits = _looked_up(elements, item, values_HW)
        return _of_bits(looked_HW, bits), "VOI LUT"
    window = _window(path, _windows(elements, frame), asked)
    if window is not None:
        return windowed(values_HW, window), str(window)
    bits = int(elements.get("BitsStored") or elements.get("BitsAllocated"))
    if asked is None and not rescaled and values_HW.dtype.kind == "u" and bits <= 8:
        return _of_bits(values_HW, bits), f"{bits} bit as stored"
    return stretched(values_HW, among_HW=among_HW), "stretched from its minimum to its maximum"


def _of_bits(values_HW: NDArray[Any], bits: int) -> UInt8[np.ndarray, "H W"]:
    """Return values of so many bits as 8-bit ones."""
    return (values_HW * (255 / (2**bits - 1))).round().clip(0, 255).astype(np.uint8)


def _window(path: Path, own: list[Window], asked: str | None) -> Window | None:
    """Return the window that is asked for, else the file's first; None for the full range."""
    if asked == FULL:
        return None
    if asked is None:
        return own[0] if own and own[0].usable else None
    if "," in asked:
        return window_of(asked, path)
    place = int(check_window(asked, path)) - 1
    if place >= len(own):
        raise ImageError(f"{path}: there is no window {asked}; it has {len(own)}")
    return own[place] if own[place].usable else None


def _windows(elements: Any, frame: int) -> list[Window]:
    own = _of_frame(elements, "FrameVOILUTSequence", frame)
    centres, widths = _several(own.get("WindowCenter")), _several(own.get("WindowWidth"))
    curve = own.get("VOILUTFunction") or "LINEAR"
    curve = curve if curve in ("LINEAR_EXACT", "SIGMOID") else "LINEAR"
    return [Window(c, w, curve) for c, w in zip(centres, widths, strict=False)]


def _of_frame(elements: Any, group: str, frame: int) -> Any:
    """Return the elements that hold for a frame: its own group, the shared one, or the file's."""
    per_frame = elements.get("PerFrameFunctionalGroupsSequence") or []
    shared = elements.get("SharedFunctionalGroupsSequence") or []
    for item in (*per_frame[frame - 1 : frame], *shared[:1]):
        if item.get(group):
            return item[group].value[0]
    return elements


def _several(value: Any) -> list[float]:
    if value is None or value == "":
        return []
    return [float(v) for v in value] if np.ndim(value) else [float(value)]


def _looked_up(elements: Any, item: Any, values_HW: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Return a LUT's entries for values, and its bits; values outside get the nearest entry."""
    entries, first, bits = (int(n) for n in item.LUTDescriptor)
    data = item.LUTData
    if isinstance(data, bytes):
        order = "<" if elements.original_encoding[1] else ">"
        data = np.frombuffer(data, f"{order}u2")
    table = np.atleast_1d(np.asarray(data, dtype=np.uint16))[: entries or 2**16]
    places_HW = (np.rint(values_HW).astype(np.int64) - first).clip(0, len(table) - 1)
    return table[places_HW], bits


def _padding(elements: Any, values_HW: NDArray[Any]) -> Bool[np.ndarray, "H W"]:
    """Say which stored values mean that nothing was imaged."""
    value, limit = elements.get("PixelPaddingValue"), elements.get("PixelPaddingRangeLimit")
    if not isinstance(value, int) or values_HW.dtype.kind == "f":
        return np.zeros(values_HW.shape, bool)
    ends = np.array([value, limit if isinstance(limit, int) else value])
    low, high = np.sort(ends.astype(values_HW.dtype))  # 63536 in a signed image is −2000
    return (values_HW >= low) & (values_HW <= high)
