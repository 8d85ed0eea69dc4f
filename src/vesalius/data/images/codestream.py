"""How large a compressed image says it is, read from its own first markers, without decoding."""

from __future__ import annotations

import struct

JPEG_2000 = b"\xff\x4f\xff\x51"  # start of codestream, then the SIZ marker
JPEG = b"\xff\xd8"
FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7)


def coded_size(coded: bytes) -> tuple[int, int] | None:
    """Return the width and height of a JPEG, JPEG-LS or JPEG 2000 stream; None for another.

    Sources: ITU-T T.81 (SOFn), T.87 (SOF55), T.800 (SIZ).
    """
    start = coded.find(JPEG_2000, 0, 1024)  # it may stand in boxes
    if start >= 0 and len(coded) >= start + 24:
        right, bottom, left, top = struct.unpack_from(">4I", coded, start + 8)
        return right - left, bottom - top
    return _jpeg_size(coded) if coded.startswith(JPEG) else None


def _jpeg_size(coded: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(coded):
        if coded[place] != 0xFF:
            return None
        marker = coded[place + 1]
        if marker in FRAMES:
            height, width = struct.unpack_from(">2H", coded, place + 5)
            return width, height
        if marker == 0xFF:  # a fill byte
            place += 1
        else:
            place += 2 + int(struct.unpack_from(">H", coded, place + 2)[0])
    return None
