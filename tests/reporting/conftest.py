"""A page like those of studies: invented numbers, every kind of block, and hostile strings.

Legend of shapes: N cases, C labels, D width, H W pixels.
"""

import numpy as np
import pytest

from vesalius.core import Box, Score, Skipped
from vesalius.reporting import (
    Card,
    CardScore,
    Column,
    Details,
    Examples,
    Notice,
    Page,
    Row,
    Section,
    Table,
    Text,
    figures,
    label_table,
    summary_table,
    tile,
)

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "</title><svg/onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "<!-- --><iframe src=//evil.example>",
    "&lt;b&gt; & \u202eoverridden\u202c \x00\x1b[31m\ud800",
    "https://evil.example/x.png",
)
LABELS = (
    "No Finding",
    "Cardiomegaly",
    "Pleural Effusion",
    "Atelectasis",
    "Consolidation",
    "Edema",
    "Pneumothorax",
    "Lung Opacity",
    "Enlarged Cardiomediastinum",
    "Lung Lesion",
    "Support Devices",
    "Pneumonia",
    "Pleuraergussverdacht beidseits, rechts größer als links",
    HOSTILE[1],
)
METHODS = ("zero-shot", "linear probe", "kNN", "fine-tune")
MEASURES = ("macro_auroc", "macro_average_precision", "macro_f1", "exact_match", "lrap",
            "coverage_error")  # fmt: skip
N, PATIENTS = 1193, 874
PUBLISHED = {
    "zero-shot": {"macro_f1": 0.16, "exact_match": 0.0, "lrap": 0.42, "coverage_error": 7.7},
    "fine-tune": {"macro_f1": 0.37, "exact_match": 0.53, "lrap": 0.79, "coverage_error": 3.1},
}


def chest(rng, side=224):
    """Draw something like a chest film: bright body, dark lungs, ribs, heart, noise."""
    y_HW, x_HW = np.mgrid[:side, :side] / side - 0.5
    film_HW = 0.62 - 0.5 * (np.hypot(x_HW * 1.05, y_HW * 0.85) > 0.5)
    shift, size = rng.uniform(-0.02, 0.02), rng.uniform(0.9, 1.15)
    for centre in (-0.2, 0.2):
        lung_HW = np.hypot((x_HW - centre - shift) / 0.15, (y_HW + 0.02) / 0.33)
        film_HW -= 0.42 / (1 + np.exp(18 * (lung_HW - 1)))
    film_HW += 0.07 * (np.sin(46 * (y_HW + 1.5 * x_HW**2)) > 0.55)
    heart_HW = np.hypot((x_HW - 0.06 - shift) / (0.13 * size), (y_HW - 0.14) / 0.14)
    film_HW += 0.3 / (1 + np.exp(14 * (heart_HW - 1)))
    film_HW += 0.16 * np.exp(-((x_HW / 0.04) ** 2)) + rng.normal(0, 0.025, film_HW.shape)
    return (np.clip(film_HW, 0, 1) * 255).astype(np.uint8)


def invented_scores(rng, strength):
    """Return overall and per-label scores of one method; one label cannot be scored."""
    scores = []
    for name in MEASURES:
        value = strength if name != "coverage_error" else 9 - 6 * strength
        half = rng.uniform(0.012, 0.03) * max(value, 1)
        scores.append(Score(name, value, value - half, value + half, N, "sound/v1",
                            clusters=PATIENTS))  # fmt: skip
    for i, label in enumerate(LABELS):
        positives = int(N * 0.4 * 0.72**i)
        value = float(np.clip(strength + rng.normal(0, 0.07), 0.4, 0.99))
        half = min(0.6 / np.sqrt(positives + 1), 0.2)
        for name, level in (("auroc", value), ("average_precision", value / 2)):
            if label == "Lung Lesion":
                scores.append(Score(name, np.nan, n=N, label=label, positives=0,
                                    note="no case is positive"))  # fmt: skip
            elif label == "Pneumonia":
                scores.append(Score(name, level, n=N, label=label, positives=2,
                                    note="all positives are one patient's"))  # fmt: skip
            else:
                scores.append(Score(name, level, max(level - half, 0), min(level + half, 1), N,
                                    "sound/v1", label, PATIENTS, positives))  # fmt: skip
    return scores


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def scores_by_method():
    rng = np.random.default_rng(1)
    strengths = (0.68, 0.81, 0.76, 0.84)
    return {m: invented_scores(rng, s) for m, s in zip(METHODS, strengths, strict=True)}


@pytest.fixture(scope="session")
def labels_NC():
    """Labels that lean on a hidden severity, one in twenty not known."""
    rng = np.random.default_rng(2)
    severity_N1 = rng.normal(size=(N, 1))
    shares_C = 0.4 * 0.72 ** np.arange(len(LABELS))
    noisy_NC = severity_N1 * rng.uniform(0, 1.2, len(LABELS)) + rng.normal(size=(N, len(LABELS)))
    cut_C = [np.quantile(noisy_NC[:, c], 1 - share) for c, share in enumerate(shares_C)]
    labels_NC = (noisy_NC > cut_C).astype(float)
    labels_NC[rng.random(labels_NC.shape) < 0.05] = np.nan
    labels_NC[:, 9] = np.where(np.isnan(labels_NC[:, 9]), np.nan, 0)
    return labels_NC


def _curves(rng):
    epochs = np.arange(12)
    train = 0.2 + 0.5 * np.exp(-epochs / 3) + rng.normal(0, 0.006, 12)
    validation = 0.28 + 0.42 * np.exp(-epochs / 2.5) + 0.006 * epochs + rng.normal(0, 0.006, 12)
    return {"training": train.tolist(), "validation": validation.tolist()}


def _bins(rng, bend):
    predicted_K = np.linspace(0.05, 0.95, 10)
    counts_K = (900 * np.exp(-4 * predicted_K) + 12).astype(int)
    observed_K = np.clip(predicted_K**bend + rng.normal(0, 0.02, 10), 0, 1)
    return figures.Bins(predicted_K, observed_K, counts_K)


def _recalls(rng):
    return {
        way: {k: Score(f"r@{k}", v + i / 50, v + i / 50 - 0.03, v + i / 50 + 0.03, n=N)
              for k, v in ((1, 0.08), (5, 0.24), (10, 0.35))}
        for i, way in enumerate(("image → text", "text → image"))
    }  # fmt: skip


def _cards(rng):
    cards = []
    for i in range(6):
        boxes = [Box("Cardiomegaly", 80, 110, 70, 70)] if i % 2 else []
        ranked = [CardScore(LABELS[(i + j * 3) % 14], 0.93 - 0.2 * j, (True, False, None)[j % 3])
                  for j in range(4)]  # fmt: skip
        cards.append(
            Card(
                figures.picture(chest(rng), boxes=boxes, side=256),
                f"Image of case {i}",
                ("Right", "Missed", "False alarm")[i % 3] + f": {LABELS[i + 8]}",
                "Heart size at the upper limit of normal. No focal consolidation, effusion or "
                "pneumothorax. " + (HOSTILE[0] if i == 0 else "Kein Nachweis eines Ergusses."),
                ranked,
            )
        )
    return cards


@pytest.fixture(scope="session")
def page(scores_by_method, labels_NC):
    """Return the page of an invented study."""
    rng = np.random.default_rng(3)
    group_N = rng.integers(0, 9, 900)
    centres = 1.3 * rng.normal(size=(9, 48))
    values_ND = centres[group_N] + 1.1 * rng.normal(size=(900, 48))
    groups = [("" if g == 8 else LABELS[int(g)]) for g in group_N]
    audit = [
        Table(
            ("What", "Count"),
            [("Cases", 7470), ("Patients", 3851), ("Image sizes", "1024×1024 (7,470)"),
             ("Images that cannot be read", 2)],
            "Counts",
        ),
        Notice("12 patients lie in more than one split: scores on test are too good.", "warning"),
        figures.prevalence(labels_NC, LABELS),
        figures.cooccurrence(labels_NC, LABELS),
        Details(
            "A look at the images",
            [figures.contact_sheet([chest(rng) for _ in range(12)], [*LABELS[1:], ""][:12],
                                   caption="Every so many cases, one.")],
        ),
    ]  # fmt: skip
    pairs = Table(
        ("Pair", Column("Δ macro AUROC", marks=True, chance=0.0), "p", "p, Holm"),
        [
            ("fine-tune − linear probe", Score("d", 0.03, 0.01, 0.05, n=N), "0.003", "0.009"),
            ("kNN − linear probe", Score("d", -0.05, -0.07, -0.03, n=N), "< 0.001", "< 0.001"),
            Row(("zero-shot − kNN", Score("d", -0.08, n=N, note="too few patients"), "–", "–")),
        ],
    )
    sections = [
        Section(
            "How well are the findings told?",
            "The test split alone. Thresholds were chosen label by label on validation.",
            [summary_table(scores_by_method, reference=PUBLISHED, source="Rahman et al. 2024")],
        ),
        Section(
            "Which findings, and how surely?",
            "AUROC is the chance that a case with the finding ranks above one without it.",
            [figures.forest(scores_by_method), label_table(scores_by_method)],
        ),
        Section("Which method is better?", "Paired: the same patients.", [pairs]),
        Section(
            "Can the scores be taken as probabilities?",
            "Of the cases that score 0.8, eight in ten should have the finding.",
            [figures.reliability({"zero-shot": _bins(rng, 2), "linear probe": _bins(rng, 1.1)})],
        ),
        Section(
            "How do the embeddings lie?",
            "",
            [figures.embedding_map(values_ND, groups, rng=rng, limit=500, caption="Test images.")],
        ),
        Section(
            "Does an image find its text?",
            "Texts that several images share count as right for each of them.",
            [figures.recall_at_k(_recalls(rng), chance={1: 0.001, 5: 0.004, 10: 0.008})],
        ),
        Section("How the model learnt", "", [figures.learning_curves(_curves(rng), best_epoch=8)]),
        Section("Cases to look at", "", [Examples(_cards(rng), "Chosen by rule.")]),
        Section("What the numbers rest on", "", audit),
        Section("Hostile strings", "", [Text("\n\n".join(HOSTILE)), Notice(HOSTILE[4], "error")]),
    ]
    probe = {s.name: s for s in scores_by_method["linear probe"] if not s.label}
    return Page(
        title="IU X-ray, BiomedCLIP",
        study="iu_xray",
        question="How does BiomedCLIP do on a small, imbalanced, out-of-distribution set: "
        "zero-shot, linear probe, full fine-tune?",
        answer="Fine-tuning beats the linear probe on 1,193 test cases: macro AUROC 0.840 "
        "[0.815, 0.865] against 0.810 [0.790, 0.830].",
        tiles=[
            tile(probe["macro_auroc"], label="linear probe"),
            tile(scores_by_method["fine-tune"][0], label="fine-tune"),
            tile(probe["coverage_error"], label="linear probe"),
            tile(Score("image_to_text_r@10", 0.35, 0.32, 0.38, n=N), label="retrieval"),
            tile(Score("ece", 0.041, n=N, note="one patient only"), label="linear probe"),
        ],
        sections=sections,
        notes=("Nothing here holds for patients.",),
        recipe_yaml="question: …\nseed: 0\ndata:\n  reader: iu_xray\n  note: '"
        + HOSTILE[3]
        + "'\n",
        command="vesalius study run iu_xray data.root=/data/iu_xray model=biomedclip",
        environment={"python": "3.11.2", "vesalius": "0.1.0", "torch": "2.15.0"},
        hashes={"weights": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
        skipped=(Skipped(HOSTILE[1], "not an image: " + HOSTILE[0]),),
        created="2026-01-31",
    )
