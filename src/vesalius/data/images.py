"""Image files: opened safely, one at a time, as uint8 arrays.

Rules: 8-bit grey stays (H, W); colour and palette become (H, W, 3); alpha is laid over black;
16-bit and float grey is scaled from its own minimum and maximum to 0–255; the EXIF orientation is
applied. The declared size is checked before anything is decoded.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, ImageError, Skipped

if TYPE_CHECKING:
    from jaxtyping import UInt8

LARGEST_PIXELS = 178_956_970  # Pillow's own bound for a decompression bomb
FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def read_image(path: str | Path) -> UInt8[np.ndarray, "..."]:
    """Return the pixels of a file, uint8, ``(H, W)`` grey or ``(H, W, 3)`` colour.

    Raises:
        ImageError: the file is missing, empty, truncated, too large or no image; it is named.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    path = Path(path)
    try:
        if path.stat().st_size == 0:
            raise ImageError(f"{path} is empty (0 bytes)")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                width, height = image.size
                if width * height > LARGEST_PIXELS:
                    raise ImageError(
                        f"{path} declares {width}×{height} pixels, more than {LARGEST_PIXELS:,}"
                    )
                image.load()
                return _uint8(ImageOps.exif_transpose(image))
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{path} is not a readable image ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path} declares too many pixels: {error}") from None
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, SyntaxError, EOFError, OverflowError, MemoryError) as error:
        raise ImageError(f"{path} is broken: {error}") from None


@dataclass(frozen=True, slots=True, eq=False)
class ImageFiles:
    """Images that lie in files under a root (an ``ImageColumn``). Paths may not leave the root."""

    root: Path
    paths: Sequence[str]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "..."]:
        return read_image(self.root / self.paths[index])

    def name(self, index: int) -> str:
        return self.paths[index]

    def content_hash(self, index: int) -> str:
        path = self.root / self.paths[index]
        try:
            return sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise ImageError(f"{path} cannot be read: {error.strerror or error}") from None

    def take(self, indices: NDArray[np.integer]) -> ImageFiles:
        return ImageFiles(self.root, [self.paths[i] for i in indices])


def inside(root: Path, path: str) -> str:
    """Return a path relative to the root, or refuse one that leaves it.

    >>> inside(Path("/data"), "a/../b.png")
    'b.png'
    """
    resolved = (root / path).resolve()
    try:
        return resolved.relative_to(root.resolve()).as_posix()
    except ValueError:
        raise DataError(f"{path!r} leads out of the folder {root}") from None


def _uint8(image: Any) -> UInt8[np.ndarray, "..."]:
    from PIL import Image

    if image.mode in ("L", "RGB"):
        return np.asarray(image)
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float32)
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        scaled = (values - low) * (255.0 / (high - low) if high > low else 0.0)
        return np.nan_to_num(scaled).round().astype(np.uint8)
    if image.mode in ("LA", "La"):
        return np.asarray(_over_black(image.convert("RGBA")).convert("L"))
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    if image.mode in ("RGBA", "RGBa", "PA") or "transparency" in image.info:
        return np.asarray(_over_black(image.convert("RGBA")))
    assert isinstance(image, Image.Image)
    return np.asarray(image.convert("RGB"))


def _over_black(image: Any) -> Any:
    from PIL import Image

    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    return Image.alpha_composite(black, image).convert("RGB")


def with_images(cases: CaseSet) -> CaseSet:
    """Leave out the cases whose image file is missing or empty, and list them as skipped.

    Raises:
        DataError: not one image is there.
    """
    assert isinstance(cases.images, ImageFiles)
    root, paths = cases.images.root, cases.images.paths
    sizes = {folder: _sizes(folder) for folder in {(root / path).parent for path in paths}}
    reasons = []
    for path in paths:
        size = sizes[(root / path).parent].get(Path(path).name)
        reasons.append("no such file" if size is None else "empty file" if size == 0 else "")
    here = np.array([not reason for reason in reasons], dtype=bool)
    if not here.any():
        example = f", such as {root / paths[0]}" if paths else ""
        raise DataError(f"{cases.source}: not one of {len(paths):,} images is there{example}")
    skipped = tuple(Skipped(p, r) for p, r in zip(paths, reasons, strict=True) if r)
    return replace(cases.select(here), skipped=(*cases.skipped, *skipped))


def _sizes(folder: Path) -> dict[str, int]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    except OSError:
        return {}
