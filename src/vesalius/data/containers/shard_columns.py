"""The columns of a set that lies in shards: images and masks read at their offset when asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesalius.core import Box, DataError, ImageError, Mask
from vesalius.data.containers.facts import Facts
from vesalius.data.containers.tar_members import read_at
from vesalius.data.images.pictures import decode_image

if TYPE_CHECKING:
    from jaxtyping import UInt8

IMAGES = ("png", "jpg", "jpeg", "bmp", "tif", "tiff")
Place = tuple[int, int, int]  # shard, offset, size


@dataclass(slots=True)
class Sample:
    """What lies of one sample, by kind: which shard, offset, size."""

    key: str
    shard: int
    members: dict[str, Place] = field(default_factory=dict)

    @property
    def image(self) -> Place:
        return next(self.members[kind] for kind in IMAGES if kind in self.members)

    def has_image(self) -> bool:
        return any(kind in self.members for kind in IMAGES)

    def place(self, shards: Sequence[Path]) -> str:
        return f"{shards[self.shard]}, sample {self.key!r}"


@dataclass(frozen=True, slots=True, eq=False)
class ShardImages:
    """Images that lie in tar files (an ``ImageColumn``), read at their offset when asked for."""

    shards: tuple[Path, ...]
    places_N3: NDArray[np.int64] = field(repr=False)
    keys: Sequence[str] = field(repr=False)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "..."]:
        return decode_image(self._content(index), name=self._where(index))

    def name(self, index: int) -> str:
        return f"{self.shards[self.places_N3[index, 0]].name}/{self.keys[index]}"

    def content_hash(self, index: int) -> str:
        """Return the SHA-256 of the image file's bytes."""
        return sha256(self._content(index)).hexdigest()

    def take(self, indices: NDArray[np.integer]) -> ShardImages:
        return ShardImages(self.shards, self.places_N3[indices], [self.keys[i] for i in indices])

    def _where(self, index: int) -> str:
        return f"{self.shards[self.places_N3[index, 0]]}/{self.keys[index]}"

    def _content(self, index: int) -> bytes:
        shard, offset, size = self.places_N3[index].tolist()
        try:
            return read_at(self.shards[shard], offset, size)
        except DataError as error:
            raise ImageError(str(error)) from None


@dataclass(frozen=True, slots=True, eq=False)
class ShardRegions:
    """Boxes at hand, masks in tar files (a ``RegionColumn``)."""

    shards: tuple[Path, ...]
    samples: Sequence[Sample] = field(repr=False)
    facts: Sequence[Facts] = field(repr=False)

    def __len__(self) -> int:
        return len(self.samples)

    def boxes(self, index: int) -> tuple[Box, ...]:
        return self.facts[index].boxes

    def masks(self, index: int) -> Mapping[str, Mask]:
        found, sample = {}, self.samples[index]
        for file, (name, target, method) in self.facts[index].masks.items():
            place = sample.members.get(f"mask.{file}.png")
            if place is None:
                raise DataError(f"{sample.place(self.shards)} has no mask.{file}.png")
            content = read_at(self.shards[place[0]], *place[1:])
            values = decode_image(content, name=f"{sample.place(self.shards)}, mask.{file}.png")
            found[name] = Mask(values > 127, target, method)
        return found

    def take(self, indices: NDArray[np.integer]) -> ShardRegions:
        return ShardRegions(
            self.shards, [self.samples[i] for i in indices], [self.facts[i] for i in indices]
        )
