"""A phantom cohort with copies planted in it: the truth that an audit must find."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from vesalius.core import ArrayImages, CaseSet
from vesalius.data import read


class Images:
    """Images of any size, held in a list."""

    def __init__(self, pixels, names):
        self.pixels, self.names = pixels, names

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index):
        return self.pixels[index].copy()

    def name(self, index):
        return self.names[index]

    def content_hash(self, index):
        return ArrayImages(self.pixels[index][None], [""]).content_hash(0)

    def take(self, indices):
        return Images([self.pixels[i] for i in indices], [self.names[i] for i in indices])


def resized(image, rng):
    side = int(image.shape[0] * rng.uniform(0.5, 1.5))
    return np.array(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))


def recompressed(image, rng):
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=int(rng.integers(40, 90)))
    return np.array(Image.open(buffer))


def brighter(image, rng):
    return np.clip(image * rng.choice([0.9, 1.1]), 0, 255).astype(np.uint8)


def cropped(image, rng):
    """Cut 3 % of the side off, anywhere."""
    height, width = image.shape
    most = round(0.03 * height)
    top, left = rng.integers(0, most + 1, 2)
    return image[top : top + height - most, left : left + width - most]


CHANGES = (resized, recompressed, brighter, cropped)


@pytest.fixture(scope="session")
def films():
    return read("phantom", n=240, image_size=128)


@pytest.fixture(scope="session")
def planted(films):
    """Return films with copies appended, and which row each copy was made of, by the change."""
    rng = np.random.default_rng(0)
    pixels = [films.images[i] for i in range(len(films))]
    origins = {}
    for change in CHANGES:
        for origin in rng.choice(len(films), 40, replace=False):
            origins[len(pixels)] = (change.__name__, int(origin))
            pixels.append(change(pixels[origin], rng))
    for origin in rng.choice(len(films), 10, replace=False):
        origins[len(pixels)] = ("exact", int(origin))
        pixels.append(pixels[origin].copy())
    rows = np.array([*range(len(films)), *(origin for _, origin in origins.values())])
    names = [f"{i:04}.png" for i in range(len(pixels))]
    many = CaseSet(
        case_ids=np.array(names),
        images=Images(pixels, names),
        labels_NC=films.labels_NC[rows],
        label_names=films.label_names,
        patient_ids=films.patient_ids[rows],
        splits=np.array(["train"] * len(films) + ["test"] * len(origins)),
        source="planted",
    )
    return many, origins


@pytest.fixture
def with_images(cases):
    """Return a function that puts images of any size into a set."""

    def make(pixels, **columns):
        names = [f"{i}.png" for i in range(len(pixels))]
        made = cases([str(i) for i in range(len(pixels))])
        return replace(made, images=Images(list(pixels), names), **columns)

    return make
