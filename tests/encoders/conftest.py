"""Small models in the layouts that real ones come in, and a machine without a network."""

import json
import socket
from pathlib import Path

import numpy as np
import pytest
import torch

BERT = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract"
SMALL_BERT = {
    "model_type": "bert",
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
WORDS = """[PAD] [UNK] [CLS] [SEP] [MASK] no pleural effusion left right pneumo ##thorax heart
normal . , is the lung ##s clear"""
PREPROCESS = {
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
}


@pytest.fixture
def no_network(monkeypatch):
    """Any socket that is opened is an error; returns the list of attempts."""
    attempts: list[object] = []

    def refuse(self, *address):
        attempts.append(address)
        raise AssertionError(f"the network was asked for {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: refuse(None, *a))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    return attempts


@pytest.fixture(scope="session")
def biomedclip_cfg():
    """BiomedCLIP's config, with a small image tower; the text tower is SMALL_BERT."""
    return {
        "embed_dim": 48,
        "vision_cfg": {
            "timm_model_name": "vit_tiny_patch16_224",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "image_size": 224,
        },
        "text_cfg": {
            "hf_model_name": BERT,
            "hf_tokenizer_name": BERT,
            "hf_proj_type": "mlp",
            "hf_pooler_type": "cls_last_hidden_state_pooler",
            "context_length": 24,
        },
    }


@pytest.fixture(scope="session")
def biomedclip_folder(tmp_path_factory, biomedclip_cfg):
    """``weights/biomedclip`` in its real layout, written by open_clip, transformers and torch."""
    folder = tmp_path_factory.mktemp("weights") / "biomedclip"
    folder.mkdir()
    _write_tokenizer(folder)
    _write_open_clip(folder, biomedclip_cfg, text_config=SMALL_BERT)
    return folder


@pytest.fixture(scope="session")
def small_bert():
    return dict(SMALL_BERT)


@pytest.fixture(scope="session")
def write_open_clip():
    return _write_open_clip


@pytest.fixture(scope="session")
def write_tokenizer():
    return _write_tokenizer


def _write_tokenizer(folder: Path) -> None:
    from transformers import BertTokenizer

    BertTokenizer(vocab={word: i for i, word in enumerate(WORDS.split())}).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS.split()) + "\n")


def _write_open_clip(folder: Path, model_cfg: dict, *, text_config: dict | None = None) -> None:
    """Write config and random weights; the module is open_clip's own."""
    import open_clip

    described = {"model_cfg": model_cfg, "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    if text_config is not None:
        (folder / "config.json").write_text(json.dumps(text_config))
    own = json.loads(json.dumps(model_cfg))
    if text_config is not None:
        own["text_cfg"] |= {"hf_model_name": str(folder), "hf_model_pretrained": False}
    kind = open_clip.model.CustomTextCLIP if text_config else open_clip.model.CLIP
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = kind(**own)
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")


@pytest.fixture(scope="session")
def image():
    """A colour image whose sides are odd and unequal."""
    return np.random.default_rng(0).integers(0, 256, (301, 257, 3)).astype(np.uint8)


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """A grey image file whose sides are odd and unequal, and whose values leave black and white."""
    from PIL import Image

    grey = np.random.default_rng(4).normal(120, 30, (331, 271)).clip(25, 230).astype(np.uint8)
    path = tmp_path_factory.mktemp("films") / "film.png"
    Image.fromarray(grey).save(path)
    return path


@pytest.fixture(scope="session")
def photograph(tmp_path_factory, image):
    """A colour image file, wider than high."""
    from PIL import Image

    path = tmp_path_factory.mktemp("photographs") / "photograph.png"
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 0, 2))).save(path)
    return path


@pytest.fixture(scope="session")
def noisy():
    """A way to give a module weights of which no two are alike, biases and statistics included."""

    def draw(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
        generator = torch.Generator().manual_seed(seed)
        for name, value in module.state_dict().items():
            if not value.is_floating_point():
                continue
            drawn = torch.randn(value.shape, generator=generator)
            if value.ndim > 1 and name.endswith("weight"):
                value.copy_(drawn * (2 / value[0].numel()) ** 0.5)
            elif name.endswith("running_var"):
                value.copy_(1 + 0.2 * drawn.abs())
            else:
                value += 0.1 * drawn
        return module.eval()

    return draw


@pytest.fixture(scope="session")
def write_bert(noisy):
    """A way to write vocab.txt and a small BERT's config into a folder; returns the BERT."""

    def write(folder: Path, *, layers: int = 4, **kwargs):
        from transformers import BertConfig, BertModel

        shape = {**SMALL_BERT, "num_hidden_layers": layers, "max_position_embeddings": 512}
        shape["vocab_size"] = len(WORDS.split())
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "vocab.txt").write_text("\n".join(WORDS.split()) + "\n")
        (folder / "text_config.json").write_text(json.dumps(shape))
        return noisy(BertModel(BertConfig(**shape), **kwargs), 7)

    return write


@pytest.fixture(scope="session")
def under():
    """A way to put a module's tensors under a prefix, as a file of the authors has them."""

    def named(prefix: str, module: torch.nn.Module) -> dict[str, torch.Tensor]:
        return {prefix + name: value for name, value in module.state_dict().items()}

    return named


@pytest.fixture(scope="session")
def swin_under():
    """The same for transformers' SwinModel, under the names and tables of transformers 4."""
    old = {
        "attention.q_proj": "attention.self.query",
        "attention.k_proj": "attention.self.key",
        "attention.v_proj": "attention.self.value",
        "attention.relative_position_bias.": "attention.self.",
        "attention.o_proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    }

    def named(prefix: str, module: torch.nn.Module) -> dict[str, torch.Tensor]:
        tensors = {}
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            for new, before in old.items():
                name = name.replace(new, before)
            tensors[prefix + name] = value.detach()
        return tensors

    return named


@pytest.fixture
def omegaconf(monkeypatch):
    """Stand-ins for OmegaConf's two containers, pickled as its own are; gone when they are read."""
    import sys
    from types import ModuleType, SimpleNamespace

    kinds = {}
    monkeypatch.setitem(sys.modules, "omegaconf", ModuleType("omegaconf"))
    for name in ("ListConfig", "DictConfig"):
        home = ModuleType(f"omegaconf.{name.lower()}")
        kind = type(name, (), {"__module__": home.__name__})
        setattr(home, name, kind)
        monkeypatch.setitem(sys.modules, home.__name__, home)
        kinds[name] = kind

    def made(name, content):
        found = kinds[name]()
        found.__dict__.update(_content=content, _metadata={"ref_type": list, "object_type": dict})
        return found

    def forget():
        for name in ("omegaconf", *(kind.__module__ for kind in kinds.values())):
            monkeypatch.delitem(sys.modules, name)

    return SimpleNamespace(made=made, forget=forget)


@pytest.fixture(scope="session")
def write_clip_words():
    """A way to write the tokenizer of a small CLIP as transformers does; returns its size."""

    def write(folder: Path) -> int:
        from tokenizers.pre_tokenizers import ByteLevel
        from transformers import CLIPTokenizer

        letters = sorted(ByteLevel.alphabet())
        words = [*letters, *(f"{x}</w>" for x in letters), "no</w>", "left</w>", "heart</w>"]
        merges = [("n", "o</w>")]
        vocab = {word: i for i, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
        CLIPTokenizer(vocab=vocab, merges=merges).save_pretrained(folder)
        return len(vocab)

    return write


@pytest.fixture(scope="session")
def clip_in_transformers(tmp_path_factory, write_clip_words, noisy):
    """A small CLIP in transformers' layout: config, weights, image processor and tokenizer."""
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder = tmp_path_factory.mktemp("hub") / "small-clip"
    folder.mkdir()
    size = write_clip_words(folder)
    both = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 2}  # fmt: skip
    config = CLIPConfig(
        text_config={**both, "vocab_size": size, "bos_token_id": size - 2,
                     "eos_token_id": size - 1, "pad_token_id": size - 1},
        vision_config={**both, "image_size": 64, "patch_size": 16},
        projection_dim=24,
        logit_scale_init_value=float(np.log(1 / 0.07)),
    )  # fmt: skip
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}
    ).save_pretrained(folder)
    return folder
