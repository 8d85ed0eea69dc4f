"""Occlusion: exact for a mean of pixels, else as a slow loop; signed, in the original's pixels."""

import numpy as np
import pytest
import torch

from vesalius.core import ModelError
from vesalius.encoders import load
from vesalius.explanation import occlusion
from vesalius.explanation.occlusion import _cover, _drops, _spread
from vesalius.explanation.targets import scores_of

from .nets import Bright, Hand, of

torch.set_num_threads(1)
TEXTS = ["no effusion", "a nodule"]


def first(image_BD):
    return image_BD[:, 0]


def test_maps_are_those_of_a_slow_loop_over_patches_and_pixels():
    model = load("tiny", texts=TEXTS, image_size=32).double().eval()
    given = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)).double()
    cover_pS = _cover(32, patch=12, stride=5).double()
    with torch.no_grad():
        scores = scores_of(model, TEXTS)
        found = _spread(_drops(model, given, scores, cover_pS, fill=None, batch_size=7), cover_pS)
        assert found.shape == (2, 2, 32, 32)
        for i, image in enumerate(given):
            whole = torch.stack(scores(model.image(image[None])))[:, 0]
            total, times = torch.zeros(2, 32, 32).double(), torch.zeros(32, 32)
            for y in (0, 5, 10, 15, 20):
                for x in (0, 5, 10, 15, 20):
                    covered = image.clone()
                    covered[:, y : y + 12, x : x + 12] = image.mean((1, 2))[:, None, None]
                    left = torch.stack(scores(model.image(covered[None])))[:, 0]
                    total[:, y : y + 12, x : x + 12] += (whole - left)[:, None, None]
                    times[y : y + 12, x : x + 12] += 1
            torch.testing.assert_close(found[i], total / times, rtol=0, atol=1e-10)


def test_a_mean_of_pixels_loses_what_the_patch_held():
    film = np.full((8, 8), 128, np.uint8)
    film[:4, :4] = 255
    model = of(Bright(), 8, 1)
    black = float(model.preprocess(np.zeros((8, 8), np.uint8)).max())
    ((found,),) = occlusion(model, [film], {"it": first}, patch=4, stride=4, fill=black)
    bright = model.preprocess(film)[0].clamp(min=0).double()
    expected = np.kron(
        [[bright[0, 0], bright[0, 7]], [bright[7, 0], bright[7, 7]]], np.ones((4, 4))
    )
    np.testing.assert_allclose(found.values_HW, expected * 16 / 64, atol=1e-6)


def test_what_speaks_against_a_target_is_negative():
    film = np.full((8, 8, 3), 100, np.uint8)
    film[:4, :4, 0], film[4:, 4:, 1] = 250, 250
    ((found,),) = occlusion(of(Hand(), 8, 1), [film], {"it": first}, patch=2)
    assert found.values_HW[1, 1] > 0.01
    assert found.values_HW[6, 6] < -0.01


def test_the_last_patch_ends_at_the_edge_so_that_every_pixel_is_covered():
    assert _cover(10, patch=4, stride=3).sum(0).min() == 1
    assert len(_cover(11, patch=4, stride=3)) == 4
    assert _cover(4, patch=4, stride=3).tolist() == [[1, 1, 1, 1]]


def test_scores_without_a_gradient_will_do():
    ((found,),) = occlusion(
        of(Bright(), 8, 1), [np.eye(8, dtype=np.uint8) * 255], {"b": lambda x: x.detach()[:, 0]}
    )
    assert found.values_HW.any()


@pytest.mark.parametrize("setting", [{"patch": 9}, {"patch": 0}, {"patch": 2, "stride": 3}])
def test_patches_that_leave_pixels_out_are_an_error(setting):
    with pytest.raises(ModelError, match="do not cover an image of 8; wanted is 1 <= stride"):
        occlusion(of(Bright(), 8, 1), [], {"it": first}, **setting)
