"""Shared by all tests: where real data may lie, and one thread per test process."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

REAL_DATA = Path(
    os.environ.get("VESALIUS_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)


@pytest.fixture
def real_data():
    """Return a function that gives a folder of real data, or skips the test and says why."""

    def folder(name: str) -> Path:
        path = REAL_DATA / name
        if not path.exists():
            pytest.skip(f"real data {name!r} is not here (set VESALIUS_DATA to its folder)")
        return path

    return folder
