"""Files that are whole or absent: temp file → fsync → replace → fsync of the folder."""

import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

from vesalius.core.errors import VesaliusError


def write_atomic(path: Path, write: bytes | str | Callable[[Path], object]) -> Path:
    """Write a file so that a kill, a full disk or a read-only folder leaves the old one intact.

    ``write`` is the content, or a function that writes to the temporary path that it is given.
    """
    path = Path(path)
    temporary = path.parent / f".{path.name}.{token_hex(8)}{path.suffix}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        if callable(write):
            write(temporary)
        else:
            temporary.write_bytes(write.encode() if isinstance(write, str) else write)
        with temporary.open("rb+") as opened:
            os.fsync(opened.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise VesaliusError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def write_json(path: Path, value: Any) -> Path:
    """Write plain values as readable JSON, atomically. NaN is refused: JSON cannot hold it."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return write_atomic(path, text + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; a missing or broken one is an error that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise VesaliusError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise VesaliusError(f"{path} is not valid JSON: {error}") from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last through a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def slug(name: str) -> str:
    """Return a name as a file name: lower-case letters, digits and single dashes.

    >>> slug("zero-shot, prompt pairs")
    'zero-shot-prompt-pairs'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"
