"""Retrieval between images and texts."""

from dataclasses import replace
from math import comb

import numpy as np
import pytest

from vesalius.core import ChoiceError, DataError, Embeddings
from vesalius.evaluation import caption_groups, retrieval
from vesalius.evaluation.standing import Standing, standings, weighted_median


def pair(n=40, d=6, noise=0.7, seed=0):
    rng = np.random.default_rng(seed)
    image_ND = rng.normal(size=(n, d))
    case_ids = np.array([f"case{i}" for i in range(n)])
    text_ND = image_ND + noise * rng.normal(size=(n, d))
    return Embeddings(image_ND, case_ids, "image"), Embeddings(text_ND, case_ids, "text")


def by_name(scores):
    return {score.name: score for score in scores}


def values(image, text, groups_N, **settings):
    found = retrieval(image, text, groups_N=groups_N, replicates=20, **settings)
    return {score.name: score.value for score in found}


def test_perfect_pairs_score_one_and_rank_one():
    image, _ = pair()
    found = values(image, replace(image, modality="text"), np.arange(40))
    assert found["image_to_text_r@1"] == found["text_to_image_r@1_naive"] == 1.0
    assert found["image_to_text_median_rank"] == 1.0


def test_opposite_pairs_come_last():
    image, _ = pair(d=1)
    line = replace(image, values_ND=np.column_stack([np.cos(t := np.arange(40) / 40), np.sin(t)]))
    found = values(line, replace(line, values_ND=-line.values_ND, modality="text"), np.arange(40))
    assert found["image_to_text_r@10"] < 0.5


@pytest.mark.parametrize("groups", ["own", "shared"])
def test_recall_and_rank_equal_a_slow_loop(groups):
    image, text = pair()
    group_N = np.arange(40) if groups == "own" else np.arange(40) // 3
    found = values(image, text, group_N)
    for way, query_ND, gallery_ND in (
        ("image_to_text", image.normalised(), text.normalised()),
        ("text_to_image", text.normalised(), image.normalised()),
    ):
        for ending, right in (("", group_N), ("_naive", np.arange(40))):
            ranks = []
            for i in range(40):
                order = sorted(range(40), key=lambda j: -float(query_ND[i] @ gallery_ND[j]))
                # wrong items before the first right one
                ranks.append(next(r for r, j in enumerate(order) if right[j] == right[i]) + 1)
            for k in (1, 5, 10):
                expected = np.mean(np.array(ranks) <= k)
                assert found[f"{way}_r@{k}{ending}"] == pytest.approx(expected, abs=1e-12)
            assert found[f"{way}_median_rank{ending}"] == np.median(ranks)


@pytest.mark.parametrize("group_N", [np.arange(40), np.arange(40) // 7])
def test_collapsed_embeddings_score_exactly_chance(group_N):
    image, text = pair()
    point = np.ones((40, 6)) + 1e-9 * np.random.default_rng(0).normal(size=(40, 6))
    found = values(replace(image, values_ND=point), replace(text, values_ND=point), group_N)
    for name, value in found.items():
        if name.endswith("_chance"):
            assert value == pytest.approx(found[name.removesuffix("_chance")], abs=1e-12)
    assert found["image_to_text_r@1_naive"] == pytest.approx(1 / 40)
    assert found["image_to_text_median_rank_naive"] == pytest.approx(20.5)


def test_ties_are_what_random_orders_give_on_average():
    standing = Standing(np.array([1]), np.array([4]), np.array([2]))
    rng, first = np.random.default_rng(0), []
    for _ in range(20_000):
        order = rng.permutation(6)  # 0 and 1 are the right ones
        first.append(2 + min(np.flatnonzero(order < 2)))
    assert standing.expected_rank()[0] == pytest.approx(np.mean(first), abs=0.03)
    for k in range(1, 8):
        assert standing.hit(k)[0] == pytest.approx(np.mean(np.array(first) <= k), abs=0.02)
    assert standing.hit(3)[0] == pytest.approx(1 - comb(4, 2) / comb(6, 2), abs=1e-12)


def test_copies_of_one_text_share_the_hit():
    image, text = pair(noise=0.0)
    twins = text.values_ND.copy()
    twins[1::2] = twins[::2]
    images = replace(image, values_ND=twins)
    found = values(images, replace(text, values_ND=twins), np.arange(40) // 2)
    assert found["image_to_text_r@1"] == 1.0
    assert found["image_to_text_r@1_naive"] == pytest.approx(0.5)


def test_tiles_change_nothing(monkeypatch):
    image, text = pair()
    whole = values(image, text, np.arange(40) // 3)
    monkeypatch.setattr("vesalius.evaluation.standing.TILE_BYTES", 1)
    assert values(image, text, np.arange(40) // 3) == pytest.approx(whole, abs=1e-12)


def test_order_of_the_texts_and_of_the_cases_does_not_matter():
    image, text = pair()
    order = np.random.default_rng(1).permutation(40)
    groups_N = np.arange(40) // 3
    whole = values(image, text, groups_N)
    assert values(image, text.select(order), groups_N) == whole
    assert values(image.select(order), text, groups_N[order]) == pytest.approx(whole, abs=1e-12)


def test_interval_equals_a_loop_over_drawn_patients():
    image, text = pair()
    patients_N = np.array([f"patient{i // 4}" for i in range(40)])
    found = by_name(
        retrieval(
            image, text, groups_N=np.arange(40), clusters_N=patients_N, replicates=300, seed=3
        )
    )
    aware, _ = standings(image.normalised(), text.normalised(), np.arange(40))
    hits_N, ranks_N = aware.hit(5), aware.expected_rank()
    recalls, medians = [], []
    names, cluster_N = np.unique(patients_N, return_inverse=True)
    for drawn in np.random.default_rng(3).integers(0, len(names), (300, len(names))):
        rows = np.concatenate([np.flatnonzero(cluster_N == g) for g in drawn])
        recalls.append(hits_N[rows].mean())
        medians.append(np.median(ranks_N[rows]))
    recall, median = found["image_to_text_r@5"], found["image_to_text_median_rank"]
    np.testing.assert_allclose((recall.low, recall.high), np.quantile(recalls, (0.025, 0.975)))
    np.testing.assert_allclose((median.low, median.high), np.quantile(medians, (0.025, 0.975)))
    assert recall.clusters == 10
    assert recall.n == 40
    assert recall.note == ""


def test_weighted_median_equals_numpy_on_repeated_values():
    rng = np.random.default_rng(0)
    values_N = np.sort(rng.integers(0, 9, 15).astype(float))
    weights_RN = rng.integers(0, 4, (50, 15)).astype(float)
    expected = [np.median(np.repeat(values_N, w_N.astype(int))) for w_N in weights_RN]
    np.testing.assert_array_equal(weighted_median(values_N, weights_RN), expected)


def test_every_score_has_its_interval_or_says_why_not():
    image, text = pair()
    for score in retrieval(image, text, groups_N=np.arange(40), replicates=50):
        assert score.protocol == "retrieval/v1"
        assert score.note
        if not score.name.endswith("_chance"):
            assert score.low <= score.value <= score.high
            assert "patients unknown" in score.note


def test_mistakes_are_named():
    image, text = pair()
    with pytest.raises(DataError, match="40 images and 39 texts"):
        retrieval(image, text.select(np.arange(39)), groups_N=np.arange(40))
    with pytest.raises(DataError, match="groups_N has shape"):
        retrieval(image, text, groups_N=np.arange(3))
    with pytest.raises(DataError, match="width 6 but texts 5"):
        retrieval(image, replace(text, values_ND=np.ones((40, 5))), groups_N=np.arange(40))
    with pytest.raises(DataError, match="not finite"):
        retrieval(image, replace(text, values_ND=np.full((40, 6), np.nan)), groups_N=np.arange(40))


def test_same_words_share_a_group_and_no_words_share_none(make_cohort):
    texts = np.array(["No  effusion.", "no effusion", None, "Edema", "", " edema ."], object)
    _, cases = make_cohort(n=6, texts=texts)
    assert caption_groups(cases).tolist() == [0, 0, 1, 2, 3, 2]
    assert caption_groups(replace(cases, texts=None)).tolist() == [0, 1, 2, 3, 4, 5]


def test_groups_are_joined_through_an_attribute(make_cohort):
    texts = np.array(["a", "b", "b", "c", "d"], object)
    studies = {"study_id": np.array(["s1", "s1", "s2", "s3", "s3"])}
    _, cases = make_cohort(n=5, texts=texts, attributes=studies)
    assert caption_groups(cases, by="study_id").tolist() == [0, 0, 0, 1, 1]
    with pytest.raises(ChoiceError, match="'study'; did you mean 'study_id'"):
        caption_groups(cases, by="study")
