"""Fine-tuning learns labels from a copy of the encoder; predictions cover every case."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from vesalius.core import ChoiceError, DataError, ImageError, TrainingError
from vesalius.training import (
    FINE_TUNING,
    Classifier,
    Optimisation,
    fine_tune,
    fine_tuning,
    predict,
)

QUICK = Optimisation(epochs=6, batch_size=16, learning_rate=1e-2, schedule="constant", warmup=0.0)


@dataclass(frozen=True)
class Head:
    """What the linear probe of vesalius.evaluation looks like from here."""

    weights_CD: np.ndarray
    bias_C: np.ndarray


@dataclass(frozen=True)
class Spoilt:
    """An image column of which some cannot be read."""

    inner: object
    broken: frozenset

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        if index in self.broken:
            raise ImageError(f"{self.name(index)} is broken")
        return self.inner[index]

    def name(self, index):
        return self.inner.name(index)


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def moved(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
@pytest.mark.parametrize("strategy", ["full", "head"])
def test_a_classifier_learns_what_the_images_show(task, strategy, micro, make_cohort, conditions):
    train, validation, test = (make_cohort(n, s, task) for n, s in ((96, 0), (32, 1), (32, 2)))
    classifier, fit = fine_tune(
        micro, train, validation, conditions=conditions, optimisation=replace(QUICK, epochs=12),
        strategy=strategy, head_learning_rate=0.1,
    )  # fmt: skip
    assert fit.history[-1]["validation_loss"] < fit.history[0]["validation_loss"]
    predictions = predict(classifier, test, workers=0, progress=False)
    assert predictions.task == task
    assert np.isfinite(predictions.scores_NC).all()
    assert (predictions.scores_NC.argmax(1) == np.arange(32) % 4).mean() > 0.8
    if task == "multiclass":
        assert np.allclose(predictions.scores_NC.sum(1), 1)


@pytest.mark.parametrize("strategy", ["full", "head"])
def test_the_encoder_passed_in_stays_as_it_was(strategy, micro, make_cohort, conditions):
    before, learns = weights(micro), [p.requires_grad for p in micro.parameters()]
    classifier, fit = fine_tune(
        micro, make_cohort(), make_cohort(16, 1), conditions=conditions, optimisation=QUICK,
        strategy=strategy,
    )  # fmt: skip
    assert not moved(before, weights(micro))
    assert [p.requires_grad for p in micro.parameters()] == learns
    changed = moved(before, weights(classifier.encoder))
    if strategy == "head":
        assert not changed
        assert fit.trainable_parameters == 4 * 8 + 4
    else:
        assert {name.partition(".")[0] for name in changed} == {"image"}


def test_head_alone_gives_the_same_with_features_computed_once_or_not(
    make_micro, make_cohort, conditions, monkeypatch
):
    """Augmentation that does nothing forces the slow way."""
    monkeypatch.setattr(fine_tuning, "jitter", lambda pixels, draws: pixels)
    results = []
    for augment in (False, True):
        own = replace(conditions, folder=conditions.folder / str(augment))
        classifier, _ = fine_tune(
            make_micro(), make_cohort(), make_cohort(16, 1), conditions=own, optimisation=QUICK,
            strategy="head", augment=augment,
        )  # fmt: skip
        results.append(classifier.head.weight)
    assert torch.allclose(*results, atol=1e-6)


def test_init_starts_from_the_probe_and_a_tiny_rate_stays_there(micro, make_cohort, conditions):
    rng = np.random.default_rng(0)
    probe = Head(rng.normal(size=(4, 8)), rng.normal(size=4))
    probe.weights_CD[2] = np.nan  # a label that the probe knew nothing about
    classifier, _ = fine_tune(
        micro, make_cohort(), make_cohort(16, 1), conditions=conditions, init=probe,
        optimisation=replace(QUICK, learning_rate=1e-12, weight_decay=0.0, epochs=1),
        strategy="head",
    )  # fmt: skip
    expected = np.nan_to_num(probe.weights_CD).astype(np.float32)
    assert np.allclose(classifier.head.weight.detach().numpy(), expected, atol=1e-6)
    with pytest.raises(TrainingError, match=r"\(4, 9\).*head of 4 labels on width 8"):
        fine_tune(
            micro, make_cohort(), make_cohort(16, 1), conditions=conditions,
            init=Head(np.zeros((4, 9)), np.zeros(4)),
        )  # fmt: skip


def test_the_head_starts_by_the_seed(micro):
    heads = [Classifier(micro, ("a",), task="multilabel", seed=s).head.weight for s in (0, 0, 1)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_unknown_labels_teach_nothing(make_micro, make_cohort, conditions):
    """A label that is never known keeps its head's row but for nothing."""
    train = make_cohort()
    train.labels_NC[:, 1] = np.nan
    still = replace(QUICK, weight_decay=0.0)
    classifier, _ = fine_tune(
        make_micro(), train, make_cohort(16, 1), conditions=conditions, optimisation=still
    )
    fresh = Classifier(make_micro(), train.label_names, task="multilabel", seed=conditions.seed)
    same = [
        torch.equal(a, b) for a, b in zip(classifier.head.weight, fresh.head.weight, strict=True)
    ]
    assert same == [False, True, False, False]


def test_a_stopped_fine_tuning_goes_on_and_another_start_is_refused(
    make_micro, make_cohort, conditions
):
    cases = make_cohort(), make_cohort(16, 1)
    settings = {"conditions": conditions, "optimisation": QUICK}
    first, fit = fine_tune(make_micro(), *cases, **settings)
    second, again = fine_tune(make_micro(), *cases, **settings)
    assert again.history == fit.history
    assert not moved(weights(first), weights(second))
    with pytest.raises(TrainingError, match="init is None there"):
        fine_tune(make_micro(), *cases, **settings, init=Head(np.zeros((4, 8)), np.zeros(4)))
    with pytest.raises(TrainingError, match="strategy is 'full' there and 'head' here"):
        fine_tune(make_micro(), *cases, **settings, strategy="head")


def test_wrong_choices_are_answered(micro, make_cohort, conditions):
    cases = make_cohort()
    with pytest.raises(ChoiceError, match="unknown strategy 'heads'; did you mean 'head'"):
        fine_tune(micro, cases, cases, conditions=conditions, strategy="heads")
    bare = replace(cases, label_names=(), labels_NC=np.zeros((len(cases), 0)))
    with pytest.raises(DataError, match="no labels to learn from"):
        fine_tune(micro, bare, bare, conditions=conditions)
    with pytest.raises(DataError, match="validation has multiclass labels"):
        fine_tune(micro, cases, make_cohort(16, 1, "multiclass"), conditions=conditions)


def test_published_settings_are_those_of_the_iu_xray_study():
    assert (FINE_TUNING.epochs, FINE_TUNING.batch_size, FINE_TUNING.patience) == (10, 24, 5)
    assert (FINE_TUNING.learning_rate, FINE_TUNING.weight_decay) == (1e-5, 1e-2)


def test_predictions_have_a_row_for_every_case_and_nan_for_a_broken_image(micro, make_cohort):
    cases = make_cohort(40)
    spoilt = replace(cases, images=Spoilt(cases.images, frozenset({7})))
    classifier = Classifier(micro, cases.label_names, task="multilabel").train()
    state = torch.get_rng_state()
    predictions = predict(classifier, spoilt, workers=0, progress=False)
    assert predictions.case_ids.tolist() == cases.case_ids.tolist()
    assert np.flatnonzero(np.isnan(predictions.scores_NC).any(1)).tolist() == [7]
    assert classifier.training
    assert torch.equal(state, torch.get_rng_state())
    with pytest.raises(DataError, match="is broken"):
        predict(classifier, spoilt, workers=0, max_bad=0.0, progress=False)
    assert classifier.training


def test_predictions_do_not_depend_on_batches_or_workers(micro, make_cohort):
    cases = make_cohort(40)
    classifier = Classifier(micro, cases.label_names, task="multiclass")
    one = predict(classifier, cases, batch_size=7, workers=0, progress=False)
    other = predict(classifier, cases, batch_size=40, workers=1, progress=False)
    assert np.allclose(one.scores_NC, other.scores_NC, atol=1e-6)


def test_predictions_refuse_other_labels(micro, make_cohort):
    classifier = Classifier(micro, ("a", "b"), task="multilabel")
    with pytest.raises(DataError, match="are not those of the classifier, a, b"):
        predict(classifier, make_cohort(), progress=False)
