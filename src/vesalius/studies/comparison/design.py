"""How clouds are compared: the settings that all comparisons share, and one test by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from vesalius.evaluation import ClassifierTest, MMDTest, WithinTest, mmd_test
from vesalius.reporting.numbers import significant
from vesalius.studies.comparison.clouds import Cloud, Unit

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
    """Test two clouds by MMD, patients exchanged where they are known."""
    groups = first.patients(design.by), second.patients(design.by)
    known = groups[0] is not None and groups[1] is not None
    settings = {**design.settings(), "rng": rng, "device": device, **changed}
    if known:
        settings = {"groups_x": groups[0], "groups_y": groups[1], **settings}
    return mmd_test(
        first.values(normalise=design.normalise),
        second.values(normalise=design.normalise),
        **settings,
    )


def sentence(test: MMDTest, first: Cloud, second: Cloud) -> str:
    """Say the outcome so that it can be quoted."""
    differ = test.p_value <= ALPHA
    verdict = (
        f"The embeddings of {first.name} and {second.name} differ"
        if differ
        else f"No difference between the embeddings of {first.name} and {second.name} was found"
    )
    counts = f"{first.units} against {second.units}"
    return f"{verdict}: MMD² {with_interval(test)} ({test.form}), {test.said_p}; {counts}."


def with_interval(test: MMDTest) -> str:
    """Print MMD² and its interval."""
    value, low, high = map(significant, (test.mmd2, test.low, test.high))
    return f"{value} [{low}, {high}]"


def said_p(test: MMDTest | WithinTest | ClassifierTest) -> str:
    """Print a p-value, and whether it is the smallest that could come out."""
    return f"{test.p_value:.3g}{' (floor)' if test.on_floor else ''}"
