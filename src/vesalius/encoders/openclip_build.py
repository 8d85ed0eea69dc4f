"""Build an open_clip model from its config, with no weights and no network."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from torch import nn

from vesalius.core import ModelError
from vesalius.encoders.dual_encoder import DualEncoder
from vesalius.encoders.offline import offline
from vesalius.encoders.openclip_towers import ImageTower, TextTower
from vesalius.encoders.openclip_words import words_again
from vesalius.encoders.preprocessing import Preprocessing

if TYPE_CHECKING:
    from vesalius.encoders.dual_encoder import TextTokenizer

OLD_KEYS = {"proj": "hf_proj_type", "pooler_type": "hf_pooler_type"}
"""Names that configs of older open_clip versions use for a Hugging Face text tower."""


def modern(model_cfg: dict[str, Any]) -> dict[str, Any]:
    """Return the config with today's names; two names that disagree are refused.

    Dropping the old ones would turn CLS pooling into mean pooling without a word.
    """
    model_cfg = deepcopy(model_cfg)
    text_cfg = model_cfg["text_cfg"]
    for old, new in OLD_KEYS.items() if text_cfg.get("hf_model_name") else ():
        if old in text_cfg:
            value = text_cfg.pop(old)
            if text_cfg.setdefault(new, value) != value:
                raise ModelError(f"text_cfg says {old}={value!r} and {new}={text_cfg[new]!r}")
    return model_cfg


def build_towers(model_cfg: dict[str, Any], text_config: dict[str, Any] | None) -> nn.Module:
    """Return open_clip's module with separate towers and random weights.

    ``text_config`` is the Hugging Face config of the text tower, where there is one. Raises
    ModelError for a config that open_clip does not take.
    """
    from open_clip.model import CustomTextCLIP

    cfg = modern(model_cfg)
    if "multimodal_cfg" in cfg:
        raise ModelError("a CoCa model has a third tower; only dual encoders are loaded")
    cfg.pop("custom_text", None)
    image_size = cfg["vision_cfg"].get("image_size", 224)
    if "timm_model_name" in cfg["vision_cfg"]:
        cfg["vision_cfg"]["timm_model_pretrained"] = False
    with offline(), TemporaryDirectory() as folder:
        if text_config is not None:
            Path(folder, "config.json").write_text(json.dumps(text_config), encoding="utf-8")
            cfg["text_cfg"] |= {"hf_model_name": folder, "hf_model_pretrained": False}
        try:
            model = CustomTextCLIP(**cfg)
        except (TypeError, ValueError, KeyError, RuntimeError, OSError) as error:
            raise ModelError(f"open_clip cannot build this config: {error}") from error
    if _other_size(model, image_size):
        model.visual.set_input_size(image_size)
    return model


def _other_size(model: Any, image_size: int) -> bool:
    """Whether a timm trunk was made for another image size than the config names."""
    trunk = getattr(model.visual, "trunk", None)
    made_for = getattr(getattr(trunk, "patch_embed", None), "img_size", None)
    return made_for is not None and tuple(made_for) != (image_size, image_size)


def as_dual_encoder(
    model: Any,
    *,
    name: str,
    model_cfg: dict[str, Any],
    text_config: dict[str, Any] | None,
    preprocess: Preprocessing,
    tokenizer: TextTokenizer,
    start: str,
) -> DualEncoder:
    """Return an open_clip module as a DualEncoder; its tensors are shared, not copied."""
    pad_id = None if text_config is None else text_config.get("pad_token_id", 0)
    encoder = DualEncoder(
        ImageTower(model.visual, name=name),
        TextTower(model.text, pad_id=pad_id),
        name=name,
        family="open_clip",
        width=model_cfg["embed_dim"],
        preprocess=preprocess,
        tokenizer=tokenizer,
        config={"model_cfg": model_cfg, "text_config": text_config},
        start=start,
    )
    encoder.logit_scale = nn.Parameter(model.logit_scale.detach().clone().reshape(()))
    if model.logit_bias is not None:
        encoder.logit_bias = nn.Parameter(model.logit_bias.detach().clone().reshape(()))
    return encoder


def build(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a config.json of the own layout describes (random weights)."""
    model_cfg, text_config = config["model"]["model_cfg"], config["model"]["text_config"]
    preprocess = Preprocessing.from_dict(config["preprocessing"])
    built_for = model_cfg["vision_cfg"].get("image_size", 224)
    if preprocess.size != built_for:
        raise ModelError(
            f"{config['name']} was saved for images of {built_for} pixels; "
            f"image_size={preprocess.size} cannot be had from saved weights"
        )
    return as_dual_encoder(
        build_towers(model_cfg, text_config),
        name=config["name"],
        model_cfg=model_cfg,
        text_config=text_config,
        preprocess=preprocess,
        tokenizer=words_again(config["tokenizer"], words),
        start=config["start"],
    )
