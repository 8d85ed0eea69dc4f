"""Files from the network, only when asked for: resumed after a break, checked, whole or absent."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any

from vesalius.core import DataError
from vesalius.core.files import sync_folder
from vesalius.data.progress import bar

BLOCK = 1 << 18
TIMEOUT = 60  # seconds without a byte
SCHEMES = ("https://", "http://127.0.0.1", "http://localhost")


def download(url: str, path: Path, *, md5: str, progress: bool = True) -> Path:
    """Download a file; a broken-off one goes on where it stopped (``.part``, by HTTP range).

    A file that is there with the right checksum is left alone.

    Raises:
        DataError: no connection, an answer that is no file, or another checksum; the message says
            where the file can be put by hand.
    """
    if not url.startswith(SCHEMES):
        raise DataError(f"{url} is not an https address")
    if path.is_file():
        if md5_of(path) == md5:
            return path
        raise DataError(f"{path} is there, but its MD5 is not {md5}: move it away first")
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _append(url, part, progress=progress)
        found = md5_of(part)
        if found != md5:
            part.unlink()
            raise DataError(f"{url}: the MD5 is {found}, not {md5}; the download was thrown away")
        part.replace(path)
        sync_folder(path.parent)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"{url} cannot be reached ({reason}); call again to go on, or put the file at {path}"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from None
    return path


def md5_of(path: Path) -> str:
    """Return the MD5 of a file in hexadecimal (the checksum that the records publish)."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as opened:
        while block := opened.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _append(url: str, part: Path, *, progress: bool) -> None:
    """Fetch what is missing of a file; where the server has no ranges, all of it again."""
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # nothing is missing: the break came after the last byte
            raise
        return
    with answer:
        goes_on = have > 0 and answer.status == 206
        length = int(answer.headers.get("Content-Length") or 0)
        have = have if goes_on else 0
        with part.open("ab" if goes_on else "wb") as target:
            _copy(answer, target, part.name.removesuffix(".part"), have, have + length,
                  progress=progress)  # fmt: skip


def _copy(
    source: Any, target: IO[bytes], name: str, done: int, total: int, *, progress: bool
) -> None:
    import os

    with bar(f"fetching {name}", total, unit="bytes", done=done, show=progress) as advance:
        while block := source.read(BLOCK):
            target.write(block)
            done += len(block)
            advance(len(block))
        target.flush()
        os.fsync(target.fileno())
    if done < total:
        raise ConnectionError(f"it broke off after {done:,} of {total:,} bytes")
