"""``timm:NAME[/FILE]``: an image tower of timm, without words.

Legend of shapes: B batch, C channels, H W pixels, D width, h w patches.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from vesalius.core import ModelError, unknown
from vesalius.encoders.checkpoint import fill, read_tensors
from vesalius.encoders.image_only import image_encoder
from vesalius.encoders.operations import Crop, Floats, Normalise, Resize
from vesalius.encoders.preprocessing import Preprocessing

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from vesalius.encoders.dual_encoder import DualEncoder


class TimmTower(nn.Module):
    """A timm model without its classifier: pooled features."""

    def __init__(self, model: Any, *, name: str) -> None:
        super().__init__()
        self.model = model
        self.name = name

    def forward(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        return self.model(pixels_BCHW)

    def patch_features(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return the last map of features, through the last norm where there is one."""
        try:
            found: list[Tensor] = self.model.forward_intermediates(
                pixels_BCHW, indices=1, norm=True, intermediates_only=True, output_fmt="NCHW"
            )
        except (AttributeError, TypeError, NotImplementedError) as error:
            raise ModelError(f"{self.name}: this image tower gives no patch features") from error
        return found[-1]


class HeadedTower(nn.Module):
    """A trunk of timm and the layers that lead into the joint space; patches go through them too.

    Legend: B batch, C channels, H W pixels, D width, h w places.
    """

    def __init__(self, trunk: TimmTower, head: nn.Module) -> None:
        super().__init__()
        self.vit = trunk
        self.head = head

    def forward(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        return self.head(self.vit(pixels_BCHW))

    def patch_features(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return the trunk's patches through the head."""
        patches_BhwC = self.vit.patch_features(pixels_BCHW).permute(0, 2, 3, 1)
        return self.head(patches_BhwC).permute(0, 3, 1, 2)


def load(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return ``timm:NAME`` with random weights, or ``timm:NAME/FILE`` with those of a file.

    A relative FILE may also lie in weights_dir. Pixels are prepared as timm's own evaluation does.
    """
    import timm

    name, _, file = argument.partition("/")
    if name not in timm.list_models():
        raise unknown("timm model", name, timm.list_models())
    model = _built(name, image_size)
    start = f"random weights, seed {seed}"
    if file:
        path = Path(file).expanduser()
        found = next((place for place in (path, weights_dir / path) if place.is_file()), None)
        if found is None:
            raise ModelError(f"there is no file {path}, nor {weights_dir / path}")
        fill(model, read_tensors(found), found, ignore=_classifier(model))
        start = f"weights of {found.name}"
    title = f"timm:{name}/{Path(file).name}" if file else f"timm:{name}"
    return _encoder(model, title, _pixels(model, image_size), {"timm": name}, start)


def build(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a config.json of the own layout describes (random weights)."""
    pixels = Preprocessing.from_dict(config["preprocessing"])
    model = _built(config["model"]["timm"], pixels.size)
    return _encoder(model, config["name"], pixels, config["model"], config["start"])


def _built(name: str, image_size: int | None) -> Any:
    import timm

    try:
        settings: dict[str, Any] = {} if image_size is None else {"img_size": image_size}
        return timm.create_model(name, pretrained=False, num_classes=0, **settings)
    except TypeError:  # a tower of convolutions takes any size
        return timm.create_model(name, pretrained=False, num_classes=0)


def _classifier(model: Any) -> set[str]:
    """Return the names of the classifier that a published file still holds."""
    said = model.default_cfg.get("classifier") or ()
    layers = (said,) if isinstance(said, str) else said
    return {f"{layer}.{part}" for layer in layers for part in ("weight", "bias")}


def _pixels(model: Any, image_size: int | None) -> Preprocessing:
    from timm.data import resolve_model_data_config

    cfg = resolve_model_data_config(model)
    size = image_size or cfg["input_size"][1]
    squash = cfg["crop_mode"] == "squash"
    resize = Resize(
        floor(size / cfg["crop_pct"]),
        side="both" if squash else "shortest",
        filter=cfg["interpolation"],
    )
    normalise = Normalise(tuple(cfg["mean"]), tuple(cfg["std"]))
    return Preprocessing(size, (resize, Crop(), Floats(), normalise))


def _encoder(
    model: Any, name: str, pixels: Preprocessing, config: dict[str, Any], start: str
) -> DualEncoder:
    return image_encoder(
        TimmTower(model, name=name),
        name=name,
        family="timm",
        width=model.num_features,
        preprocess=pixels,
        config=config,
        start=start,
    )
