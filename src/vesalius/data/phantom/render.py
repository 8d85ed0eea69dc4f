"""From a study to its film, its masks and its boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vesalius.core import Mask
from vesalius.data.phantom.anatomy import SIDES, shapes, vessels
from vesalius.data.phantom.canvas import Canvas
from vesalius.data.phantom.cohort import Study
from vesalius.data.phantom.film import body, expose
from vesalius.data.phantom.findings import FINDINGS, ORDER, Scene

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
    seen = shapes(anatomy, canvas)
    failing = study.lesion("Edema")
    congestion = 0.0 if failing is None else 0.4 + 0.6 * failing.severity
    lines = [line for s in SIDES for line in vessels(anatomy, s, rng, congestion=congestion)]
    film = body(anatomy, canvas, seen, canvas.stroked(lines, blur=0.0025), rng)
    scene = Scene(anatomy, canvas, seen, *canvas.grid())
    masks = {
        "Right Lung": seen.lungs["right"] > 0.5,
        "Left Lung": seen.lungs["left"] > 0.5,
        "Heart": seen.heart > 0.5,
    }
    drawn = {lesion.name: lesion for lesion in study.lesions}
    for name in ORDER:
        if name in drawn:
            own = np.random.default_rng([*study.seed, ORDER.index(name)])
            film, masks[name] = FINDINGS[name](film, scene, drawn[name], own)
    pixels = expose(film.astype(np.float32), study.site, canvas, rng)
    return pixels, {name: Mask(values, name) for name, values in masks.items()}
