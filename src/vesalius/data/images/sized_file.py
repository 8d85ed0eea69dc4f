"""A file that makes no room for more bytes than it has.

Decoders ask for as many bytes as a damaged file says that a part of it is long, and Python makes
room for them before it looks how many there are.
"""

from __future__ import annotations

import io
import os
from pathlib import Path


class SizedFile(io.BufferedReader):
    """A file opened for reading; to be closed, or used in a ``with`` statement."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to so many bytes."""
        if size is not None and size > io.DEFAULT_BUFFER_SIZE:
            size = min(size, max(os.fstat(self.fileno()).st_size - self.tell(), 0))
        return super().read(size)
