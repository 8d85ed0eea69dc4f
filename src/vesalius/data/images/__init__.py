"""Image files: opened safely, one at a time, as uint8 arrays.

One door for every kind, told apart by content and suffix: pictures (PNG, JPEG, BMP, TIFF; the rules
are in ``pictures``), DICOM (``dicom``) and NIfTI (``nifti``). Where a file holds several images its
address picks one: ``scan.dcm#frame=3``, ``ct.nii.gz#axial=40&window=40,400``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError, ImageError
from vesalius.data.images.address import file_of, parted
from vesalius.data.images.decoded import Decoded

if TYPE_CHECKING:
    from jaxtyping import UInt8

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
DICOM = (".dcm", ".dicom")
NIFTI = (".nii", ".nii.gz")
SUFFIXES = (*PICTURES, *DICOM, *NIFTI)
Decoder = Callable[[Path, Mapping[str, str]], Decoded]
Sizer = Callable[[Path, Mapping[str, str]], tuple[int, int]]
FIRST_GROUPS = (b"\x08\x00", b"\x02\x00")  # how a DICOM file without preamble begins


def read_image(address: str | Path) -> UInt8[np.ndarray, "..."]:
    """Return the pixels of a file, uint8, ``(H, W)`` grey or ``(H, W, 3)`` colour.

    Raises:
        ImageError: the file is missing, empty, truncated, too large or no image; the message
            names the file and the reason.
        DataError: the address picks what such a file does not have, or a package is missing.
    """
    return decode(address).pixels


def decode(address: str | Path) -> Decoded:
    """Return the pixels of a file, and the steps from its stored values to them.

    Raises:
        ImageError, DataError: as :func:`read_image`.
    """
    path, picks = _picked(address)
    decoder, _ = _doors(kind_of(path))
    return decoder(path, picks)


def image_size(address: str | Path) -> tuple[int, int]:
    """Return the width and height that a file declares, as stored, without decoding it.

    Raises:
        ImageError, DataError: as :func:`read_image`.
    """
    path, picks = _picked(address)
    _, sizer = _doors(kind_of(path))
    return sizer(path, picks)


def is_image_name(name: str) -> bool:
    """Say whether a file is an image by its name.

    >>> is_image_name("CT.nii.gz"), is_image_name("notes.txt.gz")
    (True, False)
    """
    return name.lower().endswith(SUFFIXES)


def kind_of(path: Path) -> str:
    """Return ``dicom``, ``nifti`` or ``picture``: by content, or by suffix where it says nothing.

    Raises:
        ImageError: the file is missing, empty or no file.
    """
    try:
        if path.exists() and not path.is_file():
            raise ImageError(f"{path} is not a file")
        with path.open("rb") as opened:
            head = opened.read(132)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}") from None
    if not head:
        raise ImageError(f"{path} is empty (0 bytes)")
    name = path.name.lower()
    if name.endswith(NIFTI):
        return "nifti"
    if head[128:] == b"DICM" or head[:2] in FIRST_GROUPS or name.endswith(DICOM):
        return "dicom"
    return "picture"


@dataclass(frozen=True, slots=True, eq=False)
class ImageFiles:
    """Images that lie in files under a root (an ``ImageColumn``), opened when asked for.

    ``paths`` are addresses relative to the root and may not leave it: neither by ``..`` or an
    absolute path nor through a symbolic link.
    """

    root: Path
    paths: Sequence[str] = field(repr=False)

    def __post_init__(self) -> None:
        refuse_outside(self.root, self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "..."]:
        return self.decoded(index).pixels

    def decoded(self, index: int) -> Decoded:
        """Return an image with the steps that led to its pixels."""
        return decode(self.source(index))

    def source(self, index: int) -> Path:
        """Return the address of an image: its file, and what is picked of it."""
        return under(self.root, self.paths[index])

    def name(self, index: int) -> str:
        return self.paths[index]

    def content_hash(self, index: int) -> str:
        """Return the SHA-256 of the file's bytes, and of what the address picks of it."""
        address = self.source(index)
        path = Path(file_of(str(address)))
        try:
            stat = path.stat()
            digest = _digest(str(path), stat.st_size, stat.st_mtime_ns)
        except OSError as error:
            raise ImageError(f"{path} cannot be read: {error.strerror or error}") from None
        picked = str(address).removeprefix(str(path))
        return sha256(f"{digest}{picked}".encode()).hexdigest() if picked else digest

    def take(self, indices: NDArray[np.integer]) -> ImageFiles:
        return ImageFiles(self.root, [self.paths[i] for i in indices])


def under(root: Path, address: str) -> Path:
    """Return where an address under the root lies, or refuse one that leads out through a link."""
    place = Path(root, address)
    if not is_within(os.path.realpath(file_of(str(place))), os.path.realpath(root)):
        raise leaves(root, address)
    return place


def refuse_outside(root: Path, paths: Iterable[str]) -> None:
    """Raise DataError for the first path that is absolute or climbs by ``..``."""
    for path in paths:
        if path.startswith("/") or (".." in path and ".." in Path(path).parts):
            raise leaves(root, path)


def is_within(path: str, folder: str) -> bool:
    """Say whether a resolved path is a resolved folder or lies under it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def leaves(root: Path, path: str) -> DataError:
    """Return the error for a path that leads out of the root."""
    return DataError(f"{path!r} leads out of the folder {root}; images must lie under it")


def _picked(address: str | Path) -> tuple[Path, dict[str, str]]:
    file, picks = parted(str(address))
    return Path(file), picks


def _doors(kind: str) -> tuple[Decoder, Sizer]:
    """Return what decodes a kind of file, and what reads its size; loaded when first needed."""
    if kind == "dicom":
        from vesalius.data.images.dicom import decode_dicom, dicom_size

        return decode_dicom, dicom_size
    if kind == "nifti":
        from vesalius.data.images.nifti import decode_nifti, nifti_size

        return decode_nifti, nifti_size
    from vesalius.data.images.pictures import decode_picture, picture_size

    return decode_picture, picture_size


@lru_cache(maxsize=16)
def _digest(path: str, size: int, changed: int) -> str:
    """Return the SHA-256 of a file; slices of one volume follow each other and share it."""
    with Path(path).open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()
