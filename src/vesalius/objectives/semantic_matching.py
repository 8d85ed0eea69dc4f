"""Semantic matching: images and texts with like findings belong together (MedCLIP).

Legend of shapes: N images, M texts, D width, F findings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vesalius.core.errors import DataError, unknown
from vesalius.objectives._pairs import unit_rows

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

VARIANTS = ("paper", "released")


def semantic_matching(
    image_BD: Float[Tensor, "N D"],
    text_BD: Float[Tensor, "M D"],
    *,
    image_findings_BF: Float[Tensor, "N F"],
    text_findings_BF: Float[Tensor, "M F"],
    logit_scale: float | Float[Tensor, ""],
    variant: str = "paper",
    tile: int | None = None,
) -> Float[Tensor, ""]:
    """Return ½[H(softmax_row S, softmax_row z) + H(softmax_col S, softmax_col z)], z = scale·s.

    Nothing is paired: row i of the images need not belong to row i of the texts, and there may be
    more of one than of the other. S says how alike the findings are; those are 1 (present),
    0 (absent), −1 (uncertain) or NaN (unknown).

    - ``paper``: S is the cosine of the multi-hot vectors, 1 where a finding is present and 0
      elsewhere. A row with nothing present has a cosine of 0 with every row, itself included, so
      its target is uniform; give "no finding" as a finding of its own to have healthy match
      healthy.
    - ``released``: S is the raw inner product of the values as they are, unknown as 0: uncertain
      meets uncertain as 1, and a row with more findings has a sharper target.

    A second, augmented text is the caller's to average. ``tile``: rows held at a time, all when
    none is given.

    Raises:
        ChoiceError: there is no such variant.
        DataError: a finding is infinite, or outside −1 … 1.

    Source: Wang et al. 2022 (MedCLIP), section 3.3, and its published code.

    >>> import torch
    >>> loss = semantic_matching(
    ...     torch.ones(2, 3), torch.ones(2, 3), logit_scale=5.0,
    ...     image_findings_BF=torch.eye(2), text_findings_BF=torch.eye(2))
    >>> round(float(loss), 6)  # log 2: equal embeddings, whatever the target
    0.693147
    """
    from vesalius.objectives._tiles import expected_logits, logsumexps

    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    image_ND, text_MD = unit_rows("semantic_matching", image_BD, text_BD, paired=False)
    image_NF = _vectors("image", image_findings_BF, image_ND, variant)
    text_MF = _vectors("text", text_findings_BF, text_MD, variant)
    if image_NF.shape[1] != text_MF.shape[1]:
        raise ValueError(
            f"semantic_matching: images have {image_NF.shape[1]} findings "
            f"and texts {text_MF.shape[1]}; they must be the same ones"
        )
    image_ND = image_ND * logit_scale
    rows_N, columns_M = logsumexps(image_ND, text_MD, tile=tile)
    wanted = expected_logits(image_ND, text_MD, image_NF, text_MF, tile=tile)
    return (rows_N.mean() + columns_M.mean() - wanted) / 2


def _vectors(side: str, findings_NF: Tensor, embeddings_ND: Tensor, variant: str) -> Tensor:
    """Return what S is the inner product of."""
    from torch.nn.functional import normalize

    if findings_NF.ndim != 2 or len(findings_NF) != len(embeddings_ND):
        raise ValueError(
            f"semantic_matching: {side} findings are {tuple(findings_NF.shape)}; "
            f"they must be ({len(embeddings_ND)}, findings)"
        )
    vectors_NF = findings_NF.detach().to(embeddings_ND).nan_to_num(0.0, None, None)
    if (vectors_NF.abs() > 1).any():
        raise DataError(
            f"semantic_matching: a value of the {side} findings is outside -1 ... 1; "
            "findings are 1 (present), 0 (absent), -1 (uncertain) or NaN (unknown)"
        )
    return normalize(vectors_NF.clamp(min=0)) if variant == "paper" else vectors_NF
