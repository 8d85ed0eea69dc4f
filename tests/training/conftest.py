"""A micro dual encoder and a micro cohort: the words say which image it is."""

import os
import traceback

import numpy as np
import pytest
import torch
from torch import nn

from vesalius.core import ArrayImages, CaseSet
from vesalius.training import Conditions

torch.set_num_threads(1)
SIDE = 8
WORDS = ("effusion", "nodule", "edema", "normal")


def prepared(image):
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255)[None]


class Micro(nn.Module):
    """Image tower with batch normalisation and dropout, text tower of word vectors."""

    def __init__(self, seed=0, width=8):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.image = nn.Sequential(
                nn.Flatten(), nn.Linear(SIDE * SIDE, 16), nn.BatchNorm1d(16), nn.ReLU(),
                nn.Dropout(0.1), nn.Linear(16, width),
            )  # fmt: skip
            self.text = nn.Sequential(
                nn.EmbeddingBag(16, 16), nn.LayerNorm(16), nn.Linear(16, width)
            )
        self.logit_scale = nn.Parameter(torch.tensor(2.66))
        self.logit_bias = None
        self.name, self.width, self.start = "micro", width, f"seed {seed}"
        self.preprocess = prepared

    @property
    def device(self):
        return self.logit_scale.device

    def tokenize(self, texts):
        rows = [[WORDS.index(w) + 1 if w in WORDS else 0 for w in t.split()[:4]] for t in texts]
        return torch.tensor([row + [0] * (4 - len(row)) for row in rows])

    def encode_image(self, pixels):
        return self.image(pixels)

    def encode_text(self, texts):
        return self.text(texts if isinstance(texts, torch.Tensor) else self.tokenize(texts))

    def image_parameters(self):
        return self.image.parameters()

    def text_parameters(self):
        return self.text.parameters()

    def identity(self):
        sums = [float(v.double().sum()) for v in self.state_dict().values()]
        return {"model": self.name, "weights_hash": repr(sums)}


def cohort(n=48, seed=0, task="multilabel"):
    """Case i shows finding i % 4 as a bright quarter; a tenth of the labels are unknown."""
    rng = np.random.default_rng(seed)
    finding_N = np.arange(n) % 4
    values = rng.integers(0, 60, (n, SIDE, SIDE), dtype=np.uint8)
    for i, finding in enumerate(finding_N):
        top, left = divmod(int(finding), 2)
        values[i, 4 * top : 4 * top + 4, 4 * left : 4 * left + 4] += 150
    labels_NC = np.eye(4)[finding_N]
    if task == "multilabel":
        labels_NC[rng.random(labels_NC.shape) < 0.1] = np.nan
    ids = np.array([f"s{seed}-{i:03d}" for i in range(n)])
    return CaseSet(
        ids,
        ArrayImages(values, ids.tolist()),
        labels_NC,
        label_names=WORDS,
        texts=np.array([WORDS[f] for f in finding_N], dtype=object),
        task=task,
        source="micro cohort",
    )


@pytest.fixture
def micro():
    return Micro()


@pytest.fixture
def make_micro():
    return Micro


@pytest.fixture
def make_cohort():
    return cohort


@pytest.fixture
def conditions(tmp_path):
    return Conditions(tmp_path / "fit", workers=0, progress=False)


@pytest.fixture
def in_child():
    """Return a function that runs another in a forked child and gives its wait status."""

    def run(function):
        pid = os.fork()
        if pid == 0:
            try:
                function()
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        return os.waitpid(pid, 0)[1]

    return run
