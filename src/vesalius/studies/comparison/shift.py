"""Two clouds of different cases in one space: do they differ, and how many cases show it?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vesalius.core import DataError
from vesalius.evaluation import ClassifierTest, MMDTest, classifier_test, power_curve
from vesalius.reporting import Block, Column, Notice, Section, Table, figures
from vesalius.studies.comparison.clouds import (
    Cloud,
    exchanged,
    without_shared_patients,
)
from vesalius.studies.comparison.design import (
    ALPHA,
    Design,
    compared,
    halves_compared,
    said_p,
    sentence,
    with_interval,
)
from vesalius.studies.comparison.where import where
from vesalius.studies.outcome import Outcome

WANTED = 0.8
POWER_PERMUTATIONS = 199


def shift(
    first: Cloud, second: Cloud, *, design: Design, seed: int = 0, device: str | None = None
) -> Outcome:
    """Test two clouds, show where they differ, and say how many cases it takes to see it."""
    first, second, left_out = without_shared_patients(first, second, design.by)
    rng = np.random.default_rng(seed)
    test = compared(first, second, design, rng=rng, device=device)
    tests: dict[str, MMDTest] = {"MMD": test}
    if design.bandwidth != "aggregate" and design.gamma is None and design.kernel == "rbf":
        tests["MMD, aggregated over bandwidths"] = compared(
            first, second, design, rng=rng, device=device, bandwidth="aggregate"
        )
    tests["energy distance"] = compared(
        first, second, design, rng=rng, device=device, kernel="energy",
        bandwidth="median", gamma=None,
    )  # fmt: skip
    classifier = _classified(first, second, design, rng)
    null = halves_compared(first, design, rng=rng, device=device)
    blocks: list[Block] = [*([Notice(left_out)] if left_out else [])]
    blocks += _remarks(test, (first, second))
    blocks.append(_table(tests, classifier, null, first))
    blocks.append(
        figures.null_histogram(
            test.null_P, test.mmd2, p_value=test.p_value,
            caption=f"MMD² of {first.name} against {second.name}, and of {test.permutations:,} "
            f"relabellings of {test.units}.",
        )
    )  # fmt: skip
    name = f"{first.name} against {second.name}"
    why = (
        "If both came from one source, any relabelling of who belongs to which would give as large "
        "a distance as often as not. Two tests of another kind and two halves of one cloud stand "
        "beside it."
    )
    power, needed = _power(first, second, test, design, seed)
    scores = [test.as_score(), *([classifier.as_score()] if classifier else [])]
    return Outcome(
        scores={name: tuple(scores)},
        sections=(
            Section(f"Do {first.name} and {second.name} differ?", why, blocks),
            *where(first, second, test, design=design, seed=seed),
            power,
        ),
        answer=f"{sentence(test, first, second)} {needed}".strip(),
    )


def _classified(
    first: Cloud, second: Cloud, design: Design, rng: np.random.Generator
) -> ClassifierTest | None:
    """Tell the clouds apart by a classifier; None where there are too few to hold any out."""
    groups_x, groups_y = exchanged(first, second, design.by)
    try:
        return classifier_test(
            first.values(normalise=design.normalise),
            second.values(normalise=design.normalise),
            groups_x=groups_x,
            groups_y=groups_y,
            permutations=design.permutations,
            rng=rng,
        )
    except DataError:
        return None


def _remarks(test: MMDTest, clouds: tuple[Cloud, Cloud]) -> list[Block]:
    """Say what a reader must know to read p rightly."""
    said: list[Block] = []
    unknown = [cloud.name for cloud in clouds if cloud.cases.patient_ids is None]
    alone = "cases were exchanged one by one, as if independent. With several images a patient p "
    if test.units == "cases" and unknown:
        said.append(Notice(
            f"The patients of {' and '.join(unknown)} are not known: {alone}is too small.",
            "warning"))  # fmt: skip
    elif test.units == "cases" and any(cloud.has_several_a_patient for cloud in clouds):
        said.append(Notice(
            f"Asked for by cases: {alone}is too small, and there are such: "
            f"{clouds[0].units} and {clouds[1].units}.", "warning"))  # fmt: skip
    if test.on_floor:
        said.append(Notice(
            f"p sits on its floor: no relabelling reached the observed value, so that p is at most "
            f"{test.p_value:.3g} and may be far smaller; more permutations would tell."
        ))  # fmt: skip
    said += [Notice(note[:1].upper() + note[1:] + ".") for note in test.notes]
    return said


def _table(
    tests: Mapping[str, MMDTest],
    classifier: ClassifierTest | None,
    null: MMDTest | None,
    first: Cloud,
) -> Table:
    rows = [(name, *_row(test)) for name, test in tests.items()]
    notes = []
    if classifier is None:
        notes.append("There are too few for a classifier, which learns on one half.")
    else:
        auroc = classifier.as_score()
        rows.append((
            "classifier told to part them",
            f"AUROC {auroc.value:.3f} [{auroc.low:.3f}, {auroc.high:.3f}] on "
            f"{classifier.n_test:,} held-out cases",
            said_p(classifier), "logistic regression on one half",
        ))  # fmt: skip
    if null is None:
        notes.append(f"{first.name} is too small to be parted into two halves as a control.")
    else:
        rows.append((f"control: MMD of two halves of {first.name}", *_row(null)))
        notes.append("The control should find nothing: p below 0.05 is seen in 1 of 20 such runs.")
    return Table(("Test", "Statistic", Column("p"), "Form"), rows, notes=notes)


def _row(test: MMDTest) -> tuple[str, str, str]:
    return (
        with_interval(test),
        said_p(test),
        test.form + (", p over all bandwidths" if test.aggregated else ""),
    )


def _power(
    first: Cloud, second: Cloud, test: MMDTest, design: Design, seed: int
) -> tuple[Section, str]:
    """Return how often so many of each would have shown the difference, and how many are needed.

    Where no difference was found nothing is said to be needed: there may be none to be seen.
    """
    groups_x, groups_y = exchanged(first, second, design.by)
    curve = power_curve(
        first.values(normalise=design.normalise),
        second.values(normalise=design.normalise),
        groups_x=groups_x,
        groups_y=groups_y,
        permutations=POWER_PERMUTATIONS,
        alpha=ALPHA,
        rng=seed,
        **{k: v for k, v in design.settings().items() if k != "permutations"},
    )
    needed = curve.said_needed(WANTED) if test.p_value <= ALPHA else ""
    section = Section(
        "How many cases show it?",
        "So many of each side were drawn again and again, without replacement, and compared at the "
        "level of 0.05. Where nothing differs the curve stays at that level. The band is that of "
        "draws from these very cases: others may differ more, or less.",
        [
            figures.power_curve(
                curve.rates,
                alpha=ALPHA,
                wanted=WANTED,
                needed=curve.needed(WANTED) if needed else None,
                along=f"{curve.units} of each side",
                caption=needed,
            )
        ],
    )
    return section, needed
