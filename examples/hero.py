"""Make the README's picture from a Run of the quickstart: films, map of embeddings, scores.

Run: uv run python examples/hero.py runs/quickstart-… docs/hero.png
"""

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from vesalius import data, embedding, encoders
from vesalius.core import Score
from vesalius.core.files import read_json
from vesalius.evaluation.separability import first_positive
from vesalius.reporting import figures

run, out = Path(sys.argv[1]), Path(sys.argv[2])
recipe = read_json(run / "recipe.json")
settings = {k: v for k, v in recipe["data"].items() if k not in ("reader", "root", "limit")}
cases = data.split(data.read("phantom", **settings), seed=recipe["seed"], **recipe["split"])
test = cases.split("test")
model = encoders.load(str(run))
images = embedding.encode(model, test, store=run / "embeddings")
class_N, names = first_positive(test)
groups = [names[c] if c >= 0 else "" for c in class_N]

large = data.read("phantom", **{**settings, "image_size": 320}).of_cases(test.case_ids)
shown, captions, masks = [], [], []
for label in ("No Finding", *test.label_names[:8]):
    if label == "No Finding":
        row = int(np.flatnonzero(test.labels_NC.sum(1) == 0)[0])
    else:
        column = test.label_names.index(label)
        row = int(
            np.flatnonzero((test.labels_NC[:, column] == 1) & (test.labels_NC.sum(1) == 1))[1]
        )
    shown.append(large.images[row])
    captions.append(label)
    masks.append(large.regions.masks(row).get(label))

scores = {
    method: [
        Score(**{k: float("nan") if v is None and k in ("value", "low", "high") else v
                 for k, v in score.items()})
        for score in own if score["name"] == "auroc"
    ]
    for method, own in read_json(run / "scores.json").items()
}  # fmt: skip
picture = figures.hero(
    shown, captions, figures.project(images.normalised(), rng=np.random.default_rng(0)), groups,
    {method: own for method, own in scores.items() if own}, masks=masks,
)  # fmt: skip
# 256 colours are enough for grey films and a few marks, and a page loads sooner
small = Image.open(BytesIO(picture.data)).convert("RGB").resize((1800, 645))
small.quantize(256).save(out, optimize=True)
