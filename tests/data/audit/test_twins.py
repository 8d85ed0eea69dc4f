"""What is planted is found, and strangers who look alike are left alone."""

from collections import Counter

import numpy as np
import pytest

from vesalius.data import read
from vesalius.data.audit import audit
from vesalius.data.audit.perceptual import CROPS, hashes, near, within

KINDS = ("resized", "recompressed", "brighter", "cropped")


@pytest.fixture(scope="module")
def found(planted):
    return audit(planted[0], workers=0)


def twins(found):
    """Return each pair of rows that the audit calls one picture, groups of copies written out."""
    group = {row: own for own in found.exact for row in own}
    pairs = set()
    for pair in found.near:
        for first in group.get(pair.first, (pair.first,)):
            for second in group.get(pair.second, (pair.second,)):
                pairs.add((min(first, second), max(first, second)))
    return pairs


def test_every_planted_copy_of_pixels_is_found(found, planted):
    wanted = {(origin, row) for row, (kind, origin) in planted[1].items() if kind == "exact"}
    exact = {(a, b) for own in found.exact for a in own for b in own if a < b}
    assert wanted
    assert wanted <= exact


@pytest.mark.parametrize("kind", KINDS)
def test_near_twins_are_found_whatever_was_done_to_them(found, planted, kind):
    wanted = {(origin, row) for row, (own, origin) in planted[1].items() if own == kind}
    exact = {(a, b) for own in found.exact for a in own for b in own if a < b}
    got = wanted & (twins(found) | exact)
    assert len(got) >= 0.95 * len(wanted)


def test_strangers_are_no_twins(found, planted):
    """Two copies of one film are twins, too; any other pair is false."""
    origin = {row: own for row, (_, own) in planted[1].items()}
    false = [p for p in twins(found) if origin.get(p[0], p[0]) != origin.get(p[1], p[1])]
    assert false == []


def test_copies_across_splits_are_told_apart(found, planted):
    kinds = {finding.kind: finding.count for finding in found.findings()}
    assert kinds["exact_across"] == 10
    assert kinds["near_across"] >= 0.95 * 160
    within_train = [p for p in found.near if max(p.first, p.second) < 240]
    assert not set(within_train) & set(found.near_across())


def test_patients_in_several_splits_are_all_found(found, planted):
    cases, origins = planted
    wanted = {str(cases.patient_ids[origin]) for _, origin in origins.values()}
    assert {own.patient for own in found.shared_patients} == wanted
    counted = Counter(cases.patient_ids.tolist())
    for own in found.shared_patients:
        assert sum(count for _, count in own.cases) == counted[own.patient]


def test_the_search_misses_no_pair_that_a_slow_loop_finds():
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (12, 64, 64), dtype=np.uint8)
    many = np.concatenate([base, np.roll(base, 1, axis=1), base[:, ::-1]])
    prints = [hashes(many, crop) for crop in CROPS]

    def bits(word):
        return np.unpackbits(word.view(np.uint8)).sum()

    slow = {
        (min(i, j), max(i, j))
        for own in prints
        for i in range(len(many))
        for j in range(len(many))
        if i != j
        and bits(own[i, :1] ^ prints[0][j, :1]) <= 6
        and bits(own[i, 1:] ^ prints[0][j, 1:]) <= 16
    }
    fast = within(prints)
    assert slow
    assert {(min(i, j), max(i, j)) for i, j in zip(*fast[:2], strict=True)} == slow


def test_a_search_is_the_same_in_blocks(monkeypatch):
    from vesalius.data.audit import perceptual

    rng = np.random.default_rng(1)
    many = rng.integers(0, 256, (50, 64, 64), dtype=np.uint8)
    twice = np.concatenate([many, many[::-1]])
    whole = near([hashes(twice)], hashes(many))
    monkeypatch.setattr(perceptual, "ROWS", 7)
    monkeypatch.setattr(perceptual, "COLUMNS", 11)
    parts = near([hashes(twice)], hashes(many))
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(whole.first_P) == 100


def test_flat_images_are_listed_and_are_nobodys_near_twins(with_images):
    shades = [np.full((80, 80), value, np.uint8) for value in (10, 11, 200)]
    found = audit(with_images(shades), workers=0)
    assert found.flat == (0, 1, 2)
    assert found.near == ()


def test_another_set_is_compared_image_by_image(films, planted):
    cases, origins = planted
    copies = cases.select(sorted(origins))
    found = audit(films, against=copies, workers=0)
    wanted = {(own, place) for place, (_, own) in enumerate(origins.values())}
    got = {(pair.first, pair.second) for pair in found.against.pairs}
    assert len(got & wanted) >= 0.97 * len(wanted)
    assert got <= wanted
    assert found.against.patients == len({str(films.patient_ids[o]) for _, o in origins.values()})


def test_hashes_alone_find_the_copies_of_another_hospital(films, planted, tmp_path):
    copies = planted[0].select(sorted(planted[1]))
    audit(copies, folder=tmp_path, workers=0)
    text = (tmp_path / "hashes.csv").read_text()
    assert "png" not in text
    found = audit(films, against=tmp_path / "hashes.csv", workers=0)
    assert not found.against.confirmed
    exact = {pair.second for pair in found.against.pairs if pair.exact}
    assert {p for p, (kind, _) in enumerate(planted[1].values()) if kind == "exact"} <= exact


def test_labels_at_odds_on_copies_are_found_and_unknown_is_not_at_odds(with_images):
    image = np.random.default_rng(0).integers(0, 256, (70, 70), dtype=np.uint8)
    states = np.array([[1.0, 0.0], [0.0, 0.0], [np.nan, 0.0]])
    made = with_images([image] * 3, labels_NC=states, label_names=("Edema", "Mass"))
    (only,) = audit(made, workers=0).contradictions
    assert (only.first, only.second, only.labels) == (0, 1, ("Edema",))


def test_the_films_of_the_real_set_hold_one_copy_and_no_false_pair(real_data):
    found = audit(read("nih_cxr14", real_data("nih_cxr14")))
    assert found.near == ()
    assert len(found.exact) == 1
