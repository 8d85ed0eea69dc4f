"""From a study to its film, its masks and its boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vesalius.core import Mask
from vesalius.data.phantom.anatomy import scene_of, vessels
from vesalius.data.phantom.canvas import Canvas
from vesalius.data.phantom.cohort import Study
from vesalius.data.phantom.film import body, expose
from vesalius.data.phantom.findings import FINDINGS, ORDER

if TYPE_CHECKING:
    from jaxtyping import UInt8


def render(study: Study, side: int) -> tuple[UInt8[np.ndarray, "S S"], dict[str, Mask]]:
    """Return the film as uint8 and the masks of lungs, heart and every finding."""
    rng = np.random.default_rng(study.seed)
    anatomy = study.anatomy
    canvas = Canvas(
        side,
        shift=(rng.normal(0, 0.012), rng.normal(0.01, 0.012)),
        scale=rng.uniform(0.96, 1.06),
        turn=rng.normal(0, 0.025),
    )
    scene = scene_of(anatomy, canvas)
    failing = study.lesion("Edema")
    congestion = 0.0 if failing is None else 0.4 + 0.6 * failing.severity
    branches = vessels(anatomy, rng, congestion=congestion)
    film = body(scene, canvas.curves(*branches, taper=0.75, blur=0.0015), rng)
    masks = {
        "Right Lung": scene.lungs["right"] > 0.5,
        "Left Lung": scene.lungs["left"] > 0.5,
        "Heart": scene.heart > 0.5,
    }
    drawn = {lesion.name: lesion for lesion in study.lesions}
    for name in ORDER:
        if name in drawn:
            own = np.random.default_rng([*study.seed, ORDER.index(name)])
            film, masks[name] = FINDINGS[name](film, scene, drawn[name], own)
    pixels = expose(film.astype(np.float32), study.site, canvas, rng)
    return pixels, {name: Mask(values, name) for name, values in masks.items()}
