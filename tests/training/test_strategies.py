"""A strategy decides what learns; a tower that stands still is asked once."""

import os
import signal
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from vesalius.core import ChoiceError, TrainingError
from vesalius.encoders import load
from vesalius.training import Optimisation, Reach, fine_tune, pretrain
from vesalius.training import checkpoint as checkpoint_file
from vesalius.training import pretraining as pretraining_file
from vesalius.training.strategies import OF_LABELS, OF_PAIRS, STRATEGIES

QUICK = Optimisation(epochs=3, batch_size=8, learning_rate=1e-3, schedule="constant", warmup=0.0)
TEXTS = ["effusion", "nodule", "edema", "normal"]


@pytest.fixture
def make_tiny():
    return lambda: load("tiny", texts=TEXTS, image_size=16)


@pytest.fixture
def cases(make_cohort):
    return make_cohort(24), make_cohort(8, 1)


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def moved(before, after):
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def without_peft(strategy):
    if strategy == "lora":
        pytest.importorskip("peft", reason="the extra vesalius[lora] is not installed")


def counted(module, monkeypatch):
    """Return a list that grows by a number at each call: of the rows the module saw."""
    rows, forward = [], module.forward

    def counting(inputs):
        rows.append(len(inputs))
        return forward(inputs)

    monkeypatch.setattr(module, "forward", counting)
    return rows


def test_every_strategy_is_offered_to_labels_or_to_pairs():
    assert {*OF_LABELS, *OF_PAIRS} == set(STRATEGIES)


@pytest.mark.parametrize("strategy", OF_LABELS)
def test_a_strategy_of_labels_moves_what_it_says(strategy, make_tiny, cases, conditions):
    without_peft(strategy)
    model = make_tiny()
    before, learns = weights(model), [p.requires_grad for p in model.parameters()]
    reach = Reach(last_blocks=1, lora_rank=2)
    classifier, fit = fine_tune(
        model, *cases, conditions=conditions, optimisation=QUICK, strategy=strategy, reach=reach
    )
    changed = moved(before, weights(classifier.encoder))
    assert not {name for name in changed if not name.startswith("image.")}
    trunk = {name.split(".")[2] for name in changed if name.startswith("image.trunk")}
    assert trunk == {"full": set("012345"), "head": set(), "last_blocks": {"5"},
                     "lora": set("0124")}[strategy]  # fmt: skip
    assert ("image.projection.weight" in changed) is (strategy in ("full", "last_blocks"))
    if strategy == "lora":  # blocks 3 and 5 end in a norm that starts at zero and stands still
        assert not {name for name in changed if "norm" in name or "running" in name}
    assert fit.trainable_parameters > 4 * 256
    assert [p.requires_grad for p in classifier.encoder.parameters()] == learns


@pytest.mark.parametrize("strategy", OF_PAIRS)
def test_a_strategy_of_pairs_moves_what_it_says(strategy, make_tiny, cases, conditions):
    without_peft(strategy)
    model = make_tiny()
    before, learns = weights(model), [p.requires_grad for p in model.parameters()]
    reach = Reach(last_blocks=1, lora_rank=2)
    pretrain(model, *cases, conditions=conditions, optimisation=QUICK, strategy=strategy,
             reach=reach)  # fmt: skip
    changed = moved(before, weights(model))
    assert "logit_scale" in changed
    towers = {name.partition(".")[0] for name in changed} - {"logit_scale"}
    assert towers == {"locked_image": {"text"}, "locked_text": {"image"}}.get(
        strategy, {"image", "text"}
    )
    layers = {name.split(".")[2] for name in changed if name.startswith("text.layers")}
    assert layers == {"last_blocks": {"1"}, "locked_text": set()}.get(strategy, {"0", "1"})
    assert [p.requires_grad for p in model.parameters()] == learns


def test_lora_learns_and_its_checkpoints_hold_no_weight_that_stands_still(
    make_tiny, cases, conditions
):
    without_peft("lora")
    model = make_tiny()
    fit = pretrain(model, *cases, conditions=conditions, strategy="lora",
                   optimisation=replace(QUICK, epochs=8, learning_rate=1e-2))  # fmt: skip
    assert fit.history[-1]["train_loss"] < 0.7 * fit.history[0]["train_loss"]
    files = [*fit.folder.glob("*.safetensors")]
    assert len(files) == 2
    buffers = {name for name, _ in model.named_buffers()}
    for file in files:
        with safe_open(file, framework="pt") as opened:
            names = [name.removeprefix("module/") for name in opened.keys()]  # noqa: SIM118
        own = [n for n in names if n.startswith(("image.", "text."))]
        plain = [name.replace(".base_layer", "") for name in own if "lora_" not in name]
        assert len(own) > len(plain)
        assert set(plain) <= buffers


def test_a_killed_lora_goes_on_to_the_same_weights(
    make_tiny, cases, conditions, monkeypatch, in_child
):
    without_peft("lora")
    settings = {"optimisation": QUICK, "strategy": "lora"}
    straight, stopped = make_tiny(), make_tiny()
    pretrain(straight, *cases, conditions=conditions, **settings)
    own = replace(conditions, folder=conditions.folder / "killed", save_every=0.0)
    saves = []

    def kill(*args, save=checkpoint_file._write):
        saves.append(save(*args))
        if len(saves) == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    def child():
        monkeypatch.setattr(checkpoint_file, "_write", kill)
        pretrain(make_tiny(), *cases, conditions=own, **settings)

    assert os.WTERMSIG(in_child(child)) == signal.SIGKILL
    pretrain(stopped, *cases, conditions=own, **settings)
    assert not moved(weights(straight), weights(stopped))


def test_the_towers_of_a_model_learn_slower_further_down(make_tiny, cases, conditions):
    """Adam's steps are as long as the rate, so a fast decay leaves the lower layers in place."""
    model = make_tiny()
    before = weights(model)
    pretrain(
        model, *cases, conditions=conditions, reach=Reach(layer_decay=1e-3),
        optimisation=replace(QUICK, epochs=1, optimiser="adam", weight_decay=0.0),
    )  # fmt: skip
    after = weights(model)

    def way(name):
        return float((after[name] - before[name]).abs().mean())

    top, middle, low = (way(f"text.{name}") for name in (
        "projection.weight", "layers.1.attended.weight", "layers.0.attended.weight"
    ))  # fmt: skip
    assert middle < 1e-2 * top
    assert low < 1e-2 * middle + 1e-7


@pytest.mark.parametrize("tower", ["image", "text"])
def test_a_locked_tower_is_asked_once_and_the_result_is_the_same(
    tower, make_tiny, cases, conditions, monkeypatch
):
    """Augmentation that does nothing forces the slow way."""
    monkeypatch.setattr(pretraining_file, "jitter", lambda pixels, draws: pixels)
    monkeypatch.setattr(pretraining_file, "shortened", lambda text, generator: text)
    models, seen = [], []
    for augment in (False, True):
        model = make_tiny()
        rows = counted(getattr(model, tower), monkeypatch)
        own = replace(conditions, folder=conditions.folder / str(augment))
        pretrain(model, *cases, conditions=own, optimisation=QUICK, strategy=f"locked_{tower}",
                 augment=augment)  # fmt: skip
        models.append(weights(model))
        seen.append(sum(rows))
    assert seen == [24 + 8, QUICK.epochs * (24 + 8)]
    for name, value in models[0].items():
        assert torch.allclose(value, models[1][name], atol=1e-5), name


def test_the_head_alone_asks_the_tower_once(make_tiny, cases, conditions, monkeypatch):
    from vesalius.encoders.tiny import ImageTower

    rows, forward = [], ImageTower.forward
    monkeypatch.setattr(
        ImageTower, "forward", lambda self, x: (rows.append(len(x)), forward(self, x))[1]
    )
    fine_tune(make_tiny(), *cases, conditions=conditions, optimisation=QUICK, strategy="head")
    assert sum(rows) == 24 + 8


def test_what_cannot_be_is_answered(make_tiny, micro, cases, conditions):
    with pytest.raises(ChoiceError, match="unknown strategy 'locked'; did you mean 'locked_"):
        pretrain(make_tiny(), *cases, conditions=conditions, strategy="locked")
    with pytest.raises(ChoiceError, match="unknown strategy 'locked_image'; .*choose one of full"):
        fine_tune(make_tiny(), *cases, conditions=conditions, strategy="locked_image")
    with pytest.raises(TrainingError, match="last_blocks is 3, and the TextTower has 2"):
        pretrain(make_tiny(), *cases, conditions=conditions, strategy="last_blocks",
                 reach=Reach(last_blocks=3))  # fmt: skip
    with pytest.raises(TrainingError, match="no blocks can be told apart"):
        pretrain(micro, *cases, conditions=conditions, reach=Reach(layer_decay=0.5))
    for wrong, said in (
        ({"last_blocks": 0}, "last_blocks is 0"),
        ({"lora_rank": 0}, "lora_rank is 0"),
        ({"lora_alpha": 0.0}, "lora_alpha is 0"),
        ({"layer_decay": 1.5}, r"layer_decay is 1.5, not in \(0, 1\]"),
    ):
        with pytest.raises(TrainingError, match=said):
            Reach(**wrong)
