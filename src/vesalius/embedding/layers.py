"""Encode layers: what an image tower knows on the way, one row a case for each of its layers.

Legend of shapes: N cases, B batch, C channels, H W pixels, P patches, D width, W the layers' widths
in sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from vesalius.core import CaseSet, Embeddings
from vesalius.data.loader import BadImages
from vesalius.data.progress import bar
from vesalius.data.ranks import rank, world
from vesalius.embedding.encoding import finite
from vesalius.embedding.reading import Digest, exchange, image_batches, with_rows
from vesalius.embedding.rows import MemoryRows
from vesalius.encoders.borrowing import evaluating
from vesalius.encoders.layers import layers_of, watch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor, nn

    from vesalius.encoders import DualEncoder


def encode_layers(
    model: DualEncoder,
    cases: CaseSet,
    *,
    layers: Sequence[str] | None = None,
    batch_size: int = 64,
    workers: int | None = None,
    max_bad: float = 0.05,
    device: str | None = None,
    progress: bool = True,
) -> dict[str, Embeddings]:
    """Return, by layer from the input up, one row for each case whose image can be read.

    A row is the mean over the layer's patches, without class and register tokens: so a ViT's rows
    and a ResNet's are of one kind. Of an activation only these means are kept. The model is
    borrowed, and the ranks of a job share the work, as in :func:`~vesalius.embedding.encode`.
    Provenance names the ``layer`` and how it was ``pooled``.

    Args:
        layers: names of :func:`vesalius.encoders.layers.layers_of`, in the wanted order; None
            takes all.

    Raises:
        ChoiceError: the image tower has no layer of that name.
        DataError: too many images are unreadable.
        ModelError: there are no layers, or one gives a value that is not finite.
    """
    chosen = layers_of(model, layers)
    if not chosen:
        return {}
    key = {**model.identity(), "modality": "image", "precision": "fp32"}
    rows = MemoryRows()
    bad = BadImages(len(cases), most=max_bad)
    digests: list[Digest] = [""] * len(cases)
    shown = bar("encoding layers", len(cases), unit="images", show=progress and rank() == 0)
    with evaluating(model, device=device), shown as advance:
        widths = _widths(model, chosen)
        reading = image_batches(
            cases, model.preprocess, rows, digests, bad,
            size=batch_size, workers=workers, advance=advance,
        )  # fmt: skip
        compute = _layer_rows(model, chosen)
        with closing(reading):
            for batch in reading:
                rows.add([digest for digest, _, _ in batch], finite(compute, batch, "fp32"))
    if world() > 1:
        exchange(cases, rows, digests, bad)
    there, wanted, data_hash = with_rows(rows, digests)
    values_NW = rows.of(wanted).reshape(len(wanted), sum(widths))
    parts = np.split(values_NW, np.cumsum(widths)[:-1], axis=1)
    return {
        name: Embeddings(
            np.ascontiguousarray(values_ND),
            cases.case_ids[there],
            "image",
            {**key, "layer": name, "pooled": "mean of patches", "data_hash": data_hash},
        )
        for name, values_ND in zip(chosen, parts, strict=True)
    }


def _means(
    model: DualEncoder, layers: Mapping[str, nn.Module], pixels_BCHW: Float[Tensor, "B C H W"]
) -> list[Float[Tensor, "B D"]]:
    """Return each layer's mean over its patches, in the order of the layers."""
    means: dict[str, Tensor] = {}
    watch(
        model.image,
        layers,
        pixels_BCHW.to(model.device),
        lambda name, seen: means.update({name: seen.patches_BPD.float().mean(1)}),
    )
    return [means[name] for name in layers]


def _widths(model: DualEncoder, layers: Mapping[str, nn.Module]) -> list[int]:
    """Return the layers' widths, from one black image: they are wanted also where no case is."""
    side = model.image_size
    blank_BCHW = torch.zeros(1, 3, side, side, dtype=torch.float32)  # as what is prepared
    return [mean_BD.shape[1] for mean_BD in _means(model, layers, blank_BCHW)]


def _layer_rows(
    model: DualEncoder, layers: Mapping[str, nn.Module]
) -> Callable[[list[Any]], Float[Tensor, "B W"]]:
    def compute(inputs: list[Any]) -> Tensor:
        return torch.cat(_means(model, layers, torch.from_numpy(np.stack(inputs))), 1)

    return compute
