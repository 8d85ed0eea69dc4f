"""The catalogue of data sets: terms, sizes, where to ask, where to put, what reads. Data, not code.

Only MedMNIST is fetched, by the records of its own package; every other set is behind an agreement
or a page that a person must see, and gets instructions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from vesalius.core import DataError, unknown
from vesalius.data.containers.medmnist_records import medmnist_records
from vesalius.data.fetch.fetching import download
from vesalius.data.readers.medmnist import SIZES


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set: what it is, its licence and size, where to get it, how, and which reader."""

    name: str
    what: str
    licence: str
    size: str
    source: str
    how: str
    reader: str


@cache
def data_sets() -> dict[str, DataSet]:
    """Return the sets that are described, by name; MedMNIST's own where its package is there."""
    import yaml

    text = resources.files("vesalius.data.fetch").joinpath("sets.yaml").read_text(encoding="utf-8")
    found = {
        name: DataSet(name, own["what"], own["licence"], own["size"], own["from"], own["how"],
                      own["reader"])
        for name, own in yaml.safe_load(text).items()
    }  # fmt: skip
    return dict(sorted({**found, **_medmnist_sets()}.items()))


def data_set(name: str) -> DataSet:
    """Return one set.

    Raises:
        ChoiceError: there is none of that name; the message has the nearest right one.
        DataError: it is one of MedMNIST's, and the package is not installed.
    """
    if name not in data_sets():
        if name.endswith("mnist") and medmnist_records() is None:
            raise DataError(f"{name} needs the records of medmnist; install vesalius[medmnist]")
        raise unknown("data set", name, data_sets())
    return data_sets()[name]


def fetch(name: str, folder: Path, *, size: int = 28, progress: bool = True) -> Path | None:
    """Download a set of MedMNIST into a folder; None for any other one, which a person must fetch.

    Raises:
        DataError: the file cannot be fetched or is not what the record says.
    """
    own = data_set(name)
    if own.reader != "medmnist":
        return None
    if size not in SIZES:
        raise unknown("size", str(size), map(str, SIZES))
    suffix = "" if size == 28 else f"_{size}"
    record = (medmnist_records() or {})[name]
    url, md5 = record.get(f"url{suffix}"), record.get(f"MD5{suffix}")
    if not url or not md5:
        raise DataError(f"{name}: the records of medmnist have no size {size}")
    return download(url, folder / f"{name}{suffix}.npz", md5=md5, progress=progress)


def _medmnist_sets() -> dict[str, DataSet]:
    return {
        name: DataSet(
            name,
            f"MedMNIST: {sum(own['n_samples'].values()):,} images, {own['task']}",
            own["license"],
            "as the record says",
            own["url"].partition("/files/")[0],
            f"Fetched by 'vesalius data fetch {name}'.",
            "medmnist",
        )
        for name, own in (medmnist_records() or {}).items()
        if not name.endswith("3d")
    }
