"""Keep the Hugging Face libraries off the network while a model is built."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' reports and progress bars off the terminal inside the block."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def offline() -> Iterator[None]:
    """Make every request of huggingface_hub fail inside the block; all is put back after it.

    huggingface_hub reads its constant at each request, other libraries the variables: all are set.
    """
    from huggingface_hub import constants

    before = {name: os.environ.get(name) for name in _VARIABLES}
    flag = constants.HF_HUB_OFFLINE
    os.environ.update(dict.fromkeys(_VARIABLES, "1"))
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = flag
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
