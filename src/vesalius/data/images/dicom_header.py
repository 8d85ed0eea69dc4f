"""The header of a DICOM file: only the elements that are asked for, checked before any pixel.

What is not asked for is passed over unread, so nothing that names a patient is in memory at all.
Errors name the file and the element's keyword, never a value that was text.
"""

from __future__ import annotations

import io
import logging
import os
import re
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, BinaryIO

from vesalius.core import DataError, ImageError
from vesalius.data.images.decoded import LARGEST_PIXELS, too_large
from vesalius.data.images.sized_file import SizedFile

COLOURS = ("Red", "Green", "Blue")
PALETTE = tuple(
    f"{kind}{colour}PaletteColorLookupTable{part}"
    for colour in COLOURS
    for kind, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
)
ELEMENTS = (
    "SpecificCharacterSet", "Modality", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "VOILUTFunction",
    "ModalityLUTSequence", "VOILUTSequence", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
    *PALETTE,
)  # fmt: skip
PIXEL_KEYWORDS = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}
UNDEFINED = 0xFFFFFFFF  # the length of encapsulated (compressed) pixel data
DEFLATED = "1.2.840.10008.1.2.1.99"
LARGEST_INFLATED = 2**29  # bytes
QUIET = ("ignore", None, Warning, re.compile(r"pydicom\b"), 0)  # a filter of warnings
LEAST_FRAGMENT = 10  # bytes: an item's tag and length, and two of data


@dataclass(frozen=True, slots=True)
class Pixels:
    """Where the pixel data of an open file are: offset and length in bytes, and of which kind."""

    keyword: str
    vr: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Header:
    """An open DICOM file: its elements (a pydicom ``Dataset``), syntax and pixel data, if any."""

    path: Path
    stream: BinaryIO
    elements: Any
    syntax: Any
    pixels: Pixels | None

    def number(self, keyword: str, *, default: int | None = None) -> int:
        """Return a whole number of the header.

        Raises:
            ImageError: it is missing without a default, or no whole number.
        """
        try:
            value = self.elements.get(keyword)
            if value is None or value == "":
                if default is not None:
                    return default
                raise ImageError(f"{self.path} has no {keyword}")
            return int(value)
        except (TypeError, ValueError, NotImplementedError):
            raise ImageError(f"{self.path}: {keyword} is not a whole number") from None


@contextmanager
def opened_header(path: Path, *, more: Iterable[str] = ()) -> Iterator[Header]:
    """Open a DICOM file and read the elements that say how pixels become an image.

    Args:
        path: the file.
        more: keywords of further elements to read.

    Raises:
        ImageError: the file is missing or broken.
        DataError: pydicom is not installed.
    """
    pydicom = pydicom_package()
    try:
        with SizedFile(path) as file:
            yield _header(pydicom, path, file, (*ELEMENTS, *more))
    except DataError:
        raise
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or 'broken'}") from None
    except Exception as error:  # its text may quote the header
        raise ImageError(f"{path} is a broken DICOM file ({type(error).__name__})") from None


def check_declared(header: Header) -> Pixels:
    """Check what a header declares of its pixels against the bytes that are there.

    Raises:
        ImageError: there are no pixel data, or fewer than declared, or the size is absurd.
    """
    path, number, pixels = header.path, header.number, header.pixels
    if pixels is None:
        raise ImageError(f"{path} has no pixel data{_modality(header)}")
    rows, columns, frames = number("Rows"), number("Columns"), number("NumberOfFrames", default=1)
    samples, bits = number("SamplesPerPixel", default=1), number("BitsAllocated")
    if min(rows, columns) < 1 or frames < 0:
        raise ImageError(f"{path} declares {columns}×{rows} pixels in {frames} frames")
    if samples not in (1, 3) or bits not in (1, 8, 16, 32, 64):
        raise ImageError(f"{path}: {samples} samples a pixel of {bits} bits are not read")
    if rows * columns > LARGEST_PIXELS:
        raise too_large(path, f"{columns}×{rows} pixels")
    frames = max(frames, 1)  # 0 is written by some for one
    size = os.fstat(header.stream.fileno()).st_size if _is_file(header) else _length(header)
    there = size - pixels.offset
    if pixels.length == UNDEFINED:
        declared = frames * LEAST_FRAGMENT
    else:
        there = min(there, pixels.length)
        declared = ceil(rows * columns * samples * bits * frames / 8)
        if header.elements.get("PhotometricInterpretation") == "YBR_FULL_422":
            declared = declared * 2 // 3
    if there < declared:
        raise ImageError(
            f"{path} is truncated: it declares {columns}×{rows} pixels in {frames:,} frames, "
            f"at least {declared:,} bytes, and has {max(there, 0):,}"
        )
    return pixels


def pydicom_package() -> Any:
    """Import pydicom; its warnings, which quote values of the header, are switched off.

    Raises:
        DataError: it is not installed.
    """
    try:
        import pydicom
        import pydicom.filereader
    except ImportError:
        raise DataError("DICOM files need pydicom: pip install 'vesalius[dicom]'") from None
    if warnings.filters[:1] != [QUIET]:  # as a rule it is: threads then change nothing
        warnings.filterwarnings("ignore", module=QUIET[3].pattern)
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    return pydicom


def _header(pydicom: Any, path: Path, file: BinaryIO, keywords: Iterable[str]) -> Header:
    where: list[tuple[int, str | None, int]] = []

    def at_pixels(tag: int, vr: str | None, length: int) -> bool:
        if tag in PIXEL_KEYWORDS:
            where.append((tag, vr, length))
        return tag in PIXEL_KEYWORDS

    file, deflated = _inflated(path, file)
    elements = pydicom.filereader.read_partial(
        file,
        stop_when=at_pixels,
        force=True,
        specific_tags=[pydicom.tag.Tag(keyword) for keyword in keywords],
    )
    if not len(elements) and not where and not len(elements.file_meta):
        raise ImageError(f"{path} is not a readable DICOM file")
    pixels = None
    if where:
        tag, vr, length = where[0]
        offset = file.tell() + (8 if vr is None else 12)  # past tag, type and length
        pixels = Pixels(PIXEL_KEYWORDS[tag], vr or "OW", offset, length)
    return Header(path, file, elements, deflated or _syntax(pydicom, elements), pixels)


def _syntax(pydicom: Any, elements: Any) -> Any:
    """Return the transfer syntax, or what was found by reading where the file does not say."""
    said = elements.file_meta.get("TransferSyntaxUID")
    if said:
        return said
    implicit, little = elements.original_encoding
    if implicit:
        return pydicom.uid.ImplicitVRLittleEndian
    return pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian


def _inflated(path: Path, file: BinaryIO) -> tuple[BinaryIO, Any]:
    """Return the stream to read and, where it was deflated, the syntax that is inside."""
    head = file.read(1024)
    file.seek(0)
    if DEFLATED.encode() not in head:
        return file, None
    from pydicom.filereader import read_file_meta_info as read_meta
    from pydicom.filereader import read_preamble
    from pydicom.uid import ExplicitVRLittleEndian

    meta = read_meta(path)
    read_preamble(file, force=True)
    file.seek(12 + meta.FileMetaInformationGroupLength, os.SEEK_CUR)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inside = inflater.decompress(file.read(), LARGEST_INFLATED)
    if inflater.unconsumed_tail:
        raise too_large(path, f"more than {LARGEST_INFLATED:,} bytes, deflated")
    return io.BytesIO(inside), ExplicitVRLittleEndian


def _is_file(header: Header) -> bool:
    return not isinstance(header.stream, io.BytesIO)


def _length(header: Header) -> int:
    return header.stream.seek(0, os.SEEK_END)


def _modality(header: Header) -> str:
    modality = header.elements.get("Modality")
    known = ("SR", "PR", "KO", "RTSTRUCT", "RTPLAN", "REG", "ECG", "DOC", "AU")
    return f" ({modality})" if modality in known else ""
