"""Maps of many cases against their regions, thresholds from validation, and controls."""

import numpy as np
import pytest

from vesalius.core import Box, DataError, Heatmap, Mask
from vesalius.evaluation import (
    Located,
    box_area,
    case_differences,
    case_scores,
    centre_gaussian,
    localisation_controls,
    localisation_values,
    random_map,
)
from vesalius.evaluation.localisation.measures import overlap_at
from vesalius.evaluation.localisation.thresholds import choose_map_thresholds

SHAPE = (24, 30)


def drawn(n=20, *, signal=2.0, seed=0, prefix="case", findings=("Mass", "Nodule")):
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        x, y = rng.integers(0, 18), rng.integers(0, 14)
        box = Box(findings[i % 2], float(x), float(y), float(rng.integers(4, 12)), 9.0)
        map_HW = rng.normal(size=SHAPE)
        map_HW[y : y + 9, x : x + int(box.width)] += signal
        rows.append(
            Located(f"{prefix}{i}", box.label, map_HW, [box], patient_id=f"{prefix}p{i // 2}")
        )
    return rows


def scored(table):
    return {(s.name, s.label): s for s in case_scores(table, replicates=200)}


def test_a_map_that_is_the_region_itself_is_perfect():
    region_HW = np.zeros(SHAPE, bool)
    region_HW[3:9, 4:10] = True
    rows = [Located("a", "Mass", Heatmap(region_HW * 3.0, "own", "Mass"), Mask(region_HW, "Mass"))]
    validation = [Located("v", "Mass", region_HW * 3.0, region_HW)]
    table = localisation_values(rows, thresholds_from=validation)
    expected = dict.fromkeys(table.measures, 1.0) | {"mass_over_area": 1 / region_HW.mean()}
    got = dict(zip(table.measures, table.values_NK[0], strict=True))
    assert got == pytest.approx(expected)


def test_the_threshold_is_the_best_of_all_values_of_the_validation_maps():
    rows = drawn(6, seed=4)
    chosen = choose_map_thresholds(rows)
    for finding in ("Mass", "Nodule"):
        own = [row.arrays() for row in rows if row.finding == finding]
        every = np.unique(np.concatenate([map_HW.ravel() for map_HW, _ in own]))
        best = max(np.mean([overlap_at(m, r, t)[0] for m, r in own]) for t in every)
        cut = chosen[finding]
        at_cut = np.mean([overlap_at(m, r, cut.value)[0] for m, r in own])
        assert cut.iou == pytest.approx(at_cut, abs=1e-12)
        assert best - 0.01 <= cut.iou <= best  # 512 quantiles are tried, not all values
        assert cut.n == 3


def test_thresholds_come_from_validation_and_no_test_map_moves_them():
    validation, test = drawn(seed=1, prefix="v"), drawn(seed=2)
    table = localisation_values(test, thresholds_from=validation)
    halved = localisation_values(test[:10], thresholds_from=validation)
    np.testing.assert_array_equal(table.values_NK[:10], halved.values_NK)
    assert "best of 10 validation cases" in scored(table)["iou", "Mass"].note
    with pytest.raises(DataError, match="shares case 'case0'"):
        localisation_values(test, thresholds_from=test[:1])


def test_a_finding_that_validation_lacks_has_no_iou_but_all_else():
    validation = [row for row in drawn(seed=1, prefix="v") if row.finding == "Mass"]
    scores = scored(localisation_values(drawn(), thresholds_from=validation))
    assert np.isnan(scores["iou", "Nodule"].value)
    assert "no validation case" in scores["iou", "Nodule"].note
    assert scores["macro_iou", ""].value == scores["iou", "Mass"].value
    assert scores["pointing_game", "Nodule"].value > 0.5


def test_cases_without_a_region_are_left_out_and_counted():
    rows = drawn(6)
    bare = [
        Located("none", "Mass", rows[0].heatmap, None, "p"),
        Located("no box", "Mass", rows[0].heatmap, [], "p"),
        Located("empty", "Mass", rows[0].heatmap, np.zeros(SHAPE, bool), "p"),
    ]
    table = localisation_values(iter([*rows, *bare]))
    assert len(table) == 6
    assert table.left_out == {"Mass": 3}
    assert "3 cases without a reference left out" in scored(table)["pointing_game", "Mass"].note


def test_an_empty_map_is_a_miss_and_is_not_left_out():
    rows = drawn(6)
    dead = Located("dead", "Mass", np.zeros(SHAPE), rows[0].region, "p")
    table = localisation_values([*rows, dead], thresholds_from=drawn(seed=1, prefix="v"))
    assert len(table) == 7
    assert table.values_NK[-1].tolist() == [0] * 7


@pytest.mark.parametrize(
    ("map_HW", "words"),
    [
        (np.full(SHAPE, np.nan), "not finite"),
        (np.zeros((2, *SHAPE)), "H × W"),
        (np.zeros((24, 29)), "shape"),
    ],
)
def test_a_map_that_is_none_names_its_case(map_HW, words):
    row = Located("odd", "Mass", map_HW, np.ones(SHAPE, bool))
    with pytest.raises(DataError, match=f"case 'odd', finding 'Mass': .*{words}"):
        localisation_values([row])


def test_patients_are_known_of_all_rows_or_of_none():
    rows = drawn(4)
    with pytest.raises(DataError, match="4 of 5 rows"):
        localisation_values([*rows, Located("x", "Mass", rows[0].heatmap, rows[0].region)])


def test_a_random_map_scores_the_regions_share_of_the_image():
    rows = drawn(400)
    controls = localisation_controls(rows, rng=np.random.default_rng(0))
    chance, area = scored(controls["random_map"]), scored(controls["box_area"])
    for name in ("pointing_game", "mass_in_box", "mass_over_area"):
        low, high = chance[f"macro_{name}", ""].low, chance[f"macro_{name}", ""].high
        assert low - 0.01 <= area[f"macro_{name}", ""].value <= high + 0.01
    assert area["macro_mass_over_area", ""].value == 1


def test_the_whole_image_earns_the_area_share():
    row = Located("a", "Mass", np.zeros((4, 5)), [Box("Mass", 0, 0, 2, 2)])
    values = box_area([row]).values_NK[0]
    whole = overlap_at(np.array([[0.0] * 4 + [-1.0]] * 4), row.arrays()[1], -2.0)
    assert values.tolist() == pytest.approx([0.2, 0.2, 1.0, *whole, *whole])
    assert box_area([row], tolerance=1).values_NK[0][0] == pytest.approx(8 / 20)


def test_the_centre_wins_for_regions_in_the_middle_only():
    middle = [
        Located(f"m{i}", "Mass", np.zeros(SHAPE), [Box("Mass", 10, 7, 10, 10)]) for i in range(3)
    ]
    corner = [Located("c", "Mass", np.zeros(SHAPE), [Box("Mass", 0, 0, 5, 5)])]
    table = localisation_controls([*middle, *corner], rng=np.random.default_rng(0))
    hits = table["centre_gaussian"].column("pointing_game")
    assert hits.tolist() == [1, 1, 1, 0]


def test_control_maps_have_the_images_size_and_symmetry():
    map_HW = centre_gaussian(20, 31)
    np.testing.assert_allclose(map_HW, map_HW[::-1, ::-1], atol=1e-12)
    assert np.unravel_index(map_HW.argmax(), map_HW.shape)[1] == 15
    assert random_map(3, 4, np.random.default_rng(1)).shape == (3, 4)


def test_a_good_map_beats_the_controls_pair_by_pair():
    rows = drawn(60, signal=3.0)
    found = localisation_values(rows, method="good")
    for name, table in localisation_controls(rows, rng=np.random.default_rng(0)).items():
        macro = case_differences(found, table, measure="mass_in_box", permutations=499)[0]
        assert macro.low > 0, name
        assert macro.p_value == 1 / 500
