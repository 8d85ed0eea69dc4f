"""What a file or a folder is, and the name that loads it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vesalius.core import ModelError
from vesalius.encoders import torchxrayvision
from vesalius.encoders.cards import ModelCard, catalogue
from vesalius.encoders.checkpoint import read_content, read_safetensors, tensors_of
from vesalius.encoders.openclip import CONFIG, NO_WEIGHTS, WEIGHTS
from vesalius.encoders.own_weights import FORMAT, holds_weights
from vesalius.encoders.text_config import read_table
from vesalius.encoders.whole_module import read_module

SHARED = {*WEIGHTS, CONFIG, "config.json", "preprocessor_config.json", "tokenizer.json",
          "tokenizer_config.json", "vocab.json", "vocab.txt", "spiece.model"}  # fmt: skip
"""File names that say nothing of the model."""

DESCRIPTIONS = (CONFIG, "config.json")

PREFIXES = {
    "medclip:vit": ("vision_model.model.embeddings.", "text_model.projection_head."),
    "medclip:resnet": ("vision_model.model.layer1.", "text_model.projection_head."),
    "flair": ("vision_model.model.layer1.", "text_model.projection_head_text."),
}
"""Models whose published file has a name that says nothing -> prefixes that tell it."""

FAMILIAR = 8
"""So many names that only one card explains make a file that card's."""


def identify(path: Path) -> tuple[str, str]:
    """Return what a file or folder is, in words, and the name to load it by ("" for none).

    The name counts from the folder above the model's folder, as the weights folder. Raises
    ModelError where there is nothing, nothing that is known here, or a file that cannot be read.
    """
    return _folder(path) if path.is_dir() else _file(path)


def _folder(path: Path) -> tuple[str, str]:
    config = read_table(path / "config.json") if (path / "config.json").is_file() else {}
    if config.get("format") == FORMAT or holds_weights(path / "weights"):
        return "weights that this package saved", str(path)
    named = [card for card in catalogue() if card.files and path.name in _places(card)]
    whole = next((card for card in named if _holds(card, path)), None)
    if whole is not None:
        return f"the files of {whole.name} ({whole.what})", whole.name
    telling = next((c for c in catalogue() for f in path.iterdir() if f.name in _telling(c)), None)
    if telling is not None:
        return _belongs(telling, path)
    if (path / CONFIG).is_file():
        return "a folder in open_clip's layout", f"local-dir:{path}"
    if "model_type" in config:
        return "a folder in transformers' layout", f"hf:{path}"
    for card in named:
        card.found(path)  # says what is missing
    raise ModelError(f"{path} holds none of the layouts that are known here")


def _file(path: Path) -> tuple[str, str]:
    telling = next((card for card in catalogue() if path.name in _telling(card)), None)
    content = _content(path)
    tensors = tensors_of(content, path)
    if telling is not None:
        return _belongs(telling, path.parent)
    if path.name in SHARED and any((path.parent / file).is_file() for file in DESCRIPTIONS):
        return _folder(path.parent)
    kind = _kind(content)
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    card = _explained(shapes)
    if card is not None:
        names = card.files[0]
        file = next((name for name in names if name.endswith(path.suffix)), names[0])
        return f"{kind} of {card.name}: put it into a folder {card.place}, as {file}", ""
    arches = architectures(shapes)
    if arches and "token_embedding.weight" in shapes:
        alike = [card.name for card in catalogue() if card.architecture in arches]
        hint = f"; {', '.join(alike)} have it, too, and pixels of their own" if alike else ""
        said = f"{kind} of CLIP ({' or '.join(arches)}{hint})"
        return said, f"open_clip:{arches[0]}/{path}"
    some = ", ".join(list(shapes)[:3])
    return f"{kind}, {len(shapes)} tensors of no model that is known here ({some} …)", ""


def _content(path: Path) -> Any:
    if path.suffix == ".safetensors" and path.is_file():
        return read_safetensors(path)[0]
    if path.name in torchxrayvision.NAMES.values():
        return read_module(path, classes=torchxrayvision.CLASSES)
    return read_content(path)


def _belongs(card: ModelCard, folder: Path) -> tuple[str, str]:
    """Say that files are a card's, and what keeps them from loading by its name, if anything."""
    said = f"the files of {card.name} ({card.what})"
    if not _holds(card, folder):
        try:
            card.found(folder)
        except ModelError as error:
            return f"of {said}; {error}", ""
    if folder.resolve().name not in _places(card):
        return f"{said}, which are looked for in a folder named {card.place}", ""
    return said, card.name


def _kind(content: Any) -> str:
    """Say what a file is by what lies beside its tensors."""
    beside = [str(key) for key, value in content.items() if not hasattr(value, "shape")]
    return f"a training checkpoint ({', '.join(beside[:6])})" if beside else "a table of tensors"


def _explained(shapes: dict[str, tuple[int, ...]]) -> ModelCard | None:
    """Return the card that alone explains names that no architecture has."""
    cards = [card for card in catalogue() if card.files]
    for name, prefixes in PREFIXES.items():
        if all(any(key.startswith(prefix) for key in shapes) for prefix in prefixes):
            return next(card for card in cards if card.name == name)
    arches = architectures(shapes)
    best = max(cards, key=lambda card: (_familiar(card, shapes), card.architecture in arches))
    return best if _familiar(best, shapes) >= FAMILIAR else None


def _familiar(card: ModelCard, names: Iterable[str]) -> int:
    known, prefixes = card.surplus.difference(NO_WEIGHTS), tuple(card.keys)
    return sum(name in known or name.startswith(prefixes) for name in names)


def architectures(shapes: dict[str, tuple[int, ...]]) -> list[str]:
    """Return the names of OpenAI's architectures whose image tower has these shapes."""
    patches, first = shapes.get("visual.conv1.weight"), shapes.get("visual.layer1.0.conv1.weight")
    if patches is None or not patches:
        return []
    if first is not None:
        known = {64: "RN50-quickgelu", 80: "RN50x4-quickgelu", 96: "RN50x16-quickgelu"}
        return [known[first[0]]] if first[0] in known else []
    places = shapes.get("visual.positional_embedding", (0,))[0]
    known_vits = {(768, 32): "ViT-B-32", (768, 16): "ViT-B-16", (1024, 14): "ViT-L-14"}
    vit = known_vits.get((patches[0], patches[-1]))
    large = "-336" if vit == "ViT-L-14" and places == 577 else ""
    return [f"{vit}{large}-quickgelu", f"{vit}{large}"] if vit else []


def _telling(card: ModelCard) -> set[str]:
    return {name for names in card.files for name in names} - SHARED


def _places(card: ModelCard) -> set[str]:
    return {card.place, card.source.rpartition("/")[2]} - {""}


def _holds(card: ModelCard, folder: Path) -> bool:
    return all(any((folder / name).is_file() for name in names) for names in card.files)
