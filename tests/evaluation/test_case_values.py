"""Values of cases: means over findings, intervals over patients, paired differences."""

import numpy as np
import pytest

from vesalius.core import ChoiceError, DataError
from vesalius.evaluation import CaseValues, case_differences, case_scores

FINDINGS = ("Mass", "Nodule", "Effusion")


def make(n=60, *, seed=0, patients=True, missing=0.0):
    rng = np.random.default_rng(seed)
    values_NK = rng.random((n, 2))
    values_NK[rng.random((n, 2)) < missing] = np.nan
    return CaseValues(
        values_NK,
        ("hit", "mass"),
        np.array([f"case{i // 2}" for i in range(n)]),
        np.array([FINDINGS[(i // 2 + i) % 3] for i in range(n)]),
        np.array([f"patient{i // 4}" for i in range(n)]) if patients else None,
        method=f"method{seed}",
        protocol="toy/v1",
    )


def rowed(table, rows, **more):
    fields = {
        "values_NK": table.values_NK[rows],
        "measures": table.measures,
        "case_ids": table.case_ids[rows],
        "findings": table.findings[rows],
        "patient_ids": None if table.patient_ids is None else table.patient_ids[rows],
        "method": table.method,
    }
    return CaseValues(**(fields | more))


def test_scores_are_means_of_findings_and_the_macro_is_their_mean():
    table = make(missing=0.2)
    scores = {(s.name, s.label): s for s in case_scores(table, replicates=50)}
    for k, measure in enumerate(table.measures):
        means = []
        for finding in table.finding_names:
            own_N = table.values_NK[table.findings == finding, k]
            score = scores[measure, finding]
            assert score.value == pytest.approx(np.nanmean(own_N), abs=1e-12)
            assert score.n == np.sum(~np.isnan(own_N))
            means.append(score.value)
        assert scores[f"macro_{measure}", ""].value == pytest.approx(np.mean(means), abs=1e-12)


def test_intervals_equal_a_loop_that_repeats_the_rows_of_drawn_patients():
    table = make(40)
    macro = case_scores(table, replicates=300, seed=3)[0]
    names, patient_N = np.unique(table.patient_ids, return_inverse=True)
    drawn_R = np.random.default_rng(3).integers(0, len(names), (300, len(names)))
    values = []
    for drawn in drawn_R:
        rows = np.concatenate([np.flatnonzero(patient_N == g) for g in drawn])
        values.append(
            np.mean(
                [table.values_NK[rows][table.findings[rows] == f, 0].mean()
                 for f in table.finding_names]
            )
        )  # fmt: skip
    assert (macro.low, macro.high) == pytest.approx(np.quantile(values, (0.025, 0.975)), abs=1e-12)
    assert macro.clusters == 10
    assert macro.n == 20


def test_a_finding_without_a_reference_keeps_its_place_and_says_how_many_cases_it_lacks():
    table = rowed(make(8), np.arange(0, 8, 2), left_out={"Hernia": 3})
    scores = {(s.name, s.label): s for s in case_scores(table, replicates=20)}
    hernia = scores["hit", "Hernia"]
    assert np.isnan(hernia.value)
    assert hernia.n == 0
    assert "3 cases without a reference left out" in hernia.note
    assert "without Hernia (no case)" in scores["macro_hit", ""].note
    assert scores["macro_hit", ""].n == 4


def test_an_empty_table_scores_nothing_without_a_crash():
    empty = rowed(make(), np.zeros(0, int), left_out={"Mass": 2})
    scores = case_scores(empty, replicates=10)
    assert [s.label for s in scores] == ["", "Mass"] * 2
    assert all(np.isnan(s.value) for s in scores)


def test_unknown_patients_are_said():
    assert "patients unknown" in case_scores(make(patients=False), replicates=10)[0].note


def test_a_case_that_stands_twice_with_a_finding_is_refused():
    table = make(8)
    with pytest.raises(DataError, match="case 'case0' occurs twice with finding 'Mass'"):
        rowed(table, [0, 1, 0])


def test_differences_are_those_of_the_means_whatever_the_order_of_rows():
    first, second = make(seed=1, missing=0.1), make(seed=2, missing=0.1)
    shuffled = rowed(second, np.random.default_rng(0).permutation(len(second)))
    macro, *findings = case_differences(
        first, shuffled, measure="mass", permutations=99, replicates=50
    )
    both_N = ~np.isnan(first.column("mass") + second.column("mass"))
    differences = []
    for one in findings:
        rows = both_N & (first.findings == one.label)
        difference = (first.column("mass") - second.column("mass"))[rows].mean()
        assert one.difference == pytest.approx(difference, abs=1e-12)
        assert one.first_value - one.second_value == pytest.approx(difference, abs=1e-12)
        assert one.low <= one.difference <= one.high
        assert one.p_adjusted >= one.p_value
        differences.append(difference)
    assert macro.difference == pytest.approx(np.mean(differences), abs=1e-12)
    assert macro.measure == "macro_mass"


def test_a_method_differs_from_itself_by_exactly_nothing():
    found = case_differences(make(), make(), measure="hit", permutations=50, replicates=50)
    assert all(one.difference == one.low == one.high == 0 for one in found)
    assert all(one.p_value == 1 for one in found)
    assert all(one.p_adjusted == 1 for one in found[1:])


def test_swaps_equal_all_swaps_of_few_patients():
    first, second = make(24, seed=5), make(24, seed=6)
    got = case_differences(first, second, measure="hit", permutations=20_000, replicates=10)
    names, patient_N = np.unique(first.patient_ids, return_inverse=True)
    difference_N = first.column("hit") - second.column("hit")
    for one in got:
        reached = 0
        for code in range(2 ** len(names)):
            sign_N = (1 - 2 * ((code >> np.arange(len(names))) & 1))[patient_N]
            means = [(sign_N * difference_N)[first.findings == f].mean()
                     for f in ([one.label] if one.label else first.finding_names)]  # fmt: skip
            reached += abs(np.mean(means)) >= abs(one.difference) - 1e-12
        assert one.p_value == pytest.approx(reached / 2 ** len(names), abs=0.015)


def test_tables_of_other_cases_or_patients_are_refused():
    first, second = make(), make(seed=1)
    with pytest.raises(DataError, match="which the second lacks"):
        case_differences(first, rowed(second, np.arange(1, 60)), measure="hit")
    moved = np.where(np.arange(60) == 7, "other", second.patient_ids)
    with pytest.raises(DataError, match=r"case 'case3' is of patient 'patient1'.*'other'"):
        case_differences(first, rowed(second, np.arange(60), patient_ids=moved), measure="hit")
    with pytest.raises(ChoiceError, match="did you mean 'mass'"):
        case_differences(first, second, measure="mas")
