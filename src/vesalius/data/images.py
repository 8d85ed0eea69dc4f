"""Image files: opened safely, one at a time, as uint8 arrays.

PNG, JPEG, BMP and TIFF are read, the first frame of each. The rules:

- grey stays ``(H, W)``, colour becomes ``(H, W, 3)``; a palette counts as colour, one bit as grey;
- transparency is laid over black and dropped; a single transparent colour counts in palettes only;
- 16-bit, 32-bit and float grey is stretched from its own finite minimum and maximum to 0–255 (a
  flat image becomes 0); of 16-bit colour the high byte is kept;
- the EXIF orientation is applied, so that arrays stand as viewers show them;
- the declared size is checked before anything is decoded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError, ImageError

if TYPE_CHECKING:
    from jaxtyping import UInt8

LARGEST_PIXELS = 178_956_970  # Pillow's own bound of a decompression bomb
FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def read_image(path: str | Path) -> UInt8[np.ndarray, "..."]:
    """Return the pixels of a file, uint8, ``(H, W)`` grey or ``(H, W, 3)`` colour.

    Raises:
        ImageError: the file is missing, empty, truncated, too large or no image; the message
            names the file and the reason.
    """
    from PIL import ImageOps

    with opened(Path(path)) as image:
        image.load()
        return _uint8(ImageOps.exif_transpose(image))


def decode_image(content: bytes, name: str) -> UInt8[np.ndarray, "..."]:
    """Return the pixels of an image file's bytes, as :func:`read_image`; errors say ``name``."""
    from PIL import ImageOps

    with opened(Path(name), content) as image:
        image.load()
        return _uint8(ImageOps.exif_transpose(image))


def image_size(path: str | Path) -> tuple[int, int]:
    """Return the width and height that a file declares, as stored, without decoding it.

    Raises:
        ImageError: as :func:`read_image`.
    """
    with opened(Path(path)) as image:
        width, height = image.size
        return width, height


@dataclass(frozen=True, slots=True, eq=False)
class ImageFiles:
    """Images that lie in files under a root (an ``ImageColumn``), opened when asked for.

    ``paths`` are relative to the root and may not leave it: neither by ``..`` or an absolute path
    nor through a symbolic link.
    """

    root: Path
    paths: Sequence[str] = field(repr=False)

    def __post_init__(self) -> None:
        refuse_outside(self.root, self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "..."]:
        return read_image(self._file(index))

    def name(self, index: int) -> str:
        return self.paths[index]

    def content_hash(self, index: int) -> str:
        """Return the SHA-256 of the file's bytes."""
        path = self._file(index)
        try:
            return sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise ImageError(f"{path} cannot be read: {error.strerror or error}") from None

    def take(self, indices: NDArray[np.integer]) -> ImageFiles:
        return ImageFiles(self.root, [self.paths[i] for i in indices])

    def _file(self, index: int) -> Path:
        return under(self.root, self.paths[index])


def under(root: Path, path: str) -> Path:
    """Return where a path under the root lies, or refuse one that leads out through a link."""
    place = Path(root, path)
    if not is_within(os.path.realpath(place), os.path.realpath(root)):
        raise leaves(root, path)
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


@contextmanager
def opened(path: Path, content: bytes | None = None) -> Iterator[Any]:
    """Open a file as an image of a size that is safe to decode; name the file in every error."""
    from PIL import Image, UnidentifiedImageError

    try:
        if content == b"" or (content is None and path.is_file() and path.stat().st_size == 0):
            raise ImageError(f"{path} is empty (0 bytes)")
        if content is None and path.exists() and not path.is_file():
            raise ImageError(f"{path} is not a file")
        source = path if content is None else BytesIO(content)
        with Image.open(source, formats=FORMATS) as image:
            width, height = image.size
            if width * height > LARGEST_PIXELS:
                raise _too_large(path, f"{width}×{height} pixels")
            yield image
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{path} is not a readable image ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError:
        raise _too_large(path, "too many pixels") from None
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a broken file can raise anything in a decoder
        raise ImageError(f"{path} is broken: {error or type(error).__name__}") from None


def _too_large(path: Path, what: str) -> ImageError:
    return ImageError(f"{path} declares {what}; at most {LARGEST_PIXELS:,} are decoded")


def _uint8(image: Any) -> UInt8[np.ndarray, "..."]:
    """Bring any of Pillow's modes to uint8 grey or colour, in an array of our own."""
    if image.mode in ("L", "RGB"):
        return np.array(image)
    if image.mode.startswith("I") or image.mode == "F":
        return _stretched(np.asarray(image, dtype=np.float64))
    if image.mode == "1":
        return np.array(image.convert("L"))
    if image.mode in ("LA", "La"):
        return np.array(_over_black(image).convert("L"))
    if image.mode in ("RGBA", "RGBa", "PA") or "transparency" in image.info:
        return np.array(_over_black(image))
    return np.array(image.convert("RGB"))


def _stretched(values_HW: NDArray[np.float64]) -> UInt8[np.ndarray, "H W"]:
    finite = values_HW[np.isfinite(values_HW)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    if high == low:
        return np.zeros(values_HW.shape, np.uint8)
    shares = np.nan_to_num((values_HW - low) / (high - low), nan=0.0, posinf=1.0, neginf=0.0)
    return (shares * 255).round().astype(np.uint8)


def _over_black(image: Any) -> Any:
    from PIL import Image

    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    return Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")
