"""Tiers claim no more than the differences allow."""

from math import nan

from vesalius.evaluation.tiers import tiers

VALUES = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6}


def pairs(*names):
    return [frozenset(name) for name in names]


def test_where_nothing_can_be_told_apart_there_is_one_tier():
    assert set(tiers(VALUES, []).values()) == {1}


def test_where_everything_can_each_has_its_own_in_the_order_of_the_values():
    apart = pairs("ab", "ac", "ad", "bc", "bd", "cd")
    assert tiers(VALUES, apart) == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_a_tier_is_measured_from_its_best_and_not_from_neighbour_to_neighbour():
    assert tiers(VALUES, pairs("ac", "ad")) == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_one_that_the_best_cannot_be_told_from_is_in_its_tier_however_low():
    assert tiers(VALUES, pairs("ab", "ac")) == {"a": 1, "d": 1, "b": 2, "c": 2}


def test_what_has_no_value_has_no_tier():
    assert tiers({"a": nan, "b": 0.5}, []) == {"b": 1}
