"""Numbers as they are printed: the value, its interval beside it, the reason where it has none."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, isfinite, isnan, log10

from vesalius.core import Score

DIGITS, MOST_DIGITS, SMALL = 3, 8, 0.01
ROUNDING = 1e-7  # of float32 sums
NO_INTERVAL = "no interval was computed"


@dataclass(frozen=True, slots=True)
class Printed:
    """A number in words: ``interval`` is empty where there is none, and ``note`` says why."""

    value: str
    interval: str = ""
    note: str = ""


def digits_for(value: float) -> int:
    """Return how many decimals are worth reading: two digits of a small number.

    >>> [digits_for(v) for v in (0.8123, 7.7, 31.89, 412.0, 0.00123, 0.000074)]
    [3, 2, 2, 1, 4, 6]
    """
    size = abs(value)
    if 10**-MOST_DIGITS <= size < SMALL:
        return min(1 - floor(log10(size)), MOST_DIGITS)
    return DIGITS if size < 2 else 2 if size < 100 else 1


def number(value: float, *, digits: int | None = None, percent: bool = False) -> str:
    """Print one number; NaN is a dash.

    >>> number(0.8123), number(-0.5, digits=1), number(0.123, percent=True), number(float("nan"))
    ('0.812', '−0.5', '12.3 %', '–')
    """
    if isnan(value):
        return "–"
    if not isfinite(value):
        return "∞" if value > 0 else "−∞"
    if percent:
        return f"{100 * value:.{1 if digits is None else digits}f} %".replace("-", "−")
    return f"{value:,.{digits_for(value) if digits is None else digits}f}".replace("-", "−")


def significant(value: float, digits: int = 3) -> str:
    """Print a number with so many significant digits; what rounding leaves of 0 is 0.

    >>> significant(0.01234), significant(-0.5), significant(3.2e-5), significant(4e-9)
    ('0.0123', '−0.5', '3.2e−05', '0')
    """
    if isnan(value):
        return "–"
    return f"{0 if abs(value) < ROUNDING else value:.{digits}g}".replace("-", "−")


def score(value: Score, *, digits: int | None = None, percent: bool = False) -> Printed:
    """Print a score with its interval, both with the same decimals.

    >>> score(Score("auroc", 0.8123, 0.781, 0.84, n=412))
    Printed(value='0.812', interval='[0.781, 0.840]', note='')
    >>> score(Score("auroc", 0.8123, n=412, note="one patient only")).note
    'one patient only'
    """
    if digits is None and not percent and isfinite(value.value):
        digits = digits_for(value.value)
        if digits > DIGITS:  # a small number in a wide interval needs no more than the interval
            ends = [v for v in (value.low, value.high) if isfinite(v) and v != 0]
            digits = min([digits, *(max(digits_for(v), DIGITS) for v in ends)])
    shown = number(value.value, digits=digits, percent=percent)
    if isnan(value.low) or isnan(value.high):
        return Printed(shown, note=value.note or NO_INTERVAL)
    low, high = (number(v, digits=digits, percent=percent) for v in (value.low, value.high))
    return Printed(shown, f"[{low}, {high}]", value.note)
