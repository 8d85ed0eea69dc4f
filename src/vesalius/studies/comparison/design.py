"""How clouds are compared: the settings that all comparisons share, and one test by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from vesalius.core import DataError
from vesalius.evaluation import ClassifierTest, MMDTest, Similarity, WithinTest, mmd_test
from vesalius.reporting.numbers import significant
from vesalius.studies.comparison.clouds import Cloud, Unit, exchanged, halves

Positive = Annotated[float, Field(gt=0)]
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Design:
    """Settings of the two-sample tests.

    ``normalise`` divides each embedding by its length first, so that the clouds are compared as
    cosines see them. ``by`` says what is exchanged: ``patient`` with all cases, or single cases.
    ``maps`` are the pictures.
    """

    permutations: Annotated[int, Field(ge=19)] = 1000
    kernel: Literal["rbf", "laplace", "energy", "linear", "polynomial"] = "rbf"
    bandwidth: Literal["median", "aggregate"] | Positive | tuple[Positive, ...] = "median"
    gamma: Positive | None = None
    normalise: bool = True
    by: Unit = "patient"
    maps: tuple[Literal["tsne", "pca", "umap"], ...] = ("tsne", "pca")

    def settings(self) -> dict[str, Any]:
        """Return what :func:`~vesalius.evaluation.mmd_test` takes of these."""
        return {
            "kernel": self.kernel,
            "bandwidth": self.bandwidth,
            "gamma": self.gamma,
            "permutations": self.permutations,
        }


DESIGN = Design()


def compared(
    first: Cloud,
    second: Cloud,
    design: Design,
    *,
    rng: int | np.random.Generator = 0,
    device: str | None = None,
    **changed: Any,
) -> MMDTest:
    """Test two clouds by MMD, patients exchanged where they are known on both sides."""
    groups_x, groups_y = exchanged(first, second, design.by)
    settings = {
        **design.settings(), "groups_x": groups_x, "groups_y": groups_y, "rng": rng,
        "device": device, **changed,
    }  # fmt: skip
    return mmd_test(
        first.values(normalise=design.normalise),
        second.values(normalise=design.normalise),
        **settings,
    )


def halves_compared(
    cloud: Cloud,
    design: Design,
    *,
    rng: np.random.Generator,
    device: str | None = None,
) -> MMDTest | None:
    """Test two halves of one cloud, where nothing differs; None where there are too few to part."""
    try:
        return compared(*halves(cloud, rng), design, rng=rng, device=device)
    except DataError:
        return None


def sentence(test: MMDTest, first: Cloud, second: Cloud) -> str:
    """Say the outcome so that it can be quoted."""
    both = f"the embeddings of {first.name} and {second.name}"
    if test.p_value <= ALPHA:
        verdict = f"T{both[1:]} differ"
    elif test.on_floor:
        verdict = f"Too few relabellings to say whether {both} differ"
    else:
        verdict = f"No difference between {both} was found"
    counts = f"{first.units} against {second.units}"
    return f"{verdict}: MMD² {with_interval(test)} ({test.form}), {test.said_p}; {counts}."


def with_interval(test: MMDTest | WithinTest) -> str:
    """Print MMD² and its interval."""
    value, low, high = map(significant, (test.mmd2, test.low, test.high))
    return f"{value} [{low}, {high}]"


def said_p(test: MMDTest | WithinTest | ClassifierTest | Similarity) -> str:
    """Print a p-value, and whether it is the smallest that could come out."""
    return f"{significant(test.p_value)}{' (floor)' if test.on_floor else ''}"
