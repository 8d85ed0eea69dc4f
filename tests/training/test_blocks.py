"""Blocks are found by structure in every family of towers; depth decides who learns how fast."""

import pytest
from torch import nn

from vesalius.core import TrainingError
from vesalius.training.blocks import below, blocks_of, decayed_rates, depths

BLOCKS = {
    "timm ViT": 6,
    "timm ResNet": 8,
    "timm ConvNeXt": 9,
    "timm Swin": 3,
    "open_clip ViT": 3,
    "open_clip ResNet": 5,
    "transformers CLIP": 3,
    "transformers SigLIP": 3,
    "transformers DINOv2": 3,
    "transformers BERT": 3,
    "transformers Swin": 3,
}


def tiny():
    from vesalius.encoders import load

    return load("tiny", texts=["no effusion", "the heart is large"], image_size=16)


@pytest.mark.parametrize(("name", "number"), BLOCKS.items())
def test_the_blocks_of_every_family_are_found(name, number, small_tower):
    tower = small_tower(name)
    assert len(blocks_of(tower)) == number
    found, last = depths(tower)
    assert last == number
    assert set(found) == set(tower.parameters())
    assert set(range(1, number + 1)) <= set(found.values())
    assert found[next(iter(blocks_of(tower)[0].parameters()))] == 1


def test_tiny_has_blocks_in_both_towers():
    model = tiny()
    assert [len(blocks_of(tower)) for tower in (model.image, model.text)] == [6, 2]
    found, _ = depths(model.text)
    assert (found[model.text.words.weight], found[model.text.places]) == (0, 0)
    assert (found[model.text.norm.weight], found[model.text.projection.weight]) == (3, 3)


def test_places_and_class_tokens_lie_below_and_projections_above(small_tower):
    tower = small_tower("open_clip ViT")
    found, number = depths(tower)
    assert found[tower.class_embedding] == found[tower.conv1.weight] == 0
    assert found[tower.proj] == found[tower.ln_post.weight] == number + 1


def test_a_downsampling_between_two_blocks_counts_with_the_second(small_tower):
    tower = small_tower("timm ConvNeXt")
    found, _ = depths(tower)
    between = next(tower.stages[1].downsample.parameters())
    assert found[between] == found[next(tower.stages[1].blocks[0].parameters())]


def test_below_the_last_blocks_is_everything_that_is_not_above():
    model = tiny()
    still = {id(parameter) for parameter in below(model.text, 1)}
    learn = [name for name, p in model.text.named_parameters() if id(p) not in still]
    assert all(name.startswith(("layers.1.", "norm.", "projection.")) for name in learn)
    assert len(learn) == len(list(model.text.layers[1].parameters())) + 4
    with pytest.raises(TrainingError, match="last_blocks is 7, and the ImageTower has 6"):
        below(model.image, 7)


def test_rates_fall_by_the_decay_from_the_top():
    model = tiny()
    rates = dict(decayed_rates(model.text, 0.1, 0.5))
    assert len(rates) == len(list(model.text.parameters()))
    assert rates[model.text.projection.weight] == 0.1
    assert rates[model.text.layers[1].attended.weight] == 0.05
    assert rates[model.text.layers[0].attended.weight] == 0.025
    assert rates[model.text.words.weight] == 0.0125
    assert {rate for _, rate in decayed_rates(model.text, 0.1, None)} == {0.1}


def test_a_tower_without_blocks_is_an_error_that_lists_its_parts():
    plain = nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
    with pytest.raises(TrainingError, match=r"0 \(Flatten\), 1 \(Linear\); choose strategy"):
        blocks_of(plain)
    plain.requires_grad_(False)
    assert len(decayed_rates(plain, 0.1, 0.5)) == 2, "what stands still needs no blocks"
