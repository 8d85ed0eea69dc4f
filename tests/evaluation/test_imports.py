"""What importing evaluation costs."""

import subprocess
import sys

import pytest

import vesalius.evaluation as evaluation

HEAVY = "torch, sklearn, scipy, pyarrow, matplotlib, pydantic, pandas"
MINE = (
    "bootstrap calibration case_differences case_values classification compare comparison "
    "delong faithfulness ledger localisation.controls localisation.scoring measures "
    "multiplicity paired published ranking segmentation.scoring similarity temperature "
    "thresholds "
)


def test_importing_the_measures_loads_numpy_only():
    code = (
        "import sys, importlib\n"
        f"for name in {MINE.split()!r}: importlib.import_module('vesalius.evaluation.' + name)\n"
        f"print(*[m for m in {HEAVY.split(', ')!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_every_name_is_listed_once_and_found_first_under_its_own_name():
    assert sorted(evaluation.__all__) == sorted(evaluation._HOME)
    assert set(evaluation.__all__) <= set(dir(evaluation))
    for name in MINE.split():
        assert __import__(f"vesalius.evaluation.{name}")
        if name in evaluation._HOME:
            assert callable(getattr(evaluation, name))


@pytest.mark.parametrize("name", evaluation.__all__)
def test_every_exported_name_is_there(name):
    assert getattr(evaluation, name).__doc__ is not None
