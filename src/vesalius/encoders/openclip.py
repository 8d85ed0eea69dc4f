"""``open_clip:ARCH[/TAG or FILE]`` and ``local-dir:PATH``: what open_clip can build.

Weights come from files that are there already; nothing is downloaded.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vesalius.core import ModelError, unknown
from vesalius.encoders.checkpoint import fill, read_tensors, renamed
from vesalius.encoders.openclip_build import as_dual_encoder, build_towers, modern
from vesalius.encoders.openclip_words import words_of
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.encoders.text_config import read_table, text_config

if TYPE_CHECKING:
    from torch import Tensor

    from vesalius.encoders.cards import ModelCard
    from vesalius.encoders.dual_encoder import DualEncoder

log = logging.getLogger(__name__)

CONFIG = "open_clip_config.json"
WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
)
SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")
NO_WEIGHTS = ("input_resolution", "context_length", "vocab_size")
POSITIONS = "text.transformer.embeddings.position_ids"


def load_folder(
    folder: Path, *, name: str, image_size: int | None = None, weights: Path | None = None
) -> DualEncoder:
    """Return the model in a folder of open_clip's layout (config, weights, tokenizer files)."""
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{name}: {folder / CONFIG} is missing; {_layout(folder)}")
    described = read_description(folder / CONFIG)
    if weights is None:
        weights = next((folder / file for file in WEIGHTS if (folder / file).is_file()), None)
    if weights is None:
        raise ModelError(f"{name}: no weights in {folder}; {_layout(folder)}")
    return _assemble(
        described["model_cfg"],
        _pixels(described["model_cfg"], described.get("preprocess_cfg") or {}, image_size),
        name=name,
        folder=folder,
        weights=weights,
        image_size=image_size,
        start=f"weights of {weights.name}",
    )


def load_card(card: ModelCard, folder: Path, *, image_size: int | None = None) -> DualEncoder:
    """Return the model of a card that open_clip can build, from the card's files in a folder."""
    paths = card.found(folder)
    weights = next(path for path in paths if path.suffix in (*SUFFIXES, ".ckpt"))
    described = next((path for path in paths if path.name.endswith("onfig.json")), None)
    model_cfg, theirs = _described(card, described)
    size = model_cfg["vision_cfg"].get("image_size", 224)
    pixels = preprocessing_of(theirs, size) if card.image is None else card.image
    if described is not None and theirs and preprocessing_of(theirs, size) != pixels:
        log.warning("%s: %s describes other pixels than its card", card.name, described)
    return _assemble(
        model_cfg,
        pixels if image_size is None else pixels.resized(image_size),
        name=card.name,
        folder=folder,
        weights=weights,
        image_size=image_size,
        start=f"weights of {weights.name}",
        card=card,
    )


def pixels_in(card: ModelCard, folder: Path) -> Preprocessing | None:
    """Return what a card's folder itself says of the pixels, where it says anything."""
    described = next((p for p in card.found(folder) if p.name.endswith("onfig.json")), None)
    if described is None:
        return None
    model_cfg, theirs = _described(card, described)
    return _pixels(model_cfg, theirs, None) if theirs else None


def _described(card: ModelCard, file: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the config of the towers and that of the pixels, from a card or from its file."""
    import open_clip

    if file is None:
        model_cfg = open_clip.get_model_config(card.architecture)
        if model_cfg is None:
            raise unknown("open_clip architecture", card.architecture, open_clip.list_models())
        return {**model_cfg, "text_cfg": {**card.text_cfg} or model_cfg["text_cfg"]}, {}
    described = read_description(file)
    return described["model_cfg"], described.get("preprocess_cfg") or {}


def read_description(file: Path) -> dict[str, Any]:
    """Return open_clip's description of a model, bare or with ``model_cfg`` around it."""
    described = read_table(file)
    if "model_cfg" not in described and "embed_dim" in described:
        described = {"model_cfg": described}
    if not isinstance(described.get("model_cfg"), dict):
        raise ModelError(f"{file} has no 'model_cfg'")
    missing = sorted({"embed_dim", "vision_cfg", "text_cfg"} - described["model_cfg"].keys())
    if missing:
        raise ModelError(f"{file}: {', '.join(missing)} missing in its 'model_cfg'")
    return described


def load_local_dir(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return the model of ``local-dir:PATH``; a relative path may also lie in weights_dir."""
    if not argument:
        raise ModelError("'local-dir' wants a folder: local-dir:PATH")
    path = Path(argument).expanduser()
    folder = path if path.is_dir() else weights_dir / path
    if not folder.is_dir():
        raise ModelError(f"there is no folder {path}, nor {folder}")
    return load_folder(folder, name=f"local-dir:{folder.name}", image_size=image_size)


def load_named(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return ``open_clip:ARCH`` with random weights, or with those of a tag or a file."""
    import open_clip

    arch, _, source = argument.partition("/")
    model_cfg = open_clip.get_model_config(arch) if arch else None
    if model_cfg is None:
        raise unknown("open_clip architecture", arch, open_clip.list_models())
    folder = weights_dir / "open_clip" / arch
    name = f"open_clip:{arch}"
    preprocess_cfg: dict[str, Any] = {}
    weights = None
    start = f"random weights, seed {seed}"
    if source:
        weights = _named_file(source, arch, folder, weights_dir)
        tag_cfg = open_clip.pretrained.get_pretrained_cfg(arch, source)
        preprocess_cfg = tag_cfg or {}
        name, start = f"{name}/{Path(source).name}", f"weights of {weights.name}"
        _check_activation(arch, source, model_cfg, preprocess_cfg)
    return _assemble(
        model_cfg,
        _pixels(model_cfg, preprocess_cfg, image_size),
        name=name,
        folder=folder,
        weights=weights,
        image_size=image_size,
        start=start,
    )


def _named_file(source: str, arch: str, folder: Path, weights_dir: Path) -> Path:
    """Return the weight file that a tag or a path means; raises ModelError with its place."""
    import open_clip

    if source.endswith(SUFFIXES):
        path = Path(source).expanduser()
        found = next((p for p in (path, weights_dir / path) if p.is_file()), None)
        if found is None:
            raise ModelError(f"there is no file {path}, nor {weights_dir / path}")
        return found
    files = [folder / f"{source}{suffix}" for suffix in SUFFIXES]
    found = next((file for file in files if file.is_file()), None)
    if found is not None:
        return found
    tags = open_clip.list_pretrained_tags_by_model(arch)
    about = open_clip.pretrained.get_pretrained_cfg(arch, source)
    if not about:
        raise ModelError(
            f"open_clip knows no weights {source!r} for {arch} "
            f"(it knows {', '.join(tags) or 'none'}), and there is no file {files[0]}"
        )
    origin = about.get("hf_hub") or about.get("url")
    raise ModelError(
        f"the weights {source!r} of {arch} are missing: get them from {origin} and put them at "
        f"{files[0]} (or .bin, .pt, .pth); nothing is downloaded by itself"
    )


def _check_activation(
    arch: str, tag: str, model_cfg: dict[str, Any], tag_cfg: dict[str, Any]
) -> None:
    if not tag_cfg:
        return
    wanted, has = tag_cfg.get("quick_gelu", False), model_cfg.get("quick_gelu", False)
    if wanted != has:
        other = f"{arch}-quickgelu" if wanted else arch.removesuffix("-quickgelu")
        raise ModelError(
            f"the weights {tag!r} were trained with another activation than {arch} has; "
            f"use open_clip:{other}/{tag}"
        )


def _assemble(
    model_cfg: dict[str, Any],
    pixels: Preprocessing,
    *,
    name: str,
    folder: Path,
    weights: Path | None,
    image_size: int | None,
    start: str,
    card: ModelCard | None = None,
) -> DualEncoder:
    model_cfg = modern(model_cfg)
    hf_name = model_cfg["text_cfg"].get("hf_model_name")
    words = words_of(model_cfg["text_cfg"], folder, name=name)
    words.too_long = "cut" if card is None else card.too_long
    shape = text_config(hf_name, folder) if hf_name else None
    native = model_cfg["vision_cfg"].get("image_size", 224)
    model_cfg["vision_cfg"]["image_size"] = image_size or native
    read = {} if weights is None else read_tensors(weights)  # a broken file is said at once
    model: Any = build_towers(model_cfg, shape)
    if weights is not None:
        ignore = (*NO_WEIGHTS, POSITIONS) if card is None else card.surplus
        absent = () if card is None else card.missing
        tensors = renamed(read, {} if card is None else card.keys, weights)
        tensors = _adapted(tensors, model, resize=image_size not in (None, native))
        fill(model, tensors, weights, ignore=ignore, absent=absent)
    return as_dual_encoder(
        model,
        name=name,
        model_cfg=model_cfg,
        text_config=shape,
        preprocess=pixels,
        tokenizer=words,
        start=start,
    )


def _pixels(
    model_cfg: dict[str, Any], cfg: dict[str, Any], image_size: int | None
) -> Preprocessing:
    return preprocessing_of(cfg, image_size or model_cfg["vision_cfg"].get("image_size", 224))


def preprocessing_of(cfg: dict[str, Any], size: int | Sequence[int]) -> Preprocessing:
    """Return open_clip's evaluation transform as data."""
    from open_clip.transform import PreprocessCfg

    default = PreprocessCfg()

    def value(key: str) -> Any:
        return getattr(default, key) if cfg.get(key) is None else cfg[key]

    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) != 1:
        raise ModelError(f"image size {size}: only square images are supported")
    means, stds = (
        tuple(v) if isinstance(v, list | tuple) else (v,) * 3 for v in (value("mean"), value("std"))
    )
    interpolation = value("interpolation")
    return Preprocessing.usual(
        sides.pop(),
        mean=means,
        std=stds,
        interpolation="bicubic" if interpolation == "random" else interpolation,
        resize=value("resize_mode"),
        fill=value("fill_color"),
    )


def _adapted(tensors: dict[str, Tensor], model: Any, *, resize: bool) -> dict[str, Tensor]:
    """Bring the layouts of older checkpoints to that of the module, as open_clip itself does."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict, resize_pos_embed

    tensors = convert_state_dict(model, dict(tensors))
    if "positional_embedding" in tensors:
        tensors = convert_to_custom_text_state_dict(tensors)
    for name in ("logit_scale", "logit_bias"):
        if name in tensors and getattr(model, name, None) is not None:
            tensors[name] = tensors[name].reshape(getattr(model, name).shape)
    if resize:
        resize_pos_embed(tensors, model)
    return tensors


def _layout(folder: Path) -> str:
    return (
        f"{folder} must hold {CONFIG}, one of {', '.join(WEIGHTS[:3])}, and, where the text tower "
        "is a Hugging Face model, tokenizer.json with tokenizer_config.json (or vocab.txt)"
    )
