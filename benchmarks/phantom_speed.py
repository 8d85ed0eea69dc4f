"""How many phantom films one core draws in a second, by size.

Run: uv run python benchmarks/phantom_speed.py
There is no peer: no other package draws labelled chest films. Times are CPU seconds of one thread.
"""

from time import process_time

import numpy as np

from vesalius import data

FILMS, REPEATS = 60, 7


def rates(side: int) -> list[float]:
    """Return films a second in each of some repeats, every one on other films."""
    cases = data.read("phantom", n=FILMS * REPEATS, image_size=side)
    found = []
    for repeat in range(REPEATS):
        start = process_time()
        drawn = [cases.images[i] for i in range(repeat * FILMS, (repeat + 1) * FILMS)]
        found.append(FILMS / (process_time() - start))
        assert all(film.shape == (side, side) and film.std() > 10 for film in drawn)
    return found


print("size   films/s (median)   least to most")
for side in (96, 128, 224, 512):
    rates(side)  # warm
    found = rates(side)
    print(f"{side:4} {np.median(found):12.0f} {min(found):16.0f} to {max(found):.0f}")
