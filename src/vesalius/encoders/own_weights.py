"""Weights in this package's own layout: model.safetensors, config.json, tokenizer.json.

``config.json`` says how to build the towers, ``model.safetensors`` fills them; the header of the
latter holds the digest of the former, so that files of two models in one folder are noticed.
Saving the same model again changes one file only, atomically: a kill leaves a loadable folder.
"""

from __future__ import annotations

import json
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vesalius.core import ModelError, VesaliusError, unknown
from vesalius.core.files import read_json, write_atomic, write_json
from vesalius.encoders.checkpoint import fill, read_safetensors

if TYPE_CHECKING:
    from vesalius.encoders.dual_encoder import DualEncoder

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
FORMAT = "vesalius-dual-encoder/1"

FAMILIES = {
    "tiny": "vesalius.encoders.tiny:build",
    "dual": "vesalius.encoders.composed:build",
    "open_clip": "vesalius.encoders.openclip_build:build",
    "biomedclip_port": "vesalius.encoders.biomedclip_port:build",
    "biovil": "vesalius.encoders.biovil:build",
    "chexficient": "vesalius.encoders.chexficient:build",
    "cxr_clip": "vesalius.encoders.cxr_clip:build",
    "flair": "vesalius.encoders.flair:build",
    "hf": "vesalius.encoders.transformers_build:build",
    "resnet18-28": "vesalius.encoders.resnet_cifar:build",
    "timm": "vesalius.encoders.timm_images:build",
    "torchxrayvision": "vesalius.encoders.torchxrayvision:build",
    "keep": "vesalius.encoders.keep:build",
    "medclip": "vesalius.encoders.medclip:build",
    "pmc_clip": "vesalius.encoders.pmc_clip:build",
}
"""Who builds the towers that a config.json describes: family -> "module:function"."""


def save(model: DualEncoder, folder: Path) -> Path:
    """Write a model; raises VesaliusError where the folder cannot be written."""
    from safetensors.torch import save as to_bytes

    config = {"format": FORMAT, **description(model)}
    words = model.tokenizer.json
    if words is not None:
        write_atomic(folder / TOKENIZER, words)
    write_json(folder / CONFIG, config)
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
    # one key only: safetensors writes several in an order that changes from run to run
    header = {"config": _digest(read_json(folder / CONFIG), words)}
    write_atomic(folder / WEIGHTS, to_bytes(tensors, metadata=header))
    return folder


def description(model: DualEncoder) -> dict[str, Any]:
    """Return the plain values from which :func:`built` makes the towers again."""
    return {
        "family": model.family,
        "name": model.name,
        "start": model.start,
        "model": model.config,
        "preprocessing": model.preprocess.as_dict(),
        "tokenizer": model.tokenizer.settings(),
    }


def built(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a description and a tokenizer's JSON make, with random weights."""
    if config.get("family") not in FAMILIES:
        raise unknown("model family", str(config.get("family")), FAMILIES)
    module, function = FAMILIES[config["family"]].split(":")
    model: DualEncoder = getattr(import_module(module), function)(config, words)
    return model


def holds_weights(folder: Path) -> bool:
    """Return whether a folder has both files of the own layout."""
    return (folder / WEIGHTS).is_file() and (folder / CONFIG).is_file()


def load(folder: Path, *, image_size: int | None = None) -> DualEncoder:
    """Read a model from its folder, or from ``weights/`` under it (a Run).

    Raises ModelError naming the file that is missing, broken or of another model.
    """
    home = next((place for place in (folder, folder / "weights") if holds_weights(place)), None)
    if home is None:
        raise ModelError(
            f"{folder} holds no model: {WEIGHTS} and {CONFIG} are wanted there, "
            f"or under {folder / 'weights'}"
        )
    config, words = _read_description(home)
    tensors, header = read_safetensors(home / WEIGHTS)
    if header.get("config") != _digest(config, words):
        raise ModelError(
            f"{home / WEIGHTS} was not written with this {CONFIG} (and {TOKENIZER}): "
            "files of two models are mixed, or one was edited"
        )
    if image_size is not None:
        config["preprocessing"]["size"] = image_size  # the operations follow
    model = _build(config, words, home)
    # a training with sigmoids leaves a bias, one with softmax none, whatever the family began with
    model.logit_bias = torch.nn.Parameter(torch.zeros(())) if "logit_bias" in tensors else None
    fill(model, tensors, home / WEIGHTS)
    return model


def _read_description(home: Path) -> tuple[dict[str, Any], str | None]:
    try:
        config = read_json(home / CONFIG)
    except VesaliusError as error:
        raise ModelError(str(error)) from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelError(f"{home / CONFIG}: 'format' is not {FORMAT!r}")
    file = home / TOKENIZER
    return config, file.read_text(encoding="utf-8") if file.is_file() else None


def _build(config: dict[str, Any], words: str | None, home: Path) -> DualEncoder:
    try:
        return built(config, words)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{home / CONFIG} does not describe a model: {error!r}") from error


def _digest(config: dict[str, Any], words: str | None) -> str:
    return sha256(json.dumps([config, words], sort_keys=True).encode()).hexdigest()
