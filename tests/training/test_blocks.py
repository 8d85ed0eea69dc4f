"""Blocks are found by structure in every family of towers; depth decides who learns how fast."""

import pytest
from torch import nn

from vesalius.core import TrainingError
from vesalius.training.blocks import below, blocks_of, decayed_rates, depths


def of_timm(name, **settings):
    import timm

    return timm.create_model(name, pretrained=False, num_classes=0, **settings)


def of_open_clip():
    from open_clip.model import CLIP

    vision = {"layers": 3, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 16}
    words = {"context_length": 8, "vocab_size": 16, "width": 32, "heads": 2, "layers": 2}
    return CLIP(16, vision, words).visual


def of_open_clip_resnet():
    from open_clip.modified_resnet import ModifiedResNet

    return ModifiedResNet(layers=(1, 2, 1, 1), output_dim=16, heads=2, image_size=32, width=8)


def of_transformers(kind):
    import transformers

    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3,
             "num_attention_heads": 2}  # fmt: skip
    images = {"image_size": 16, "patch_size": 8}
    if kind == "bert":
        return transformers.BertModel(transformers.BertConfig(vocab_size=16, **small))
    if kind == "swin":
        return transformers.SwinModel(transformers.SwinConfig(
            image_size=32, patch_size=4, embed_dim=8, depths=[1, 2], num_heads=[1, 2],
            window_size=4,
        ))  # fmt: skip
    name = {"clip": "CLIPVision", "siglip": "SiglipVision", "dino": "Dinov2"}[kind]
    config = getattr(transformers, f"{name}Config")(**small, **images)
    return getattr(transformers, f"{name}Model")(config)


TOWERS = {
    "timm ViT": (lambda: of_timm("test_vit"), 6),
    "timm ResNet": (lambda: of_timm("resnet18"), 8),
    "timm ConvNeXt": (lambda: of_timm("test_convnext"), 9),
    "timm Swin": (lambda: of_timm("swin_tiny_patch4_window7_224", depths=(1, 2), embed_dim=24,
                                  num_heads=(1, 2)), 3),
    "open_clip ViT": (of_open_clip, 3),
    "open_clip ResNet": (of_open_clip_resnet, 5),
    "transformers CLIP": (lambda: of_transformers("clip"), 3),
    "transformers SigLIP": (lambda: of_transformers("siglip"), 3),
    "transformers DINOv2": (lambda: of_transformers("dino"), 3),
    "transformers BERT": (lambda: of_transformers("bert"), 3),
    "transformers Swin": (lambda: of_transformers("swin"), 3),
}  # fmt: skip


def tiny():
    from vesalius.encoders import load

    return load("tiny", texts=["no effusion", "the heart is large"], image_size=16)


@pytest.mark.parametrize("name", TOWERS)
def test_the_blocks_of_every_family_are_found(name):
    make, number = TOWERS[name]
    tower = make()
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


def test_places_and_class_tokens_lie_below_and_projections_above():
    tower = of_open_clip()
    found, number = depths(tower)
    assert found[tower.class_embedding] == found[tower.conv1.weight] == 0
    assert found[tower.proj] == found[tower.ln_post.weight] == number + 1


def test_a_downsampling_between_two_blocks_counts_with_the_second():
    tower = of_timm("test_convnext")
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
