"""gScoreCAM: exact for a hand-made net, else as a slow loop over channels."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from vesalius.core import ModelError
from vesalius.encoders import load
from vesalius.explanation import gscorecam
from vesalius.explanation.sensitivity import channels
from vesalius.explanation.targets import scores_of

from .nets import Hand, of

torch.set_num_threads(1)
TEXTS = ["no effusion", "a nodule"]


def film(side, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)


def test_maps_are_those_of_a_slow_loop_over_channels():
    model = load("tiny", texts=TEXTS, image_size=64).eval()
    found = gscorecam(model, [film(64)], TEXTS, top=5, batch_size=3)[0]
    pixels = model.preprocess(film(64))[None]
    with torch.no_grad():
        scores = scores_of(model, TEXTS)
        map_BDhw, slopes_BKD = channels(model, pixels, scores, layer="trunk.5")
        for place, heat in enumerate(found):
            best = sorted(range(slopes_BKD.shape[2]), key=lambda d: -slopes_BKD[0, place, d])[:5]
            logits = []
            for d in best:
                wide = interpolate(map_BDhw[:, d : d + 1], size=(64, 64), mode="bilinear")
                low, high = wide.min(), wide.max()
                mask = (wide - low) / (high - low) if high > low else torch.zeros_like(wide)
                score = scores(model.image(pixels * mask))[place]
                logits.append(float(score) * float(model.logit_scale.exp()))
            weights = np.exp(np.array(logits) - max(logits))
            weights /= weights.sum()
            summed = sum(w * map_BDhw[0, d].numpy() for w, d in zip(weights, best, strict=True))
            at_places = heat.values_HW.reshape(4, 16, 4, 16)[:, 7:9, :, 7:9].mean((1, 3))
            np.testing.assert_allclose(at_places[1:3, 1:3], _smooth(np.maximum(summed, 0)), 1e-4)


def _smooth(map_44):
    """The mean of the four pixels around a place's centre, each 1/32 of the way to a neighbour."""
    near = np.eye(4) * (1 - 1 / 32) + (np.eye(4, k=1) + np.eye(4, k=-1)) / 64
    return (near @ map_44 @ near.T)[1:3, 1:3]


def test_the_channel_that_counts_is_the_map_and_those_without_effect_are_not_taken():
    model = of(Hand(), 8, 1)
    ((one,),) = gscorecam(model, [film(8)], {"it": lambda image_BD: image_BD[:, 0]}, top=1)
    expected = model.preprocess(film(8))[0].clamp(min=0)
    np.testing.assert_allclose(one.values_HW, expected, atol=1e-6)
    ((blue,),) = gscorecam(model, [film(8)], {"it": lambda image_BD: image_BD[:, 0]}, top=300)
    changed = film(8)
    changed[:, :, 2] = 0
    ((same,),) = gscorecam(model, [changed], {"it": lambda image_BD: image_BD[:, 0]}, top=300)
    np.testing.assert_allclose(blue.values_HW, same.values_HW, atol=1e-6)


def test_no_channels_at_all_are_an_error():
    with pytest.raises(ModelError, match="top 1 channel or more, not 0"):
        gscorecam(of(Hand(), 8, 1), [], {}, top=0)
