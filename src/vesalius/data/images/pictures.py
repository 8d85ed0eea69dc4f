"""Pictures: PNG, JPEG, BMP and TIFF through Pillow. The rules:

- the first frame is read, unless an address picks another (``stack.tif#frame=2``);
- grey stays ``(H, W)``, colour becomes ``(H, W, 3)``; a palette counts as colour, one bit as grey;
- transparency is laid over black and dropped; a single transparent colour counts in palettes only;
- 16-bit, 32-bit and float grey is stretched from its own finite minimum and maximum to 0–255 (a
  flat image becomes 0): such files do not say how they are to be shown, so the same value may
  become another grey in another file. Where that matters, keep DICOM or NIfTI with a fixed window,
  or write 8-bit files. Of 16-bit colour the high byte is kept;
- the EXIF orientation is applied, so that arrays stand as viewers show them;
- the declared size is checked before anything is decoded.

GIF and WebP are refused: both are mostly animations or lossy copies of something else.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from vesalius.core import DataError, ImageError
from vesalius.data.images.address import number, only
from vesalius.data.images.decoded import Decoded, check_pixels, too_large
from vesalius.data.images.greys import stretched
from vesalius.data.images.sized_file import SizedFile

if TYPE_CHECKING:
    from jaxtyping import UInt8

NOTHING: Mapping[str, str] = MappingProxyType({})
FORMATS = ("PNG", "JPEG", "BMP", "TIFF")


def decode_picture(path: Path, picks: Mapping[str, str]) -> Decoded:
    """Return the pixels of a picture and the steps that led to them.

    Raises:
        ImageError: the file is missing, empty, truncated, too large or no picture.
    """
    with opened(path, picks) as image:
        return _decoded(image)


def decode_image(raw: bytes, *, name: str) -> UInt8[np.ndarray, "..."]:
    """Return the pixels of a picture that lies in memory, as its file would give them.

    Raises:
        ImageError: as :func:`decode_picture`; the message has the name.
    """
    if not raw:
        raise ImageError(f"{name} is empty (0 bytes)")
    with _decoding(lambda: io.BytesIO(raw), name, size=len(raw)) as image:
        return _decoded(image).pixels


def picture_size(path: Path, picks: Mapping[str, str]) -> tuple[int, int]:
    """Return the width and height that a picture declares, as stored, without decoding it."""
    with opened(path, picks) as image:
        width, height = image.size
        return width, height


@contextmanager
def opened(path: Path, picks: Mapping[str, str] = NOTHING) -> Iterator[Any]:
    """Open a file as a picture of a size that is safe to decode; name the file in every error."""
    only(picks, ("frame",), path, "a picture")
    frame = number(picks, "frame", path, default=1)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}") from None
    with _decoding(lambda: SizedFile(path), str(path), size=size, frame=frame) as image:
        yield image


@contextmanager
def _decoding(
    source: Callable[[], IO[bytes]], name: str, *, size: int, frame: int = 1
) -> Iterator[Any]:
    from PIL import Image, UnidentifiedImageError

    try:
        with source() as file, Image.open(file, formats=FORMATS) as image:
            frames = getattr(image, "n_frames", 1) if frame != 1 else 1
            if not 1 <= frame <= frames:
                raise ImageError(f"{name} has no frame {frame}; it has {frames}, counted from 1")
            if frame != 1:
                image.seek(frame - 1)
            width, height = image.size
            check_pixels(name, width, height, size=size)
            yield image
    except DataError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not a readable image ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError:
        raise too_large(name, "too many pixels") from None
    except OSError as error:
        raise ImageError(f"{name} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a broken file can raise anything in a decoder
        raise ImageError(f"{name} is broken: {error or type(error).__name__}") from None


def _decoded(image: Any) -> Decoded:
    from PIL import ImageOps

    steps = [image.format]
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.size != image.size or image.getexif().get(0x0112, 1) != 1:
        steps.append("turned upright")
    pixels, own = _uint8(upright)
    return Decoded(pixels, (*steps, *own))


def _uint8(image: Any) -> tuple[UInt8[np.ndarray, "..."], tuple[str, ...]]:
    """Bring any of Pillow's modes to uint8 grey or colour, in an array of our own."""
    if image.mode in ("L", "RGB"):
        return np.array(image), ()
    if image.mode.startswith("I") or image.mode == "F":
        return stretched(np.asarray(image)), ("stretched from its minimum to its maximum",)
    if image.mode == "1":
        return np.array(image.convert("L")), ("1 bit to black and white",)
    if image.mode in ("LA", "La"):
        return np.array(_over_black(image).convert("L")), ("laid over black",)
    if image.mode in ("RGBA", "RGBa", "PA") or "transparency" in image.info:
        return np.array(_over_black(image)), ("laid over black",)
    return np.array(image.convert("RGB")), (f"{_KINDS.get(image.mode, image.mode)} to colour",)


_KINDS = {"P": "palette"}


def _over_black(image: Any) -> Any:
    from PIL import Image

    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    return Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")
