"""The last images are kept, older ones let go."""

import numpy as np

from vesalius.segmentation.prompted.cache import LastImages


def test_the_image_longest_unasked_for_is_let_go():
    held, made = LastImages(2), []

    def ask(grey):
        held.of(np.full((2, 3), grey, np.uint8), lambda: made.append(grey) or grey)

    for grey in (1, 2, 1, 3, 1, 2):
        ask(grey)
    assert made == [1, 2, 3, 2]


def test_the_same_bytes_in_another_shape_are_another_image():
    held = LastImages(2)
    assert held.of(np.zeros((2, 3), np.uint8), lambda: "wide") == "wide"
    assert held.of(np.zeros((3, 2), np.uint8), lambda: "high") == "high"
