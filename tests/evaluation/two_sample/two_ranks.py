"""What each of two ranks does; started by test_sums.py, not collected."""

import json
import sys
from pathlib import Path

import numpy as np

from vesalius.data.ranks import ranks, world
from vesalius.evaluation.two_sample.mmd import mmd_test


def main(folder: Path) -> None:
    with ranks() as place, np.load(folder / "samples.npz") as given:
        found = mmd_test(given["x"], given["y"], block=17, permutations=50)
        said = {
            "world": world(),
            "p_value": found.p_value,
            "null": found.null_P.tolist(),
            "witness": found.witness_x.tolist(),
        }
        (folder / f"{place.rank}.json").write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
