"""Pretraining learns, keeps the best epoch, and leaves frozen parts bit-equal."""

from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from vesalius.core import ArrayImages, ChoiceError, DataError, TrainingError
from vesalius.objectives import OBJECTIVES
from vesalius.training import PRETRAINING, Matching, Optimisation, pretrain

WORDS = ["effusion", "nodule", "edema", "normal"]
QUICK = Optimisation(epochs=4, batch_size=16, learning_rate=1e-2)


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_loss_falls_and_the_history_says_so(micro, make_cohort, conditions):
    fit = pretrain(
        micro, make_cohort(96), make_cohort(32, 1), conditions=conditions, optimisation=QUICK
    )
    assert [entry["epoch"] for entry in fit.history] == [1, 2, 3, 4]
    assert set(fit.history[0]) == {
        "epoch", "train_loss", "validation_loss", "learning_rate", "seconds"
    }  # fmt: skip
    assert fit.history[-1]["validation_loss"] < 0.9 * fit.history[0]["validation_loss"]
    assert fit.seconds > 0
    assert fit.memory_mb > 1
    assert fit.trainable_parameters == sum(p.numel() for p in micro.parameters())


def test_the_model_ends_with_the_best_epochs_weights(make_micro, make_cohort, conditions):
    """Where what is learnt is worse and worse, training on would show."""
    model, train, validation = make_micro(), make_cohort(48), make_cohort(32, 1)
    # words that say the opposite: what is learnt is worse and worse
    validation = replace(validation, texts=np.roll(validation.texts, 2))
    longer = replace(QUICK, epochs=6)
    fit = pretrain(model, train, validation, conditions=conditions, optimisation=longer)
    losses = [entry["validation_loss"] for entry in fit.history]
    assert fit.best_epoch == 1 + int(np.argmin(losses))
    assert fit.best_epoch < 6
    short = make_micro()
    again = replace(conditions, folder=conditions.folder.parent / "short")
    names = pretrain(
        short, train, validation, conditions=again, optimisation=replace(longer, patience=1)
    )
    assert names.stopped
    assert names.best_epoch <= fit.best_epoch


def test_patience_ends_the_training(micro, make_cohort, conditions):
    stuck = replace(QUICK, epochs=9, learning_rate=1e-12, patience=2, warmup=0.0)
    fit = pretrain(
        micro,
        make_cohort(),
        make_cohort(16, 1),
        conditions=conditions,
        optimisation=stuck,
        strategy="locked_image",
    )
    assert fit.stopped
    assert (fit.best_epoch, len(fit.history)) == (1, 3)


@pytest.mark.parametrize("frozen", ["image", "text"])
def test_a_frozen_tower_stays_bit_equal_with_its_statistics(frozen, micro, make_cohort, conditions):
    before = weights(micro)
    pretrain(
        micro,
        make_cohort(),
        make_cohort(16, 1),
        conditions=conditions,
        optimisation=QUICK,
        strategy=f"locked_{frozen}",
    )
    after = weights(micro)
    still = [name for name in before if name.startswith(frozen)]
    assert all(torch.equal(before[name], after[name]) for name in still)
    moved = [n for n in before if n not in still and not torch.equal(before[n], after[n])]
    assert len(moved) >= len(before) - len(still) - 2
    assert all(parameter.requires_grad for parameter in micro.parameters())


def test_the_logit_scale_stays_at_100_or_less(micro, make_cohort, conditions):
    with torch.no_grad():
        micro.logit_scale.fill_(log(100) + 1)
    pretrain(micro, make_cohort(), make_cohort(16, 1), conditions=conditions, optimisation=QUICK)
    assert micro.logit_scale.item() <= log(100) + 1e-6


def test_modes_and_the_global_random_state_are_given_back(micro, make_cohort, conditions):
    micro.eval()
    micro.text.train()
    state = torch.get_rng_state()
    pretrain(micro, make_cohort(), make_cohort(16, 1), conditions=conditions, optimisation=QUICK)
    assert not micro.training
    assert not micro.image.training
    assert micro.text.training
    assert torch.equal(state, torch.get_rng_state())


def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    make_micro, make_cohort, conditions
):
    results = []
    for number, seed in enumerate((0, 0, 1)):
        model = make_micro()
        own = replace(conditions, folder=conditions.folder / str(number), seed=seed)
        pretrain(model, make_cohort(), make_cohort(16, 1), conditions=own, optimisation=QUICK)
        results.append(weights(model))
    assert equal(results[0], results[1])
    assert not equal(results[0], results[2])


def test_workers_change_nothing(make_micro, make_cohort, conditions):
    results = []
    for workers in (0, 1):
        model = make_micro()
        own = replace(conditions, folder=conditions.folder / str(workers), workers=workers)
        pretrain(
            model, make_cohort(), make_cohort(16, 1), conditions=own,
            optimisation=replace(QUICK, epochs=2),
        )  # fmt: skip
        results.append(weights(model))
    assert equal(*results)


def test_a_finished_training_is_not_repeated(make_micro, make_cohort, conditions):
    first, second = make_micro(), make_micro()
    cases = make_cohort(), make_cohort(16, 1)
    fit = pretrain(first, *cases, conditions=conditions, optimisation=QUICK)
    again = pretrain(second, *cases, conditions=conditions, optimisation=QUICK)
    assert again.history == fit.history
    assert again.seconds == fit.seconds
    assert equal(weights(first), weights(second))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            {"optimisation": replace(QUICK, learning_rate=5e-3)},
            "learning_rate is 0.01 there and 0.005",
        ),
        ({"strategy": "locked_text"}, "strategy is 'full' there and 'locked_text'"),
        ({"augment": False}, "augment is True there and False"),
    ],
)
def test_other_settings_in_the_same_folder_are_named(
    change, named, make_micro, make_cohort, conditions
):
    cases = make_cohort(), make_cohort(16, 1)
    pretrain(make_micro(), *cases, conditions=conditions, optimisation=QUICK)
    with pytest.raises(TrainingError, match=named):
        pretrain(
            make_micro(), *cases, **{"conditions": conditions, "optimisation": QUICK, **change}
        )


def test_other_data_or_another_start_in_the_same_folder_are_named(
    make_micro, make_cohort, conditions
):
    validation, settings = make_cohort(16, 1), {"conditions": conditions, "optimisation": QUICK}
    pretrain(make_micro(), make_cohort(), validation, **settings)
    with pytest.raises(TrainingError, match="train_cases"):
        pretrain(make_micro(), make_cohort(44), validation, **settings)
    with pytest.raises(TrainingError, match="weights_hash"):
        pretrain(make_micro(3), make_cohort(), validation, **settings)


def test_cases_without_text_are_left_out(micro, make_cohort, conditions):
    cases = make_cohort()
    cases.texts[3], cases.texts[7] = None, "  "
    pretrain(micro, cases, make_cohort(16, 1), conditions=conditions, optimisation=QUICK)
    cases.texts[:] = None
    with pytest.raises(DataError, match="train cases have no texts"):
        pretrain(micro, cases, make_cohort(16, 1), conditions=conditions, optimisation=QUICK)


@pytest.mark.parametrize("n", [17, 33])
def test_one_case_left_over_does_not_break_batch_normalisation(n, micro, make_cohort, conditions):
    pretrain(
        micro, make_cohort(n), make_cohort(17, 1), conditions=conditions,
        optimisation=replace(QUICK, epochs=1),
    )  # fmt: skip


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_objective_learns_in_parts_and_tiles(name, precision, micro, make_cohort, conditions):
    fit = pretrain(
        micro, make_cohort(96), make_cohort(32, 1), conditions=conditions, objective=name,
        matching=Matching(objective_settings={"tile": 6}),
        optimisation=replace(QUICK, epochs=6, micro_batch=8, precision=precision),
    )  # fmt: skip
    losses = [entry["validation_loss"] for entry in fit.history]
    assert min(losses[1:]) < losses[0]


def test_images_and_texts_that_lost_each_other_are_matched_by_their_findings(
    micro, make_cohort, conditions
):
    """No pair is known, and yet most images find a text that says what they show."""
    pretrain(
        micro, make_cohort(96), make_cohort(32, 1), conditions=conditions,
        objective="semantic_matching", matching=Matching(pairs=0.0, decoupled=True),
        optimisation=replace(QUICK, epochs=8),
    )  # fmt: skip
    test = make_cohort(40, 2)
    with torch.no_grad():
        images = micro.eval().encode_image(torch.stack([micro.preprocess(i) for i in test.images]))
        scores = normalize(images) @ normalize(micro.encode_text(WORDS)).T
    assert (scores.argmax(1).numpy() == np.arange(40) % 4).mean() > 0.9


def test_two_texts_are_averaged_and_need_to_differ(make_micro, make_cohort, conditions):
    cases = make_cohort(16), make_cohort(16, 1)
    cases[0].texts[:] = [f"{text} . normal . edema ." for text in cases[0].texts]
    fits = {
        two: pretrain(
            make_micro(), *cases, matching=Matching(two_texts=two),
            conditions=replace(conditions, folder=conditions.folder / str(two)),
            optimisation=replace(QUICK, epochs=1, batch_size=16, micro_batch=8),
        ).history[0]["train_loss"]
        for two in (False, True)
    }  # fmt: skip
    assert fits[False] != fits[True]
    with pytest.raises(TrainingError, match="two_texts needs augment"):
        pretrain(make_micro(), *cases, conditions=conditions, augment=False,
                 matching=Matching(two_texts=True))  # fmt: skip


def test_decoupling_without_findings_is_refused(micro, make_cohort, conditions):
    cases = make_cohort(16), make_cohort(16, 1)
    with pytest.raises(TrainingError, match="choose semantic_matching"):
        pretrain(micro, *cases, conditions=conditions, matching=Matching(decoupled=True))
    bare = [replace(own, label_names=(), labels_NC=np.empty((16, 0))) for own in cases]
    with pytest.raises(DataError, match="reads findings, and the train cases .* no labels"):
        pretrain(micro, *bare, conditions=conditions, objective="semantic_matching")


@pytest.mark.parametrize("micro_batch", [2, 5, 8, 20])
def test_a_batch_in_parts_gives_the_weights_of_a_whole_one(
    micro_batch, make_micro, make_cohort, conditions
):
    """Batch normalisation and dropout see the parts: without them. 41 cases leave a rest of one."""
    weights = []
    for most in (None, micro_batch):
        model = make_micro()
        model.image[2], model.image[4] = nn.Identity(), nn.Identity()
        pretrain(
            model, make_cohort(41), make_cohort(16, 1), augment=True,
            conditions=replace(conditions, folder=conditions.folder / str(most)),
            optimisation=replace(QUICK, epochs=2, batch_size=20, micro_batch=most),
        )  # fmt: skip
        weights.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert torch.allclose(*weights, atol=2e-5)  # in single precision


def test_dropout_and_batch_statistics_are_the_same_in_both_passes(
    make_micro, make_cohort, conditions
):
    """The second pass finds the very features whose slope the objective gave."""
    model, seen = make_micro(), []
    model.image.register_forward_hook(lambda part, given, found: seen.append(found.detach()))
    pretrain(
        model, make_cohort(16), make_cohort(16, 1), conditions=conditions,
        optimisation=replace(QUICK, epochs=1, batch_size=16, micro_batch=8),
    )  # fmt: skip
    first, second, again_first, again_second = seen[:4]
    assert torch.equal(first, again_first)
    assert torch.equal(second, again_second)
    assert model.image[2].num_batches_tracked == 2


@pytest.mark.parametrize("optimiser", ["adam", "adamw"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_optimiser_and_precision_trains(optimiser, precision, micro, make_cohort, conditions):
    chosen = replace(QUICK, optimiser=optimiser, precision=precision, schedule="constant", epochs=3)
    fit = pretrain(
        micro, make_cohort(), make_cohort(16, 1), conditions=conditions, optimisation=chosen
    )
    assert fit.history[-1]["train_loss"] < fit.history[0]["train_loss"]


def test_an_unknown_objective_or_setting_is_refused_before_any_work(micro, make_cohort, conditions):
    cases = make_cohort(), make_cohort()
    with pytest.raises(ChoiceError, match="did you mean 'infonce'"):
        pretrain(micro, *cases, conditions=conditions, objective="infonec")
    with pytest.raises(ChoiceError, match="unknown optimiser 'adamm'"):
        replace(PRETRAINING, optimiser="adamm")
    with pytest.raises(TrainingError, match="epochs is 0"):
        Optimisation(epochs=0)
    assert not conditions.folder.exists()


class HalfBroken(ArrayImages):
    """Image 5 cannot be read."""

    __slots__ = ()

    def __getitem__(self, index):
        from vesalius.core import ImageError

        if index == 5:
            raise ImageError("5.png is broken")
        return ArrayImages.__getitem__(self, index)

    def take(self, indices):
        return HalfBroken(self.values[indices], [self.names[i] for i in indices])


def test_a_broken_image_costs_its_case_only(micro, make_cohort, conditions):
    cases = make_cohort()
    broken = replace(cases, images=HalfBroken(cases.images.values, cases.images.names))
    fit = pretrain(micro, broken, make_cohort(16, 1), conditions=conditions, optimisation=QUICK)
    assert len(fit.history) == 4
    strict = replace(conditions, max_bad=0.01, folder=conditions.folder / "strict")
    with pytest.raises(DataError, match="5.png is broken"):
        pretrain(micro, broken, make_cohort(16, 1), conditions=strict, optimisation=QUICK)
