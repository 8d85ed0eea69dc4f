"""The same test within each class: is it the look that differs, or how frequent the classes are?

Legend: n cases of x, m of y, P relabellings, C classes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError
from vesalius.evaluation.multiplicity import holm
from vesalius.evaluation.two_sample.mmd import mmd_test
from vesalius.evaluation.two_sample.result import MMDTest

if TYPE_CHECKING:
    from jaxtyping import Float

FEWEST = 10  # cases of a class on a side, below which it is not tested


@dataclass(frozen=True, slots=True, eq=False)
class WithinTest:
    """MMD within each class, and over all of them.

    ``tests`` are by class, ``p_holm`` their p-values adjusted for how many there are,
    ``left_out`` the classes that could not be tested, and why. ``mmd2`` is the mean over classes,
    weighted by their cases, and ``p_value`` its own: all classes are relabelled at once. Where
    ``spanning`` patients have cases in several classes, the classes are not independent, and
    ``p_value`` is the smallest of the classes times their number (Bonferroni): it always holds.
    ``low`` and ``high`` are the mean's interval, from the classes': independent ones, or, of
    spanning patients, ones that err together.
    """

    tests: Mapping[str, MMDTest]
    p_holm: Mapping[str, float]
    left_out: Mapping[str, str]
    mmd2: float
    p_value: float
    null_P: Float[np.ndarray, "P"]
    low: float
    high: float
    spanning: int = 0

    @property
    def on_floor(self) -> bool:
        """Whether p is the smallest that so many relabellings can give."""
        if self.spanning:
            return min(self.tests.values(), key=lambda test: test.p_value).on_floor
        return self.p_value * (len(self.null_P) + 1) < 1.5


def mmd_within(
    x_ND: ArrayLike,
    y_MD: ArrayLike,
    classes_x: ArrayLike,
    classes_y: ArrayLike,
    *,
    fewest: int = FEWEST,
    groups_x: ArrayLike | None = None,
    groups_y: ArrayLike | None = None,
    rng: int | np.random.Generator = 0,
    **settings: Any,
) -> WithinTest:
    """Test two samples within each class, so that another prevalence is no difference.

    Args:
        x_ND, y_MD: a row for each case.
        classes_x, classes_y: one class for each case; empty where it is not known, which leaves
            the case out.
        fewest: cases that a class needs on either side.
        groups_x, groups_y: the patients, exchanged whole within a class.
        rng: a seed or a generator.
        settings: the others of :func:`mmd_test`. The median bandwidth is each class' own.

    Raises:
        DataError: no class has enough cases on both sides.
    """
    x_nD, y_mD = np.asarray(x_ND), np.asarray(y_MD)
    of_x, of_y = np.asarray(classes_x), np.asarray(classes_y)
    if of_x.shape != (len(x_nD),) or of_y.shape != (len(y_mD),):
        raise DataError(
            f"classes_x and classes_y name a class for each case: {of_x.shape} and {of_y.shape} "
            f"do not fit {len(x_nD)} and {len(y_mD)} cases"
        )
    generator = np.random.default_rng(rng)
    groups = [None if own is None else np.asarray(own) for own in (groups_x, groups_y)]
    tests: dict[str, MMDTest] = {}
    left_out: dict[str, str] = {}
    for name in np.union1d(of_x, of_y).tolist():
        if name == "":
            continue
        rows, columns = of_x == name, of_y == name
        if min(rows.sum(), columns.sum()) < fewest:
            left_out[name] = f"{rows.sum():,} and {columns.sum():,} cases; {fewest} are needed"
            continue
        try:
            tests[name] = mmd_test(
                x_nD[rows], y_mD[columns],
                groups_x=None if groups[0] is None else groups[0][rows],
                groups_y=None if groups[1] is None else groups[1][columns],
                rng=generator, **settings,
            )  # fmt: skip
        except DataError as error:
            left_out[name] = str(error)
    if not tests:
        said = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise DataError(f"no class can be compared within ({said or 'no class is known'})")
    spanning = sum(
        0 if own is None else _spanning(own, classes, set(tests))
        for own, classes in zip(groups, (of_x, of_y), strict=True)
    )
    return _together(tests, left_out, spanning)


def _spanning(groups_N: NDArray[Any], classes_N: NDArray[Any], tested: Collection[str]) -> int:
    """Return how many patients have cases in more than one of the classes that are tested."""
    rows_N = np.isin(classes_N, sorted(tested))
    unit_N = np.unique(groups_N[rows_N], return_inverse=True)[1]
    class_N = np.unique(classes_N[rows_N], return_inverse=True)[1]
    pairs = np.unique(np.stack([unit_N, class_N]), axis=1)
    return int((np.bincount(pairs[0]) > 1).sum())


def _together(
    tests: Mapping[str, MMDTest], left_out: Mapping[str, str], spanning: int
) -> WithinTest:
    """Add the classes up: their relabellings are independent, so the p-th of each make one.

    Cases of a patient in several classes are not: their p-values are put together instead.
    """
    weight_C = np.array([test.n + test.m for test in tests.values()], np.float64)
    weight_C /= weight_C.sum()
    mmd2 = float(weight_C @ [test.mmd2 for test in tests.values()])
    null_P = weight_C @ np.stack([test.null_P for test in tests.values()])
    slack = 1e-7 * max(float(np.abs(null_P).max()), abs(mmd2))  # of float32 sums
    p_value = (1 + int((null_P >= mmd2 - slack).sum())) / (1 + len(null_P))
    if spanning:
        p_value = min(1.0, len(tests) * min(test.p_value for test in tests.values()))
    half_C = weight_C * [test.high - test.mmd2 for test in tests.values()]
    half = float(half_C.sum() if spanning else np.sqrt((half_C**2).sum()))
    adjusted_C = holm([test.p_value for test in tests.values()])
    by_class = dict(zip(tests, adjusted_C.tolist(), strict=True))
    return WithinTest(
        tests, by_class, left_out, mmd2, p_value, null_P, mmd2 - half, mmd2 + half, spanning
    )
