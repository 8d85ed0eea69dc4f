"""Reports: a radiologist's words for what a film shows, and for what it does not.

Mild findings are hedged now and then; what is absent is denied, alone or in company, or not
mentioned at all. Text and labels always agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vesalius.data.phantom.cohort import Study
from vesalius.data.phantom.findings import NAMES, Lesion

DEGREES = {
    "mild": ("mild", "small", "slight", "minimal"),
    "moderate": ("moderate", "moderate-sized"),
    "severe": ("large", "marked", "extensive"),
}
ZONES = ("upper", "mid", "lower")
HEDGES = ("possible ", "probable ", "findings suggest ", "there may be ")

PRESENT = {
    "Cardiomegaly": ("The heart is {degree}ly enlarged.", "{Degree} cardiomegaly.",
                     "The cardiac silhouette is {degree}ly enlarged.",
                     "Heart size is increased, consistent with {degree} cardiomegaly."),
    "Pleural Effusion": ("{Size} {side} pleural effusion.",
                         "There is {a_size} {side} pleural effusion.",
                         "Blunting of the {side} costophrenic angle by {a_size} effusion.",
                         "{Size} {side} pleural fluid."),
    "Consolidation": ("{Degree} consolidation in the {side} {zone} zone.",
                      "Airspace consolidation in the {side} {zone} lung with air bronchograms.",
                      "{Size} {side} {zone} lung consolidation, concerning for pneumonia."),
    "Atelectasis": ("{Degree} {side} basilar atelectasis.",
                    "Plate-like atelectasis at the {side} lung base.",
                    "Linear opacities at the {side} base, consistent with {degree} atelectasis.",
                    "{Degree} volume loss and atelectasis in the {side} lower lung."),
    "Edema": ("{Degree} pulmonary edema.", "{Degree} interstitial edema with vascular congestion.",
              "Perihilar haze and Kerley B lines, consistent with {degree} pulmonary edema.",
              "Pulmonary vascular congestion with {degree} edema."),
    "Nodule": ("{mm} mm nodule in the {side} {zone} lung.",
               "There is {a_size} {side} {zone} zone pulmonary nodule.",
               "Rounded nodular opacity in the {side} {zone} lung, about {mm} mm."),
    "Fracture": ("{Number} displaced {side} rib {fracture}.", "{Side} rib {fracture} with callus.",
                 "There {are} {number} lateral {side} rib {fracture}."),
    "Pneumothorax": ("{Size} {side} pneumothorax.", "There is {a_size} {side} apical pneumothorax.",
                     "Visible pleural line on the {side}, consistent with {a_size} pneumothorax."),
    "Support Devices": ("{A_kind} {is_} in place.", "{Kind} in situ.", "There {is_} {a_kind}.",
                        "{Kind} over the chest."),
}  # fmt: skip
ABSENT = {
    "Cardiomegaly": ("The heart is normal in size.", "Heart size is within normal limits.",
                     "No cardiomegaly.", "The cardiac silhouette is normal."),
    "Pleural Effusion": ("No pleural effusion.", "The costophrenic angles are sharp.",
                         "No effusion is seen."),
    "Consolidation": ("No focal consolidation.", "No airspace consolidation.",
                      "No focal airspace disease."),
    "Atelectasis": ("No atelectasis.",),
    "Edema": ("No pulmonary edema.", "The pulmonary vasculature is normal.",
              "No vascular congestion."),
    "Nodule": ("No suspicious nodule.", "No pulmonary nodule."),
    "Fracture": ("No acute rib fracture.", "The bony thorax is intact.", "No displaced fracture."),
    "Pneumothorax": ("No pneumothorax.", "There is no pneumothorax."),
    "Support Devices": ("No support devices.", "No lines or tubes."),
}  # fmt: skip
SHORT = {
    "Cardiomegaly": "cardiomegaly", "Pleural Effusion": "pleural effusion",
    "Consolidation": "focal consolidation", "Atelectasis": "atelectasis",
    "Edema": "pulmonary edema", "Nodule": "pulmonary nodule", "Fracture": "rib fracture",
    "Pneumothorax": "pneumothorax",
}  # fmt: skip
DENIED = {
    "Pleural Effusion": 0.5, "Pneumothorax": 0.3, "Consolidation": 0.4, "Cardiomegaly": 0.7,
    "Edema": 0.3, "Nodule": 0.15, "Fracture": 0.2, "Atelectasis": 0.12, "Support Devices": 0.12,
}  # fmt: skip
NORMAL = (
    "The lungs are clear.",
    "The lungs are well expanded and clear.",
    "Clear lungs bilaterally.",
)
UNREMARKABLE = (
    "The mediastinal contour is unremarkable.",
    "The hila are normal.",
    "The trachea is midline.",
    "The upper abdomen is unremarkable.",
    "The visualized soft tissues are normal.",
)
IMPRESSION_NORMAL = (
    "No acute cardiopulmonary abnormality.",
    "Normal chest radiograph.",
    "No acute cardiopulmonary process.",
    "No evidence of active disease.",
)
BEFORE = (
    "Compared with the prior study, ",
    "Since the previous examination, ",
    "In the interval, ",
)


def report(study: Study) -> str:
    """Return the report of a study; the same study has the same words."""
    rng = np.random.default_rng([*study.seed, 77])
    present = [_present(lesion, rng) for lesion in study.lesions]
    shown = {lesion.name for lesion in study.lesions}
    absent = [name for name in NAMES if name not in shown and rng.random() < DENIED[name]]
    sentences = [*present, *_absent(absent, rng)]
    if not shown & {
        "Consolidation",
        "Edema",
        "Atelectasis",
        "Nodule",
        "Pleural Effusion",
        "Pneumothorax",
    }:
        sentences.append(_one(NORMAL, rng))
    if rng.random() < 0.5:
        sentences.append(_one(UNREMARKABLE, rng))
    if study.number > 0 and present and rng.random() < 0.6:
        first = int(rng.integers(len(present)))
        sentences[first] = _one(BEFORE, rng) + _lower(sentences[first])
    findings = [sentences[i] for i in rng.permutation(len(sentences))]
    return f"{' '.join(findings)} {_impression(study, rng)}".strip()


def _impression(study: Study, rng: np.random.Generator) -> str:
    if rng.random() < 0.25:
        return ""
    if not study.lesions:
        return f"Impression: {_one(IMPRESSION_NORMAL, rng)}"
    words = [f"{_sided(lesion)}{SHORT.get(lesion.name, lesion.kind)}" for lesion in study.lesions]
    listed = _listed(words, "and")
    return f"Impression: {listed[:1].upper()}{listed[1:]}."


def _present(lesion: Lesion, rng: np.random.Generator) -> str:
    degree = lesion.degree
    adverb = {"mild": "mild", "moderate": "moderate", "severe": "marked"}[degree]
    count = 1 + (lesion.severity > 0.3) + (lesion.severity > 0.65)
    number = ("one", "two", "three")[count - 1]
    size = (
        _one(DEGREES[degree], rng) if degree != "mild" else _one(("small", "trace", "small"), rng)
    )
    words = {
        "degree": adverb, "size": size, "side": _side(lesion),
        "zone": ZONES[min(int(lesion.place * 3), 2)], "mm": str(8 + int(14 * lesion.severity)),
        "number": number, "fracture": "fracture" if count == 1 else "fractures",
        "are": "is" if count == 1 else "are", "kind": lesion.kind, "a_size": _a(size),
        **_device(lesion.kind),
    }  # fmt: skip
    words |= {key.capitalize(): value[:1].upper() + value[1:] for key, value in words.items()}
    sentence = _one(PRESENT[lesion.name], rng).format(**words)
    if (
        lesion.name not in ("Support Devices", "Cardiomegaly")
        and lesion.severity < 0.25
        and rng.random() < 0.3
    ):
        sentence = _hedged(sentence, rng)
    return sentence


def _device(kind: str) -> dict[str, str]:
    """Return a device with its article, and the verb that goes with it."""
    if kind.endswith("s"):
        return {"a_kind": kind, "is_": "are"}
    return {"a_kind": _a(kind), "is_": "is"}


def _a(word: str) -> str:
    return f"{'an' if word[:1] in 'aeiou' else 'a'} {word}"


def _hedged(sentence: str, rng: np.random.Generator) -> str:
    if sentence.startswith(("There is", "There are", "Visible", "Blunting")):
        return sentence[:-1] + ", although subtle."
    hedge = _one(HEDGES, rng)
    return f"{hedge[:1].upper()}{hedge[1:]}{_lower(sentence)}"


def _absent(names: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Deny findings one by one, or a few in one sentence."""
    together = [name for name in names if name in SHORT and name != "Cardiomegaly"]
    if len(together) >= 2 and rng.random() < 0.45:
        chosen = list(rng.permutation(together))[: int(rng.integers(2, 4))]
        listed = _listed([SHORT[name] for name in chosen], "or")
        start = _one(("No", "No", "No evidence of", "There is no"), rng)
        rest = [name for name in names if name not in chosen]
        return [f"{start} {listed}.", *(_one(ABSENT[name], rng) for name in rest)]
    return [_one(ABSENT[name], rng) for name in names]


def _side(lesion: Lesion) -> str:
    return "bilateral" if len(lesion.sides) == 2 else "".join(lesion.sides)


def _sided(lesion: Lesion) -> str:
    side = _side(lesion)
    return f"{side} " if side else ""


def _listed(words: Sequence[str], joint: str) -> str:
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _one(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
