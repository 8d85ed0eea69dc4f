"""Zero-shot scores."""

from dataclasses import replace

import numpy as np
import pytest

from vesalius.core import ChoiceError, DataError, Embeddings, ModelError
from vesalius.evaluation import load_prompts, zero_shot
from vesalius.evaluation.prompts import Prompts

PAIRS = Prompts(
    "own",
    {"label0": ("a", "b"), "label1": ("c",)},
    {"label0": ("d",), "label1": ("a", "d")},
)


def encoder(d=8, seed=3):
    rng = np.random.default_rng(seed)
    known = {}

    def encode_text(texts):
        return np.stack([known.setdefault(text, rng.normal(size=d) * 5) for text in texts])

    return encode_text


def unit(values):
    return values / np.linalg.norm(values)


def ensemble(texts, encode_text):
    return unit(np.mean([unit(encode_text([text])[0]) for text in texts], axis=0))


def test_pairs_equal_a_slow_loop(make_cohort):
    image, cases = make_cohort(c=2)
    encode_text = encoder()
    ledger = zero_shot(image, PAIRS, encode_text, cases, logit_scale=7.0)
    for i in range(0, 120, 17):
        for c, label in enumerate(cases.label_names):
            row_D = unit(image.values_ND[i])
            yes = np.exp(7 * row_D @ ensemble(PAIRS.positive[label], encode_text))
            no = np.exp(7 * row_D @ ensemble(PAIRS.negative[label], encode_text))
            assert ledger.scores_NC[i, c] == pytest.approx(yes / (yes + no), abs=1e-12)
    assert ledger.method == "zero_shot/v1 own pairs"


def test_classes_equal_a_slow_loop_and_sum_to_one(make_cohort):
    image, cases = make_cohort(task="multiclass")
    prompts, encode_text = load_prompts("generic", cases.label_names), encoder()
    ledger = zero_shot(image, prompts, encode_text, cases, logit_scale=4.0)
    np.testing.assert_allclose(ledger.scores_NC.sum(1), 1)
    row_D = unit(image.values_ND[5])
    terms = [np.exp(4 * row_D @ ensemble(p, encode_text)) for p in prompts.positive.values()]
    np.testing.assert_allclose(ledger.scores_NC[5], np.array(terms) / np.sum(terms))
    assert ledger.method.endswith("classes")


def test_bare_names_score_by_cosine(make_cohort):
    image, cases = make_cohort()
    encode_text = encoder()
    ledger = zero_shot(image, load_prompts("names", cases.label_names), encode_text, cases)
    assert ledger.scores_NC[4, 2] == pytest.approx(
        unit(image.values_ND[4]) @ unit(encode_text(["label2"])[0])
    )
    assert ledger.method.endswith("cosine")


def test_a_bias_makes_bare_names_sigmoids_each_on_its_own(make_cohort):
    image, cases = make_cohort()
    encode_text, prompts = encoder(), load_prompts("names", cases.label_names)
    ledger = zero_shot(image, prompts, encode_text, cases, logit_scale=9.0, logit_bias=-3.0)
    cosine = unit(image.values_ND[4]) @ unit(encode_text(["label2"])[0])
    assert ledger.scores_NC[4, 2] == pytest.approx(1 / (1 + np.exp(3 - 9 * cosine)), abs=1e-12)
    assert ledger.method.endswith("sigmoid")


def test_a_bias_cancels_where_texts_are_compared(make_cohort):
    image, cases = make_cohort(c=2)
    with_bias = zero_shot(image, PAIRS, encoder(), cases, logit_bias=-12.0)
    np.testing.assert_array_equal(
        with_bias.scores_NC, zero_shot(image, PAIRS, encoder(), cases).scores_NC
    )
    with pytest.raises(ModelError, match="'sigmoid' needs a model with a logit bias"):
        zero_shot(image, PAIRS, encoder(), cases, rule="sigmoid")


def test_images_equal_to_their_prompts_are_found(make_cohort):
    image, cases = make_cohort(c=2)
    encode_text = encoder()
    ledger = zero_shot(
        replace(image, values_ND=np.tile(encode_text(["c"]), (120, 1))),
        Prompts("own", {"label0": ("b",), "label1": ("c",)}, {"label0": ("c",), "label1": ("b",)}),
        encode_text,
        cases,
    )
    assert (ledger.scores_NC[:, 1] > 0.99).all()
    assert (ledger.scores_NC[:, 0] < 0.01).all()


def test_lengths_of_images_and_texts_do_not_matter(make_cohort):
    image, cases = make_cohort(c=2)
    longer = replace(image, values_ND=image.values_ND * 100)
    first = zero_shot(image, PAIRS, encoder(), cases)
    second = zero_shot(longer, PAIRS, lambda texts: encoder()(texts) * 9, cases)
    np.testing.assert_allclose(first.scores_NC, second.scores_NC, atol=1e-12)


def test_rows_keep_the_embeddings_order_and_cases_without_one_are_left_out(make_cohort):
    image, cases = make_cohort(c=2)
    order = np.random.default_rng(0).permutation(120)[:50]
    whole = zero_shot(image, PAIRS, encoder(), cases)
    part = zero_shot(image.select(order), PAIRS, encoder(), cases)
    np.testing.assert_array_equal(part.case_ids, cases.case_ids[order])
    np.testing.assert_array_equal(part.truths_NC, cases.labels_NC[order])
    np.testing.assert_array_equal(part.patient_ids, cases.patient_ids[order])
    np.testing.assert_allclose(part.scores_NC, whole.scores_NC[order], atol=1e-12)


def test_each_text_is_encoded_once_in_one_call(make_cohort):
    image, cases = make_cohort(c=2)
    calls = []

    def spy(texts):
        calls.append(texts)
        return encoder()(texts)

    zero_shot(image, PAIRS, spy, cases)
    assert calls == [["a", "b", "c", "d"]]


def test_mistakes_are_named(make_cohort):
    image, cases = make_cohort(c=2)
    half = replace(PAIRS, negative={"label0": ("d",)})
    with pytest.raises(DataError, match="no negative prompts for label1"):
        zero_shot(image, half, encoder(), cases)
    with pytest.raises(ChoiceError, match="'label1'"):
        zero_shot(image, Prompts("own", {"label0": ("a",)}), encoder(), cases)
    with pytest.raises(ChoiceError, match="zero-shot rule 'pair'; did you mean 'pairs'"):
        zero_shot(image, PAIRS, encoder(), cases, rule="pair")
    with pytest.raises(ModelError, match="images of width 8"):
        zero_shot(image, PAIRS, encoder(d=9), cases)
    with pytest.raises(ModelError, match="prompt 'a' is not finite"):
        zero_shot(image, PAIRS, lambda texts: np.full((len(texts), 8), np.nan), cases)
    with pytest.raises(DataError, match="no labels to score"):
        zero_shot(
            image, PAIRS, encoder(), replace(cases, labels_NC=np.ones((120, 0)), label_names=())
        )
    strangers = Embeddings(np.ones((1, 8)), np.array(["x"]), "image")
    with pytest.raises(DataError, match=r"no case in common.*'x'.*'case0'"):
        zero_shot(strangers, PAIRS, encoder(), cases)


def test_half_precision_rows_are_scored_in_full_precision(make_cohort):
    image, cases = make_cohort(c=2)
    half = replace(image, values_ND=image.values_ND.astype(np.float16))
    ledger = zero_shot(half, PAIRS, encoder(), cases)
    full = zero_shot(image, PAIRS, encoder(), cases)
    assert ledger.scores_NC.dtype == np.float64
    assert np.abs(ledger.scores_NC - full.scores_NC).max() < 0.05
