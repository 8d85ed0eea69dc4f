"""Two-sample tests for streams that never fit into memory: every case is seen once.

Two forms. The linear-time test averages the kernel over quadruples of cases that follow each other:
exact kernel, normal p-value, little power. The Fourier test replaces the kernel by random features
(Rahimi & Recht 2007; Zhao & Meng 2015) and keeps their sums for the observed and every relabelled
sample: nearly the power of the full test, a permutation p-value.

Legend: B cases of a block, D width, F features, P relabellings (0 is what was observed).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from math import nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError, unknown
from vesalius.core.score import Score

if TYPE_CHECKING:
    from jaxtyping import Float

    Block = Float[np.ndarray, "B D"]
LINEAR_KERNELS = ("rbf", "linear")
AT_ONCE = 2048  # cases of a block that are worked on at a time


@dataclass(frozen=True, slots=True)
class StreamTest:
    """MMD² of two streams, with its interval where the test gives one, and its p-value."""

    mmd2: float
    p_value: float
    n: int
    m: int
    form: str
    low: float = nan
    high: float = nan
    permutations: int = 0

    def as_score(self) -> Score:
        """Return the Score ``mmd2``; the note holds p and the form."""
        return Score(
            "mmd2", self.mmd2, self.low, self.high, n=self.n + self.m,
            protocol="mmd_stream/v1", note=f"p = {self.p_value:.3g}; {self.form}",
        )  # fmt: skip


def linear_time_test(
    x_blocks: Iterable[ArrayLike],
    y_blocks: Iterable[ArrayLike],
    *,
    bandwidth: float = 1.0,
    kernel: str = "rbf",
) -> StreamTest:
    """Test two streams in one pass, by the mean of h over disjoint quadruples.

    h = k(x, x') + k(y, y') − k(x, y') − k(x', y) for two cases of either stream; its mean is an
    unbiased MMD², and normal. What one stream has more than the other is not read.

    Args:
        x_blocks, y_blocks: arrays of cases, of any and unequal sizes.
        bandwidth: σ of the rbf kernel exp(−d²/2σ²).
        kernel: ``rbf`` or ``linear``.

    Raises:
        DataError: a block is not finite or of another width; fewer than 2 quadruples.

    Source: Gretton et al. 2012, section 6.
    """
    from scipy.special import ndtr

    if kernel not in LINEAR_KERNELS:
        raise unknown("kernel", kernel, LINEAR_KERNELS)
    if not bandwidth > 0:
        raise DataError(f"bandwidth {bandwidth!r} is not a positive number")
    count, mean, square = 0, 0.0, 0.0
    for x_BD, y_BD in _evenly(_checked(x_blocks, "x"), _checked(y_blocks, "y")):
        x, x_next, y, y_next = x_BD[::2], x_BD[1::2], y_BD[::2], y_BD[1::2]
        alike = partial(_kernel, kernel=kernel, bandwidth=bandwidth)
        h = alike(x, x_next) + alike(y, y_next) - alike(x, y_next) - alike(x_next, y)
        # Chan et al. 1983: means and squares of two parts, without cancellation
        more, own = len(h), float(h.mean())
        apart = own - mean
        square += float(((h - own) ** 2).sum()) + apart**2 * count * more / (count + more)
        mean += apart * more / (count + more)
        count += more
    if count < 2:
        raise DataError("a linear-time test needs at least 4 cases of either stream")
    error = (square / (count - 1) / count) ** 0.5
    p_value = float(ndtr(-mean / error)) if error > 0 else float(mean <= 0)
    form = f"linear time, {kernel}" + (f" exp(−d²/2σ²), σ {bandwidth:g}" if kernel == "rbf" else "")
    half = 1.959963984540054 * error
    return StreamTest(mean, p_value, 2 * count, 2 * count, form, mean - half, mean + half)


def fourier_test(
    x_blocks: Iterable[ArrayLike],
    y_blocks: Iterable[ArrayLike],
    *,
    n: int,
    m: int,
    bandwidth: float = 1.0,
    features: int = 1024,
    permutations: int = 200,
    rng: int | np.random.Generator = 0,
) -> StreamTest:
    """Test two streams of known length in one pass, by random Fourier features of an rbf kernel.

    Every relabelling is drawn on the way: with so many of x left among so many cases left, the
    next case is x with that share, which draws without replacement exactly. Kept are the sums of
    the features, F × P numbers, and nothing of the cases.

    Args:
        x_blocks, y_blocks: arrays of cases.
        n, m: how many cases the streams have.
        bandwidth: σ of the rbf kernel exp(−d²/2σ²).
        features: F; the kernel is wrong by about 1/√F.

    Raises:
        DataError: a block is not finite or of another width; a stream is shorter or longer.
    """
    if min(n, m) < 2 or min(features, permutations) < 1 or not bandwidth > 0:
        raise DataError(
            f"n={n} and m={m} must be 2 or more, features={features}, "
            f"permutations={permutations} and bandwidth={bandwidth} positive"
        )
    seeds = np.random.default_rng(rng).spawn(2)  # features and labels do not depend on blocks
    frequencies_DF: NDArray[np.float64] | None = None
    phase_F = seeds[0].uniform(0, 2 * np.pi, features)
    sums_PF, total_F = np.zeros((permutations + 1, features)), np.zeros(features)
    left_P, left = np.full(permutations, n), n + m
    seen = [0, 0]
    for side, blocks in enumerate((_checked(x_blocks, "x"), _checked(y_blocks, "y"))):
        for block_BD in _pieces(blocks):
            if frequencies_DF is None:
                shape = block_BD.shape[1], features
                frequencies_DF = seeds[0].standard_normal(shape) / bandwidth
            _same_width(len(frequencies_DF), block_BD.shape[1])
            features_BF = np.cos(block_BD @ frequencies_DF + phase_F) * (2 / features) ** 0.5
            labels_BP = np.empty((len(block_BD), permutations + 1))
            labels_BP[:, 0] = side == 0
            for row_P in labels_BP:
                row_P[1:] = seeds[1].random(permutations) * left < left_P
                left_P -= row_P[1:].astype(left_P.dtype)
                left -= 1
            sums_PF += labels_BP.T @ features_BF
            total_F += features_BF.sum(0)
            seen[side] += len(block_BD)
    if seen != [n, m]:
        raise DataError(f"the streams have {seen[0]} and {seen[1]} cases, not n={n} and m={m}")
    return _of_sums(
        sums_PF, total_F - sums_PF, n, m, f"Fourier, {features:,} features, σ {bandwidth:g}"
    )


def _of_sums(
    x_PF: Float[np.ndarray, "P F"], y_PF: Float[np.ndarray, "P F"], n: int, m: int, form: str
) -> StreamTest:
    """Return the biased MMD² (a square of means) and its permutation p-value."""
    mmd2_P = ((x_PF / n - y_PF / m) ** 2).sum(1)
    reached = int((mmd2_P[1:] >= mmd2_P[0] * (1 - 1e-9)).sum())
    p_value = (1 + reached) / len(mmd2_P)
    return StreamTest(
        float(mmd2_P[0]), p_value, n, m, f"biased, {form}", permutations=len(mmd2_P) - 1
    )


def _kernel(a: Block, b: Block, kernel: str, bandwidth: float) -> NDArray[np.float64]:
    if kernel == "linear":
        return np.einsum("bd,bd->b", a, b)
    return np.exp(-((a - b) ** 2).sum(1) / (2 * bandwidth**2))


def _checked(blocks: Iterable[ArrayLike], name: str) -> Iterator[Block]:
    width = 0
    for number, block in enumerate(blocks):
        values = np.asarray(block, dtype=np.float64)
        width = width or (values.shape[1] if values.ndim == 2 else 0)
        if values.ndim != 2 or values.shape[1] != width:
            raise DataError(f"block {number} of {name} has shape {values.shape}, not (B, {width})")
        if not np.isfinite(values).all():
            raise DataError(f"block {number} of {name} has rows that are not finite")
        yield values


def _pieces(blocks: Iterator[Block]) -> Iterator[Block]:
    for block_BD in blocks:
        for start in range(0, len(block_BD), AT_ONCE):
            yield block_BD[start : start + AT_ONCE]


def _evenly(x_blocks: Iterator[Block], y_blocks: Iterator[Block]) -> Iterator[tuple[Block, Block]]:
    """Yield as many of x as of y, an even number, as long as both have some."""
    waiting: list[NDArray[np.float64]] = [np.empty((0, 0)), np.empty((0, 0))]
    streams = (x_blocks, y_blocks)
    while True:
        for side, blocks in enumerate(streams):
            while len(waiting[side]) < 2:
                block = next(blocks, None)
                if block is None:
                    return
                there = waiting[side]
                waiting[side] = np.concatenate([there, block]) if len(there) else block
        _same_width(waiting[0].shape[1], waiting[1].shape[1])
        size = min(map(len, waiting)) // 2 * 2
        yield waiting[0][:size], waiting[1][:size]
        waiting = [rows[size:] for rows in waiting]


def _same_width(x: int, y: int) -> None:
    if x != y:
        raise DataError(f"x has {x} columns and y {y}: no common space")
