"""Text files: decoded as what they are, unpacked where they are gzipped, bounded either way."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from codecs import getincrementaldecoder
from pathlib import Path
from typing import Any, TextIO

from vesalius.core import DataError

LARGEST_BYTES = 4 << 30  # of a text, unpacked; the largest published table has a tenth of it
LARGEST_RATIO = 200  # unpacked to packed; tables reach about 30, a gzip bomb 1,000
WORTH_A_RATIO = 16 << 20  # bytes below which no ratio is asked after: a small bomb does no harm
CHUNK = 1 << 20


def read_text(path: Path) -> str:
    """Return a file's text: UTF-8 with or without a byte-order mark, UTF-16 with one.

    What is neither is read as Windows-1252, which old spreadsheets write. ``.gz`` is unpacked.

    Raises:
        DataError: the file is missing, not text, or a gzip bomb.
    """
    with open_text(path) as opened:
        return opened.read()


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        DataError: the file is missing, not text, or no valid JSON.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from None


def open_text(path: Path) -> TextIO:
    """Open a text as :func:`read_text` reads it, to be read line by line, line ends as they are.

    It is known to decode, so that reading it raises nothing; only its bytes are in memory.
    """
    raw = _unpacked(path) if path.suffix.lower() == ".gz" else _bytes(path)
    wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        if _decodes(raw, encoding):
            return io.TextIOWrapper(io.BytesIO(raw), encoding=encoding, newline="")
    raise DataError(f"{path} is not a text file in UTF-8 or Windows-1252")


def _decodes(raw: bytes, encoding: str) -> bool:
    """Say whether bytes are text, a piece at a time: one wide letter makes a whole str wide."""
    decoder = getincrementaldecoder(encoding)()
    view = memoryview(raw)
    try:
        for start in range(0, len(raw), CHUNK):
            if "\0" in decoder.decode(bytes(view[start : start + CHUNK])):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise DataError(f"{path} has more than {LARGEST_BYTES:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


def _unpacked(path: Path) -> bytes:
    """Return what a gzip file holds, given up as soon as it is more than a text can be."""
    unpacked = bytearray()
    try:
        most = min(LARGEST_BYTES, max(WORTH_A_RATIO, LARGEST_RATIO * path.stat().st_size))
        with gzip.open(path) as packed:
            while chunk := packed.read(CHUNK):
                unpacked += chunk
                if len(unpacked) > most:
                    raise DataError(f"{path} unpacks to more than {most:,} bytes: a gzip bomb?")
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be unpacked: {reason}") from None
    return bytes(unpacked)
