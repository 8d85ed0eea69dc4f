"""The picture of how many labels it takes."""

from math import nan

from vesalius.core import Score
from vesalius.evaluation.seeds import spread
from vesalius.studies import recipe_of
from vesalius.studies.sweep.arms import Arm
from vesalius.studies.sweep.by_labels import by_labels
from vesalius.studies.sweep.outcomes import Result


def recipe(*stages):
    return recipe_of({
        "study": "labels", "question": "How many?", "data": {"reader": "phantom"},
        "model": {"name": "tiny"}, "adapt": list(stages),
    })  # fmt: skip


def result(arm, method, value):
    score = Score("macro_auroc", value, value - 0.1, value + 0.1, n=9)
    return Result(Arm({"start": arm}, {}), method, score, spread([value]))


FEW = {"linear_probe": {"title": "few", "labels": 0.1}}
ALL = {"linear_probe": {"title": "all"}}


def test_each_arm_is_a_line_over_the_shares_of_one_stage():
    values = {("a", "few"): 0.6, ("a", "all"): 0.8, ("b", "few"): 0.7, ("b", "all"): 0.9}
    found = [result(arm, method, value) for (arm, method), value in values.items()]
    (section,) = by_labels(recipe(FEW, ALL), found)
    (figure,) = section.blocks
    for said in ("a: 10 %: 0.600, 100 %: 0.800", "b: 10 %: 0.700, 100 %: 0.900", "labels used"):
        assert said in figure.alt


def test_one_share_alone_needs_no_picture():
    assert by_labels(recipe(ALL), [result("a", "all", 0.8)]) == []


def test_what_has_no_value_is_left_out():
    assert by_labels(recipe(FEW, ALL), [result("a", "few", nan)]) == []


def test_a_level_may_change_the_share():
    half = {"linear_probe.labels": 0.5}
    found = [
        Result(Arm({"share": "half"}, {"share=half": half}), own.method, own.score, own.seeds)
        for own in (result("", "all", 0.7), result("", "few", 0.6))
    ]
    assert by_labels(recipe(FEW, ALL), found) == []  # both methods of that arm use half
