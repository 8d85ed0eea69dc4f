"""A manifest of a million rows: how long it takes to open, and how much memory at its peak.

    python benchmarks/million_rows.py --out million_rows.json

Writes a manifest (image, patient_id, text, one label) and its images into --folder: 1,000 folders
of hard links to one small file each, so that no disk is filled. Then a fresh process reads it, and
another asks only for its own imports, so that the difference is what the data costs. The folder is
kept and used again where it has as many rows.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from vesalius.core.files import write_json

PER_FOLDER = 1000
TEXT = "Frontal film {row}. The lungs are clear; no effusion, no pneumothorax. Heart size normal."
READ = """
import json, resource, sys, time
from vesalius.core import CaseSet
from vesalius.data import read, reader_function
reader_function("manifest")
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, began = peak(), time.perf_counter()
n = len(read("manifest", sys.argv[1])) if sys.argv[1] else 0
print(json.dumps({"rows": n, "seconds": round(time.perf_counter() - began, 2),
                  "megabytes_before": round(before), "megabytes_peak": round(peak())}))
"""


def write(root: Path, rows: int) -> None:
    """Write the manifest and its images."""
    written = root / f"{rows}.done"
    if written.exists():
        return
    root.mkdir(parents=True, exist_ok=True)
    with (root / "manifest.csv").open("w", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(("image", "patient_id", "text", "Edema"))
        for row in range(rows):
            number, place = divmod(row, PER_FOLDER)
            own = root / "images" / f"p{number:05}"
            if place == 0:
                own.mkdir(parents=True, exist_ok=True)
                (own / "0000.png").write_bytes(b"x")
            else:
                os.link(own / "0000.png", own / f"{place:04}.png")
            image = f"images/p{number:05}/{place:04}.png"
            table.writerow((image, f"patient{row // 4:06}", TEXT.format(row=row), row % 2))
    written.touch()


def measured(root: Path | None) -> dict[str, float]:
    """Read in a process of its own, whose peak is nobody else's."""
    import json

    command = [sys.executable, "-c", READ, str(root or "")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "million_rows"))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    write(asked.folder, asked.rows)
    found = measured(asked.folder)
    print(f"{'rows':>10} {'seconds':>8} {'MB before':>10} {'MB at peak':>11}")
    print("{rows:>10,} {seconds:>8} {megabytes_before:>10} {megabytes_peak:>11}".format(**found))
    if asked.out:
        write_json(asked.out, found)


if __name__ == "__main__":
    main()
