"""Shared by all tests: where real data may lie, small towers, one thread per test process."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

REAL_DATA = Path(
    os.environ.get("VESALIUS_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)


@pytest.fixture
def real_data():
    """Return a function that gives a folder of real data, or skips the test and says why."""

    def folder(name: str) -> Path:
        path = REAL_DATA / name
        if not path.exists():
            pytest.skip(f"real data {name!r} is not here (set VESALIUS_DATA to its folder)")
        return path

    return folder


@pytest.fixture(scope="session")
def small_tower():
    """Return a function that builds a small tower of a family, by the builder's name and its own.

    Every weight counts: biases, norms and tokens that start alike or at zero are drawn.
    """

    def build(name: str, seed: int = 0):
        import torch

        builder, _, kind = name.partition(" ")
        make = {"timm": _timm, "open_clip": _open_clip, "transformers": _transformers}[builder]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tower = make(kind)
            with torch.no_grad():
                for parameter in tower.parameters():
                    if parameter.ndim <= 1 or len(parameter) == 1:
                        parameter += 0.1 * torch.randn_like(parameter)
        return tower.eval()

    return build


def _timm(kind):
    import timm

    swin = {"depths": (1, 2), "embed_dim": 24, "num_heads": (1, 2)}
    name, settings = {
        "ViT": ("test_vit", {}),
        "ViT with registers": ("test_vit", {"reg_tokens": 4}),
        "ResNet": ("resnet18", {}),
        "ConvNeXt": ("test_convnext", {}),
        "Swin": ("swin_tiny_patch4_window7_224", swin),
    }[kind]
    return timm.create_model(name, pretrained=False, num_classes=0, **settings)


def _open_clip(kind):
    from open_clip.model import CLIP
    from open_clip.modified_resnet import ModifiedResNet

    if kind == "ResNet":
        return ModifiedResNet(layers=(1, 2, 1, 1), output_dim=16, heads=2, image_size=32, width=8)
    vision = {"layers": 3, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 16}
    words = {"context_length": 8, "vocab_size": 16, "width": 32, "heads": 2, "layers": 2}
    return CLIP(16, vision, words).visual


def _transformers(kind):
    import transformers

    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3,
             "num_attention_heads": 2}  # fmt: skip
    images = {"image_size": 16, "patch_size": 8}
    if kind == "BERT":
        return transformers.BertModel(transformers.BertConfig(vocab_size=16, **small))
    if kind == "Swin":
        return transformers.SwinModel(transformers.SwinConfig(
            image_size=32, patch_size=4, embed_dim=8, depths=[1, 2], num_heads=[1, 2],
            window_size=4,
        ))  # fmt: skip
    name = {"CLIP": "CLIPVision", "SigLIP": "SiglipVision", "DINOv2": "Dinov2"}[kind]
    config = getattr(transformers, f"{name}Config")(**small, **images)
    return getattr(transformers, f"{name}Model")(config)
