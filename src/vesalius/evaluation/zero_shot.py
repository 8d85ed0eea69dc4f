"""Zero-shot: labels scored by the words for them.

Prompts of one label are an ensemble: the mean of their normalised embeddings, normalised again.
With image i, ensembles p (positive) and n (negative) and scale s:

    pairs    P(label) = softmax(s·cos(i, p), s·cos(i, n))  over the two, for each label on its own
    classes  P(class) = softmax over all classes of s·cos(i, p)
    cosine   score    = cos(i, p), the bare-name form of the IU-Xray study (arXiv 2506.14136)
    sigmoid  P(label) = sigmoid(s·cos(i, p) + b), each label on its own, for a model trained
                        with sigmoids, which has a bias b; in the other rules b cancels

Source: Radford et al. 2021 (classes, ensembles); Tiu et al. 2022, CheXzero (pairs); Zhai et al.
2023, SigLIP (sigmoid).

Legend: N images, C labels, D width, T prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, Embeddings, ModelError, Predictions, unknown
from vesalius.evaluation.alignment import align, ledger
from vesalius.evaluation.prompts import Prompts

if TYPE_CHECKING:
    from jaxtyping import Float

Rule = Literal["auto", "pairs", "classes", "cosine", "sigmoid"]
RULES = get_args(Rule)
EncodeText = Callable[[list[str]], NDArray[Any]]


def zero_shot(
    image: Embeddings,
    prompts: Prompts,
    encode_text: EncodeText,
    cases: CaseSet,
    *,
    logit_scale: float = 100.0,
    logit_bias: float | None = None,
    rule: Rule = "auto",
) -> Predictions:
    """Score each label of each image by its prompts (protocol ``zero_shot/v1``).

    Args:
        image: embeddings of the images (N, D), unnormalised.
        prompts: what each label is called; see :func:`~vesalius.evaluation.load_prompts`.
        encode_text: from T texts to their embeddings (T, D); called once, with no text twice.
        cases: labels, patients and splits; cases without an embedding are left out, and the rows
            keep the embeddings' order.
        logit_scale: what cosines are multiplied with before the softmax (CLIP: 100).
        logit_bias: what is added to scaled cosines, for a model that was trained with sigmoids.
        rule: ``auto`` takes ``classes`` for a multi-class set, else ``pairs`` where every label
            has negative prompts, and where none has ``cosine``, or ``sigmoid`` with a bias.

    Raises ChoiceError for a label without prompts or an unknown rule, DataError where only some
    labels have negative prompts, ModelError where the encoder's answer does not fit or a sigmoid is
    asked for without a bias.
    """
    image, cases = align(image, cases)
    names = cases.label_names
    if not names:
        raise DataError("zero_shot: the cases have no labels to score")
    for label in names:
        if label not in prompts.positive:
            raise unknown(f"label in prompt set {prompts.name!r}", label, prompts.positive)
    chosen = _rule(rule, prompts, cases, single="cosine" if logit_bias is None else "sigmoid")
    if chosen == "sigmoid" and logit_bias is None:
        raise ModelError("the rule 'sigmoid' needs a model with a logit bias (SigLIP)")
    groups = [prompts.positive[label] for label in names]
    if chosen == "pairs":
        groups += [prompts.negative[label] for label in names]
    ensembles_CD = _ensembles(groups, encode_text, image.width)
    cosines_NC = image.normalised().astype(np.float64) @ ensembles_CD.T
    scores_NC = _scores(cosines_NC, chosen, logit_scale, logit_bias or 0.0)
    return ledger(cases, scores_NC, method=f"zero_shot/v1 {prompts.name} {chosen}")


def _rule(rule: Rule, prompts: Prompts, cases: CaseSet, *, single: str) -> str:
    """Return the rule that is meant; ``single`` is that for prompts without opposites."""
    if rule not in RULES:
        raise unknown("zero-shot rule", rule, RULES)
    lacking = [label for label in cases.label_names if not prompts.negative.get(label)]
    if rule == "auto" and cases.task == "multiclass":
        return "classes"
    if rule == "auto" and len(lacking) == len(cases.label_names):
        return single
    if rule in ("auto", "pairs") and lacking:
        raise DataError(
            f"prompt set {prompts.name!r} has no negative prompts for {', '.join(lacking)}; "
            "add them, or choose the rule 'cosine'"
        )
    return "pairs" if rule == "auto" else rule


def _ensembles(
    groups: Sequence[Sequence[str]], encode_text: EncodeText, width: int
) -> Float[np.ndarray, "C D"]:
    """Return one direction for each group of prompts."""
    texts = list(dict.fromkeys(text for group in groups for text in group))
    values_TD = np.asarray(encode_text(texts), dtype=np.float64)
    if values_TD.shape != (len(texts), width):
        raise ModelError(
            f"prompts were encoded to shape {values_TD.shape}; "
            f"{len(texts)} prompts and images of width {width} need {(len(texts), width)}"
        )
    if not np.isfinite(values_TD).all():
        bad = texts[int(np.flatnonzero(~np.isfinite(values_TD).all(1))[0])]
        raise ModelError(f"the embedding of prompt {bad!r} is not finite")
    units_TD = _normalised(values_TD)
    place: Mapping[str, int] = {text: i for i, text in enumerate(texts)}
    means = [units_TD[[place[text] for text in group]].mean(0) for group in groups]
    return _normalised(np.stack(means))


def _scores(
    cosines_NC: Float[np.ndarray, "N C"], rule: str, scale: float, bias: float
) -> Float[np.ndarray, "N C"]:
    from scipy.special import expit, softmax

    if rule == "cosine":
        return cosines_NC
    chances_NC: NDArray[np.float64]
    if rule == "sigmoid":
        chances_NC = expit(scale * cosines_NC + bias)
        return chances_NC
    if rule == "classes":
        scores_NC: NDArray[np.float64] = softmax(scale * cosines_NC, axis=1)
        return scores_NC
    positive_NC, negative_NC = np.split(cosines_NC, 2, axis=1)
    chances_NC = expit(scale * (positive_NC - negative_NC))
    return chances_NC


def _normalised(values_TD: Float[np.ndarray, "T D"]) -> Float[np.ndarray, "T D"]:
    lengths_T1 = np.linalg.norm(values_TD, axis=1, keepdims=True)
    return values_TD / np.maximum(lengths_T1, np.finfo(np.float64).tiny)
