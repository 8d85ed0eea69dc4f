"""LoRA changes weights by a low rank, starts at nothing and leaves a plain model."""

import pytest
import torch
from torch import nn

from vesalius.core import TrainingError
from vesalius.training.lora import LowRank, with_lora

pytest.importorskip("peft", reason="the extra vesalius[lora] is not installed")
SETTINGS = {"rank": 2, "alpha": 4.0, "seed": 0}


class Attending(nn.Module):
    """Blocks of torch's own attention, as open_clip has them."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0) for _ in range(2)
        )
        self.proj = nn.Linear(16, 8)

    def forward(self, x_BLD):
        for block in self.blocks:
            x_BLD = block(x_BLD)
        return self.proj(x_BLD.mean(1))


def timm_vit():
    import timm

    return timm.create_model("test_vit", pretrained=False, num_classes=0, img_size=32)


def timm_resnet():
    import timm

    return timm.create_model("test_resnet", pretrained=False, num_classes=0)


TOWERS = {
    "attention of torch": (Attending, (4, 5, 16)),
    "timm ViT": (timm_vit, (4, 3, 32, 32)),
    "timm ResNet": (timm_resnet, (4, 3, 32, 32)),
}


def made(name):
    make, shape = TOWERS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make().eval(), torch.randn(shape)


def described(tower):
    return [(name, tuple(p.shape), p.requires_grad) for name, p in tower.named_parameters()]


def learn(tower, inputs, steps=3):
    """Take large steps of what learns; the tower's outputs go to zero."""
    optimiser = torch.optim.Adam([p for p in tower.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(steps):
        optimiser.zero_grad()
        tower(inputs).pow(2).mean().backward()
        optimiser.step()


@pytest.mark.parametrize("name", TOWERS)
def test_lora_starts_at_the_models_own_outputs(name):
    tower, inputs = made(name)
    before = tower(inputs)
    with with_lora(tower, **SETTINGS):
        assert torch.equal(tower(inputs), before)


@pytest.mark.parametrize("name", TOWERS)
def test_what_was_learnt_is_merged_into_a_plain_model(name):
    tower, inputs = made(name)
    plain, own, before = described(tower), list(tower.parameters()), tower(inputs)
    start = {key: value.clone() for key, value in tower.state_dict().items()}
    with with_lora(tower, **SETTINGS):
        names = [key for key, p in tower.named_parameters() if p.requires_grad]
        assert names
        assert all("lora_" in key for key in names)
        learn(tower, inputs)
        learnt = tower(inputs)
        assert all("lora_" in key for key, p in tower.named_parameters() if p.requires_grad)
    assert described(tower) == plain
    assert all(a is b for a, b in zip(tower.parameters(), own, strict=True))
    assert torch.allclose(tower(inputs), learnt, atol=1e-5)
    changes = [
        (value - start[key]).flatten(1)
        for key, value in tower.state_dict().items()
        if value.ndim > 1 and not torch.equal(value, start[key])
    ]
    assert changes
    for change in changes:
        assert torch.linalg.matrix_rank(change.double(), rtol=1e-4) <= 2
    assert not torch.allclose(tower(inputs), before, atol=1e-4)


def test_attention_is_adapted_in_all_its_weights():
    tower, inputs = made("attention of torch")
    start = {key: value.clone() for key, value in tower.state_dict().items()}
    with with_lora(tower, **SETTINGS):
        learn(tower, inputs)
    after = tower.state_dict()
    changed = {key for key, value in after.items() if not torch.equal(value, start[key])}
    block = ("self_attn.in_proj_weight", "self_attn.out_proj.weight", "linear1.weight",
             "linear2.weight")  # fmt: skip
    assert changed == {f"blocks.{i}.{name}" for i in range(2) for name in block}


def test_weights_put_together_by_hand_and_pefts_layer_agree():
    from peft import LoraConfig, inject_adapter_in_model

    weight_OI, x_BI = torch.randn(6, 4), torch.randn(3, 4)
    change = LowRank(weight_OI, rank=2, alpha=3.0)
    nn.init.normal_(change.lora_B)
    layer = nn.Sequential(nn.Linear(4, 6, bias=False))
    with torch.no_grad():
        layer[0].weight.copy_(weight_OI)
    inject_adapter_in_model(LoraConfig(r=2, lora_alpha=3, target_modules=["0"]), layer)
    with torch.no_grad():
        layer[0].lora_A["default"].weight.copy_(change.lora_A)
        layer[0].lora_B["default"].weight.copy_(change.lora_B)
    by_hand = weight_OI + 3.0 / 2 * change.lora_B @ change.lora_A
    assert torch.allclose(change(weight_OI), by_hand)
    assert torch.allclose(layer(x_BI), x_BI @ by_hand.T, atol=1e-6)


def test_the_start_is_drawn_by_the_seed_and_the_global_state_stays():
    tower, _ = made("timm ViT")
    found = []
    for seed in (0, 0, 1):
        before = torch.get_rng_state()
        with with_lora(tower, rank=2, alpha=4.0, seed=seed):
            found.append([p.clone() for n, p in tower.named_parameters() if "lora_A" in n][0])
        assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_an_error_within_leaves_a_plain_model():
    tower, _ = made("attention of torch")
    plain = described(tower)
    with pytest.raises(RuntimeError, match="stop"), with_lora(tower, **SETTINGS):
        raise RuntimeError("stop")
    assert described(tower) == plain


def test_a_missing_peft_is_said_with_how_to_get_it(monkeypatch):
    import sys

    tower, _ = made("timm ViT")
    plain = described(tower)
    monkeypatch.setitem(sys.modules, "peft", None)
    with (
        pytest.raises(TrainingError, match=r"pip install 'vesalius\[lora\]'"),
        with_lora(tower, **SETTINGS),
    ):
        pass
    assert described(tower) == plain
