"""One DICOM image: from stored values to 256 greys or colours, each step recorded.

Grey goes modality LUT or rescale → VOI LUT or window → MONOCHROME1 inverted (PS3.3, C.11 and
PS3.4, N.2). The file's VOI LUT is taken, else its first window; an address may ask for another
(``window=2``), for ``window=centre,width`` or for ``window=full``. Without any of them 8-bit images
stay as stored, and deeper ones are stretched from their minimum to their maximum. Padding is black.
Of colour with more than 8 bits the high byte is kept. Overlays and annotations are not drawn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError, ImageError
from vesalius.data.images.address import number, only
from vesalius.data.images.codestream import coded_size
from vesalius.data.images.decoded import Decoded, check_pixels
from vesalius.data.images.dicom_greys import dicom_greys
from vesalius.data.images.dicom_header import (
    UNDEFINED,
    Header,
    Pixels,
    check_declared,
    opened_header,
)

if TYPE_CHECKING:
    from jaxtyping import UInt8

RLE = "1.2.840.10008.1.2.5"
RUST_PANIC = "PanicException"  # pylibjpeg-rle's, on damaged data; it is no Exception
PACK_BITS = 64  # bytes, at most, that RLE makes of one
GREYS = ("MONOCHROME1", "MONOCHROME2")


def decode_dicom(path: Path, picks: Mapping[str, str]) -> Decoded:
    """Return the pixels of one frame and the steps that led to them.

    Raises:
        ImageError: the file is broken, truncated, too large, without pixels, or of a kind that
            is not read. No value of the header that is text stands in the message.
        DataError: the address picks what a DICOM file does not have, or pydicom is missing.
    """
    only(picks, ("frame", "window"), path, "a DICOM file")
    frame, window = number(picks, "frame", path, default=1), picks.get("window")
    with opened_header(path) as header:
        values, kind = _frame(header, check_declared(header), frame)
        if kind in GREYS:
            pixels, steps = dicom_greys(path, header.elements, values, frame=frame, window=window)
        elif kind == "PALETTE COLOR":
            pixels, steps = _painted(header, values)
        else:
            pixels, steps = _high_byte(values, header.number("BitsStored"))
            stored = str(header.elements.PhotometricInterpretation)
            steps = (stored if stored == "RGB" else f"{stored} to RGB", *steps)
        return Decoded(np.ascontiguousarray(pixels), ("DICOM", _syntax_name(header), *steps))


def dicom_size(path: Path, picks: Mapping[str, str]) -> tuple[int, int]:
    """Return the width and height that a DICOM file declares."""
    only(picks, ("frame", "window"), path, "a DICOM file")
    with opened_header(path) as header:
        check_declared(header)
        return header.number("Columns"), header.number("Rows")


def _frame(header: Header, pixels: Pixels, frame: int) -> tuple[NDArray[Any], str]:
    """Return the stored values of a frame, and their photometric interpretation."""
    from pydicom.pixels import as_pixel_options, get_decoder

    path, frames = header.path, max(header.number("NumberOfFrames", default=1), 1)
    if not 1 <= frame <= frames:
        raise ImageError(f"{path} has no frame {frame}; it has {frames}, counted from 1")
    try:
        decoder = get_decoder(header.syntax)
    except NotImplementedError:
        raise ImageError(f"{path}: {_syntax_name(header)!r} is not read") from None
    if not decoder.is_available:
        raise DataError(f"{path}: {_syntax_name(header)!r} needs pip install 'vesalius[dicom]'")
    options = as_pixel_options(
        header.elements, pixel_keyword=pixels.keyword, pixel_vr=pixels.vr, number_of_frames=frames
    )
    if pixels.length == UNDEFINED:
        _check_coded(header, pixels, frame, options)
    header.stream.seek(pixels.offset)
    try:
        values, properties = decoder.as_array(header.stream, index=frame - 1, **options)
    except BaseException as error:  # its text may quote the header
        if not isinstance(error, Exception) and type(error).__name__ != RUST_PANIC:
            raise
        raise ImageError(f"{path}: its pixels ({_syntax_name(header)}) do not decode") from None
    kind = str(properties["photometric_interpretation"])
    if kind not in (*GREYS, "PALETTE COLOR", "RGB"):
        raise ImageError(f"{path}: this PhotometricInterpretation is not read")
    return values, kind


def _check_coded(header: Header, pixels: Pixels, frame: int, options: Mapping[str, Any]) -> None:
    """Raise ImageError where a compressed frame is a bomb: larger than is declared or can be."""
    from pydicom.encaps import get_frame

    header.stream.seek(pixels.offset)
    coded = get_frame(
        header.stream,
        frame - 1,
        extended_offsets=options.get("extended_offsets"),
        number_of_frames=options["number_of_frames"],
    )
    declared, found = (header.number("Columns"), header.number("Rows")), coded_size(coded)
    check_pixels(header.path, *declared, size=len(coded))
    packed = PACK_BITS * len(coded)
    if header.syntax == RLE and packed * 8 < prod(declared) * header.number("BitsAllocated"):
        raise ImageError(f"{header.path} is truncated: its RLE data unpack to {packed:,} bytes")
    if found is not None and found != declared:
        raise ImageError(
            f"{header.path} declares {declared[0]}×{declared[1]} pixels, its compressed data "
            f"{found[0]}×{found[1]}"
        )


def _high_byte(
    values: NDArray[Any], bits: int
) -> tuple[UInt8[np.ndarray, "H W 3"], tuple[str, ...]]:
    """Return colour as uint8; of deeper colour the high byte."""
    if bits <= 8:
        return values.astype(np.uint8), ()
    return (values >> (bits - 8)).astype(np.uint8), (f"{bits} bit, high byte kept",)


def _painted(header: Header, indices_HW: NDArray[Any]) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return the colours of a palette."""
    from pydicom.pixels import apply_color_lut

    colours = apply_color_lut(indices_HW, header.elements)[..., :3]
    bits = 8 * colours.itemsize if colours.max() > 255 else 8  # 8-bit entries in 16-bit words
    return _high_byte(colours, bits)[0], ("palette to colour",)


def _syntax_name(header: Header) -> str:
    """Return a transfer syntax in short: ``JPEG 2000``, ``RLE Lossless``, ``uncompressed``."""
    from pydicom.uid import UID

    syntax = UID(header.syntax)
    if syntax.is_private or not syntax.is_transfer_syntax:
        return "a private transfer syntax"
    if not syntax.is_compressed:
        return "uncompressed"
    return re.split(r" Image Compression| \(|,", syntax.name)[0]
