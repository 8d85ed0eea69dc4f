"""Comparisons run from a recipe or two folders to a page with a sentence to be quoted."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from vesalius import data, embedding
from vesalius.core import CaseSet, DataError, Embeddings, RecipeError, VesaliusError
from vesalius.reporting import Notice
from vesalius.studies import compare_folders, embed_data, load_recipe, recipe_of, run_study
from vesalius.studies.comparison import clouds as cloud_room
from vesalius.studies.comparison.clouds import Cloud, halves, without_shared_patients
from vesalius.studies.comparison.design import Design, compared, halves_compared, sentence
from vesalius.studies.comparison.groups import values_of
from vesalius.studies.comparison.likeness import ORIGINAL, likeness
from vesalius.studies.comparison.many import all_pairs
from vesalius.studies.comparison.rotation import rotated
from vesalius.studies.comparison.shift import shift

SMALL = ["data.n=160", "data.image_size=48", "model.image_size=32", "pretrain=null"]


class Pixels:
    """A column of plain images."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return np.full((8, 8), index % 255, np.uint8)

    def name(self, index):
        return f"{index}.png"

    def content_hash(self, index):
        return str(index)

    def take(self, indices):
        return Pixels(len(indices))


def cloud(values_ND, name="a", patients=None, label_NC=None):
    n = len(values_ND)
    ids = np.array([f"{name}{i}" for i in range(n)])
    labels_NC = np.empty((n, 0)) if label_NC is None else label_NC
    names = tuple(f"label{c}" for c in range(labels_NC.shape[1]))
    cases = CaseSet(ids, Pixels(n), labels_NC, names, source=name, patient_ids=patients)
    return Cloud.of(name, Embeddings(values_ND, ids, "image"), cases)


def scores_of(run):
    return json.loads(run.file("scores.json").read_text())


@pytest.fixture(scope="session")
def sites(tmp_path_factory):
    """Return the Run of a very small site shift."""
    few = [*SMALL, "groups.cases=all", "groups.permutations=99"]
    return run_study(load_recipe("site_shift", few), tmp_path_factory.mktemp("s"), progress=False)


@pytest.fixture(scope="session")
def two_models(tmp_path_factory):
    """Return the Run of a very small embedding shift."""
    few = [
        *SMALL,
        "encoders.settings.image_size=32",
        "encoders.sample=40",
        "encoders.permutations=99",
    ]
    recipe = load_recipe("embedding_shift", [*few, "seed=1"])
    return run_study(recipe, tmp_path_factory.mktemp("e"), progress=False)


def test_site_shift_says_whether_the_sites_differ_where_and_how_many_cases_show_it(sites):
    page = sites.file("page.html").read_text()
    for words in ("site A", "site B", "relabellings of patients", "trustworthiness",
                  "How many cases show it?", "Which cases drive it?", "Holm"):  # fmt: skip
        assert words in page
    files = {path.name for path in sites.file("figures").iterdir()}
    assert any("differ-1.svg" in name for name in files), "the null's histogram"
    assert {path.rpartition(".")[2] for path in files} >= {"svg", "png", "jpg"}
    (scores,) = scores_of(sites).values()
    mmd2 = next(s for s in scores if s["name"] == "mmd2")
    assert mmd2["low"] < mmd2["value"] < mmd2["high"]
    assert "MMD²" in sites.file("scores.md").read_text().split("\n\n")[1]


def test_embedding_shift_shows_likeness_controls_and_what_rotation_leaves(two_models):
    page = two_models.file("page.html").read_text()
    for words in ("Both come from the same weights", "as first published",
                  "pairs swapped", "after the best rotation", "CKA", "Procrustes", "Controls",
                  "Layer by layer"):  # fmt: skip
        assert words in page
    (scores,) = scores_of(two_models).values()
    by_name = {s["name"]: s for s in scores}
    assert {"cka_linear_debiased", "cka_rbf_debiased", "procrustes", "knn_overlap_10",
            "rsa_euclidean_spearman", "mmd2"} <= set(by_name)  # fmt: skip
    # the same weights: one seed, one architecture, never trained
    assert by_name["cka_linear_debiased"]["value"] == pytest.approx(1, abs=1e-6)
    assert by_name["knn_overlap_10"]["value"] == 1


def test_two_folders_of_other_cases_are_compared_as_clouds(tmp_path):
    for name, mean in (("near", 0.0), ("far", 1.0)):
        rng = np.random.default_rng(len(name))
        ids = np.array([f"{name}{i}" for i in range(40)])
        rows = Embeddings(rng.normal(mean, 1, (40, 6)), ids, "image", {"model": "toy"})
        embedding.save(rows, tmp_path / name)
    run = compare_folders(
        tmp_path / "near", tmp_path / "far", ["permutations=99"], out=tmp_path / "run"
    )
    said = run.file("scores.md").read_text()
    assert "differ: MMD²" in said
    assert "p = 0.01" in said
    assert "cannot be read again" in run.file("page.html").read_text()


def test_two_folders_of_the_same_cases_are_compared_row_by_row(tmp_path):
    settings = ["data.n=60", "data.image_size=48"]
    for name, seed in (("one", 0), ("two", 1)):
        embed_data("phantom", None, [*settings, f"seed={seed}"], model="tiny", out=tmp_path / name)
    run = compare_folders(
        tmp_path / "one", tmp_path / "two", ["permutations=99"], out=tmp_path / "run"
    )
    said = run.file("scores.md").read_text()
    assert "CKA" in said
    page = run.file("page.html").read_text()
    assert "cannot be read again" not in page, "the folder's recipe names its data"
    assert "of 3" in said or "patients" in said


def test_unaligned_axes_are_warned_of_unless_both_come_from_the_same_weights(rng):
    values = rng.normal(size=(30, 5)).astype(np.float32)
    first = cloud(values)
    second = replace(first, name="b", embeddings=replace(first.embeddings, values_ND=-values))

    def said(one, other):
        found = likeness(one, other, design=Design(permutations=19), original=ORIGINAL)
        shown = [block for s in found.sections for block in s.blocks if isinstance(block, Notice)]
        return found.answer, " ".join(block.text for block in shown)

    answer, notice = said(first, second)
    assert "rejects by their axes alone" in answer
    assert "axes that have nothing to do with each other" in notice
    known = {"weights_hash": "w"}
    one, other = (
        replace(own, embeddings=replace(own.embeddings, provenance=known, modality=modality))
        for own, modality in ((first, "image"), (second, "text"))
    )
    answer, notice = said(one, other)
    assert "pairs swapped, MMD² is" in answer
    assert "modality gap" in notice


def test_a_handful_of_cases_has_fewer_neighbours_to_share(rng):
    first = cloud(rng.normal(size=(8, 5)))
    found = likeness(first, replace(first, name="b"), design=Design(permutations=19),
                     original=ORIGINAL)  # fmt: skip
    names = {score.name for score in next(iter(found.scores.values()))}
    assert "knn_overlap_6" in names


def test_patients_known_on_one_side_alone_are_not_exchanged_and_the_page_says_so(rng):
    known = cloud(rng.normal(size=(30, 4)), "known", np.repeat(np.arange(15), 2).astype(str))
    found = shift(known, cloud(rng.normal(size=(30, 4)), "unknown"), design=Design(permutations=19))
    notices = [b.text for b in found.sections[0].blocks if isinstance(b, Notice)]
    assert "patients of unknown are not known" in notices[0]
    assert "relabellings of cases" in found.answer


def test_the_sheet_of_witnesses_shows_one_case_of_each_patient(rng):
    several = cloud(rng.normal(size=(30, 4)), "a", np.repeat(np.arange(5), 6).astype(str))
    other = cloud(rng.normal(size=(12, 4)), "b", np.array([f"o{i // 2}" for i in range(12)]))
    found = shift(several, other, design=Design(permutations=19))
    section = next(s for s in found.sections if s.title == "Which cases drive it?")
    shown = [int(own[1:]) // 6 for own in section.blocks[0].alt.split() if own[:1] == "a"
             and own[1:].isdigit()]  # fmt: skip
    assert sorted(shown) == [0, 1, 2, 3, 4]


def test_cases_of_one_patient_exchanged_alone_are_warned_of(rng):
    several = cloud(rng.normal(size=(30, 4)), "a", np.repeat(np.arange(15), 2).astype(str))
    other = cloud(rng.normal(size=(30, 4)), "b", np.array([f"o{i}" for i in range(30)]))
    found = shift(several, other, design=Design(permutations=19, by="case"))
    notices = [b.text for b in found.sections[0].blocks if isinstance(b, Notice)]
    assert notices[0].startswith("Asked for by cases")


def test_patients_of_two_data_sets_are_never_one_patient(rng):
    numbers = np.arange(10).astype(str)
    clouds = [cloud(rng.normal(size=(10, 3)), name, numbers) for name in "ab"]
    apart = [own.with_own_patients(own.name) for own in clouds]
    with pytest.raises(DataError, match="same patients"):
        without_shared_patients(*clouds, "patient")
    one, two, said = without_shared_patients(*apart, "patient")
    assert (len(one), len(two), said) == (10, 10, "")


def test_three_patients_a_side_are_tested_without_classifier(rng):
    patients = np.repeat(np.arange(3), 2)
    clouds = [
        cloud(rng.normal(size=(6, 3)), name, np.array([f"{name}{p}" for p in patients]))
        for name in "ab"
    ]
    found = shift(*clouds, design=Design(permutations=19))
    (scores,) = found.scores.values()
    assert [score.name for score in scores] == ["mmd2"]


def test_where_nothing_was_found_no_number_of_cases_is_said_to_show_it(rng):
    clouds = [cloud(rng.normal(size=(24, 3)), name) for name in "ab"]
    found = shift(*clouds, design=Design(permutations=99))
    assert found.answer.startswith("No difference")
    assert "draws" not in found.answer


def test_too_few_relabellings_find_neither_a_difference_nor_none(rng):
    far = cloud(rng.normal(5, 1, size=(20, 3)), "far")
    near = cloud(rng.normal(size=(20, 3)), "near")
    assert sentence(compared(near, far, Design(permutations=9)), near, far).startswith("Too few")


def test_two_models_on_different_cases_are_refused(tmp_path, rng):
    for name in ("a", "b"):
        ids = np.array([f"{name}{i}" for i in range(10)])
        known = {"model": name, "weights_hash": name}
        embedding.save(Embeddings(rng.normal(size=(10, 3)), ids, "image", known), tmp_path / name)
    with pytest.raises(DataError, match=r"different models \(a and b\)"):
        compare_folders(tmp_path / "a", tmp_path / "b", out=tmp_path / "run")


def test_a_folder_comparison_refuses_too_few_permutations(tmp_path):
    with pytest.raises(RecipeError, match="greater than or equal to 19"):
        compare_folders(tmp_path / "a", tmp_path / "b", ["permutations=3"])


def test_all_pairs_share_a_bandwidth_and_have_relabellings_enough_for_holm(rng):
    clouds = [cloud(rng.normal(3 * i, 1, size=(12, 3)), str(i)) for i in range(4)]
    context = SimpleNamespace(seed=0, device=None)
    found = all_pairs(context, clouds, what="site", design=Design(permutations=19, normalise=False))
    (section,) = found.sections
    assert "240 relabellings a pair; one bandwidth for all pairs" in section.why
    assert "Of 6 pairs of site 6 differ" in found.answer


def test_pairs_need_the_same_cases(tmp_path):
    for name in ("a", "b"):
        ids = np.array([f"{name}{i}" for i in range(9)])
        embedding.save(Embeddings(np.eye(9), ids, "image"), tmp_path / name)
    with pytest.raises(VesaliusError, match="did you mean 'permutations'"):
        compare_folders(tmp_path / "a", tmp_path / "b", ["permutation=9"], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(DataError, match="no pairs"):
        compare_folders(tmp_path / "a", tmp_path / "b", paired=True, out=tmp_path / "run")


def test_patients_in_both_clouds_are_left_out_and_counted(rng):
    first = cloud(rng.normal(size=(12, 3)), "a", np.array([f"p{i // 2}" for i in range(12)]))
    second = cloud(rng.normal(size=(12, 3)), "b", np.array([f"p{i // 2 + 5}" for i in range(12)]))
    one, two, said = without_shared_patients(first, second, "patient")
    assert (len(one), len(two)) == (10, 10)
    assert "1 patients" in said
    assert without_shared_patients(first, second, "case")[2] == ""
    with pytest.raises(DataError, match="same patients"):
        without_shared_patients(first, replace(first, name="c"), "patient")


def test_halves_keep_patients_whole_and_lose_nobody(rng):
    patients = np.array([f"p{i // 3}" for i in range(30)])
    own = cloud(rng.normal(size=(30, 3)), "a", patients)
    one, two = halves(own, rng)
    assert not set(one.cases.patient_ids) & set(two.cases.patient_ids)
    assert {*one.cases.case_ids, *two.cases.case_ids} == set(own.cases.case_ids)


def test_a_cloud_too_small_to_part_has_no_control(rng):
    few = cloud(rng.normal(size=(6, 3)), "a", np.array(["p", "p", "q", "q", "r", "r"]))
    assert halves_compared(few, Design(permutations=19), rng=rng) is None
    many = cloud(rng.normal(size=(20, 3)), "a")
    assert halves_compared(many, Design(permutations=19), rng=rng).p_value > 0


def test_a_rotation_learnt_on_other_cases_undoes_a_rotation(rng):
    x_ND = rng.normal(size=(60, 5))
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    y_ND = 3 * x_ND @ turn + 7
    first, second = cloud(x_ND[:30], "a"), cloud(y_ND[:30], "a")
    fit = cloud(x_ND[30:], "a"), cloud(y_ND[30:], "a")
    turned = rotated(first, second, *fit)
    np.testing.assert_allclose(turned.embeddings.values_ND, x_ND[:30], atol=1e-10)


def test_the_sentence_says_no_difference_was_found_and_never_that_there_is_none(rng):
    first, second = cloud(rng.normal(size=(40, 3)), "a"), cloud(rng.normal(size=(40, 3)), "b")
    test = compared(first, second, Design(permutations=99))
    assert test.p_value > 0.05
    assert sentence(test, first, second).startswith("No difference between")


def test_groups_are_values_of_attributes_or_states_of_labels():
    cases = data.read("phantom", n=30, image_size=48)
    assert set(values_of(cases, "site")) <= {"A", "B", "C"}
    label = cases.label_names[0]
    assert set(values_of(cases, label)) <= {"present", "absent", ""}
    with pytest.raises(VesaliusError, match="choose one of"):
        values_of(cases, "scanner")


def test_a_recipe_says_what_cannot_be_compared(tmp_path):
    plain = {"study": "s", "question": "", "data": {"reader": "phantom"}, "model": "tiny"}
    with pytest.raises(VesaliusError, match="did you mean 'groups'"):
        recipe_of({**plain, "compare": ["group"]})
    with pytest.raises(VesaliusError, match="attribute is missing"):
        recipe_of({**plain, "compare": [{"groups": {}}]})
    recipe = recipe_of(
        {**plain, "compare": [{"groups": {"attribute": "site", "first": "Z"}}]},
        ["data.n=40", "data.image_size=48"],
    )
    with pytest.raises(VesaliusError, match="value of site 'Z'"):
        run_study(recipe, tmp_path / "run", progress=False)


def test_fewer_than_four_cases_are_no_cloud(rng):
    with pytest.raises(DataError, match=str(cloud_room.FEWEST)):
        cloud(rng.normal(size=(3, 2)))


@pytest.fixture
def rng():
    return np.random.default_rng(0)
