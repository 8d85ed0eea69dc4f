"""Build a model of transformers from its config, with no weights and no network."""

from __future__ import annotations

from collections.abc import Callable, Collection
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vesalius.core import ModelError, unknown
from vesalius.encoders.authors_files import check_size
from vesalius.encoders.checkpoint import listed
from vesalius.encoders.dual_encoder import DualEncoder
from vesalius.encoders.image_only import image_encoder
from vesalius.encoders.offline import offline, quiet
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.encoders.tokenizer import Tokenizer
from vesalius.encoders.transformers_towers import (
    ClipImageTower,
    ClipTextTower,
    DinoImageTower,
    SiglipImageTower,
    SiglipTextTower,
)

if TYPE_CHECKING:
    from vesalius.encoders.dual_encoder import TextTokenizer


@dataclass(frozen=True, slots=True)
class Kind:
    """What transformers calls a kind of model, and its towers; no ``text``: images only."""

    config: str
    model: str
    image: Callable[[Any], nn.Module]
    text: Callable[[Any], nn.Module] | None = None


KINDS = {
    "clip": Kind("CLIPConfig", "CLIPModel", ClipImageTower, ClipTextTower),
    "siglip": Kind("SiglipConfig", "SiglipModel", SiglipImageTower, SiglipTextTower),
    "dinov2": Kind("Dinov2Config", "Dinov2Model", DinoImageTower),
}
"""``model_type`` of config.json -> towers. SigLIP 2 of a fixed image size is a ``siglip``, too."""


def kind_of(config: dict[str, Any], where: object) -> Kind:
    """Return the kind that a config.json names; raises ModelError for one that is not supported."""
    name = str(config.get("model_type"))
    if "auto_map" in config:
        raise ModelError(
            f"{where} wants code of its own ({', '.join(sorted(config['auto_map']))}), which is "
            "never run here"
        )
    if name == "siglip2":
        raise ModelError(
            f"{where}: a SigLIP 2 model for images of any aspect (naflex) is not supported; those "
            "of a fixed image size are"
        )
    if name not in KINDS:
        raise unknown(f"model_type in {where}", name, KINDS)
    return KINDS[name]


def built(config: dict[str, Any], where: object) -> nn.Module:
    """Return transformers' module for a config, with random weights."""
    import transformers

    kind = kind_of(config, where)
    try:
        with offline(), quiet():
            shape = getattr(transformers, kind.config).from_dict(deepcopy(config))
            model: nn.Module = getattr(transformers, kind.model)(shape).to(torch.float32)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"{where} does not describe a model: {error}") from error
    return model


def filled(
    config: dict[str, Any],
    folder: Path,
    weights: Path,
    *,
    surplus: Collection[str],
    absent: Collection[str],
) -> nn.Module:
    """Return transformers' module that a config names, with the weights of its folder."""
    kind = kind_of(config, folder / "config.json")
    return read_model(kind.model, folder, weights, surplus=surplus, absent=absent)


def read_model(
    kind: str,
    folder: Path,
    weights: Path,
    *,
    surplus: Collection[str] = (),
    absent: Collection[str] = (),
) -> nn.Module:
    """Return transformers' module of a class, with the weights of a folder, read by transformers.

    It knows the names of its older versions, reads pickles with ``weights_only`` and safetensors
    without a second copy. Raises ModelError for a file that cannot be read, and for every name that
    is missing, left over or of another shape but those in ``absent`` and ``surplus``.
    """
    import transformers

    try:
        with offline(), quiet():
            model, info = getattr(transformers, kind).from_pretrained(
                folder,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                dtype=torch.float32,
                use_safetensors=not weights.name.endswith(".bin"),
            )
    except Exception as error:  # broken files raise what the library below them raises
        raise ModelError(f"{weights} cannot be read: {error}") from error
    problems = {
        "missing": sorted(set(info["missing_keys"]) - set(absent)),
        "not of this model": sorted(set(info["unexpected_keys"]) - set(surplus)),
        "of another shape": sorted(str(found[0]) for found in info["mismatched_keys"]),
    }
    if any(problems.values()):
        raise ModelError(f"{weights} does not fit the model: {listed(problems)}")
    found: nn.Module = model
    return found


def as_encoder(
    model: Any,
    config: dict[str, Any],
    *,
    name: str,
    preprocess: Preprocessing,
    tokenizer: TextTokenizer | None,
    start: str,
) -> DualEncoder:
    """Return transformers' module as an encoder; its tensors are shared, not copied."""
    kind = kind_of(config, name)
    image = kind.image(model)
    if kind.text is None or tokenizer is None:
        return image_encoder(
            image,
            name=name,
            family="hf",
            width=model.config.hidden_size,
            preprocess=preprocess,
            config=config,
            start=start,
        )
    encoder = DualEncoder(
        image,
        kind.text(model),
        name=name,
        family="hf",
        width=_width(model.config),
        preprocess=preprocess,
        tokenizer=tokenizer,
        config=config,
        start=start,
    )
    encoder.logit_scale = nn.Parameter(model.logit_scale.detach().clone().reshape(()))
    if hasattr(model, "logit_bias"):
        encoder.logit_bias = nn.Parameter(model.logit_bias.detach().clone().reshape(()))
    return encoder


def _width(config: Any) -> int:
    joint = getattr(config, "projection_dim", None)
    return int(joint if joint is not None else config.vision_config.hidden_size)


def image_size_of(config: dict[str, Any]) -> int:
    """Return the image size that the position embeddings of a config were made for."""
    vision = config.get("vision_config") or config
    return int(vision.get("image_size", 224))


def build(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a config.json of the own layout describes (random weights)."""
    name, shape = config["name"], config["model"]
    if kind_of(shape, name).text is not None and words is None:
        raise ModelError(f"{name}: tokenizer.json is missing; it belongs beside config.json")
    preprocess = Preprocessing.from_dict(config["preprocessing"])
    check_size(name, image_size_of(shape), preprocess.size)
    return as_encoder(
        built(shape, name),
        shape,
        name=name,
        preprocess=preprocess,
        tokenizer=None if words is None else Tokenizer(words, **config["tokenizer"]),
        start=config["start"],
    )
