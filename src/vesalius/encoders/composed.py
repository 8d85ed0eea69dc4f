"""``dual:IMAGE+TEXT``: the image tower of one model and the text tower of another, to be trained.

A warm start for image–text training from any image tower (``dual:timm:resnet18+tiny``). The joint
space is the image tower's own, so a locked image tower keeps what it knows (LiT, Zhai et al. 2022);
a linear layer, drawn at random, leads the texts there. Legend: B batch, L tokens, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from vesalius.core import ModelError
from vesalius.encoders.dual_encoder import DualEncoder

if TYPE_CHECKING:
    from jaxtyping import Float, Int64
    from torch import Tensor

WANTED = "'dual' wants an image model and a text model: dual:IMAGE+TEXT"


class ProjectedText(nn.Module):
    """A text tower and the linear layer that leads from its width to the joint one."""

    def __init__(self, tower: nn.Module, *, inputs: int, outputs: int) -> None:
        super().__init__()
        self.tower = tower
        self.projection = nn.Linear(inputs, outputs)

    def forward(self, tokens_BL: Int64[Tensor, "B L"]) -> Float[Tensor, "B D"]:
        return self.projection(self.tower(tokens_BL))


def load(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return the composition of two models, each by any name that ``encoders.load`` takes."""
    from vesalius.encoders.loading import load as load_any

    image_name, plus, text_name = argument.partition("+")
    if not (image_name and plus and text_name):
        raise ModelError(f"{WANTED}, not {argument!r}")
    place = str(weights_dir)
    image = load_any(image_name, weights_dir=place, image_size=image_size, texts=texts, seed=seed)
    text = load_any(text_name, weights_dir=place, texts=texts, seed=seed)
    text.require_text()
    return _joined(image, text, f"dual:{image.name}+{text.name}")


def build(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a config.json of the own layout describes (random weights)."""
    from vesalius.encoders.own_weights import built

    parts = config["model"]
    image = built(
        {**parts["image"], "preprocessing": config["preprocessing"]}, parts["image"]["words"]
    )
    text = built({**parts["text"], "tokenizer": config["tokenizer"]}, words)
    return _joined(image, text, config["name"], start=config["start"])


def _joined(
    image: DualEncoder, text: DualEncoder, name: str, *, start: str | None = None
) -> DualEncoder:
    """Return one model of two; their tensors are shared, not copied."""
    model = DualEncoder(
        image.image,
        ProjectedText(text.text, inputs=text.width, outputs=image.width),
        name=name,
        family="dual",
        width=image.width,
        preprocess=image.preprocess,
        tokenizer=text.tokenizer,
        config={"image": {**_described(image), "words": image.tokenizer.json},
                "text": _described(text)},
        start=start or f"images: {image.start}; texts: {text.start}",
    )  # fmt: skip
    return model


def _described(model: DualEncoder) -> dict[str, Any]:
    from vesalius.encoders.own_weights import description

    return description(model)
