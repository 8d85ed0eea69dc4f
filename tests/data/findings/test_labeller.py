"""The labeller: hand-written sentences, scope, doubt, spans, and texts from anywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vesalius.core import DataError
from vesalius.data import read
from vesalius.data.findings import findings_of, label_reports
from vesalius.data.tables.vocabulary import CHEXPERT

SHORT = {
    "med": "Enlarged Cardiomediastinum", "heart": "Cardiomegaly", "opacity": "Lung Opacity",
    "lesion": "Lung Lesion", "edema": "Edema", "cons": "Consolidation", "pneu": "Pneumonia",
    "atel": "Atelectasis", "ptx": "Pneumothorax", "eff": "Pleural Effusion",
    "pleura": "Pleural Other", "fx": "Fracture", "device": "Support Devices",
}  # fmt: skip
STATES = {"+": 1.0, "-": 0.0, "?": -1.0}
SENTENCES = """
Mild cardiomegaly. = heart+
The heart is mildly enlarged. = heart+
Heart size is normal. = heart-
The cardiac silhouette is within normal limits. = heart-
Normal heart size. = heart-
The heart is not enlarged. = heart-
The heart is normal in size. = heart-
The heart is not normal in size. =
Heart size at the upper limits of normal. = heart-
Borderline cardiomegaly. = heart+
Possible cardiomegaly. = heart?
No cardiomegaly. = heart-
The cardiomediastinal silhouette is unremarkable. = heart- med-
Widened mediastinum. = med+
The mediastinum is not widened. = med-
The superior mediastinum appears widened. = med+
No mediastinal widening. = med-
Mediastinal contours are within normal limits. = med-
No pneumothorax, effusion or focal consolidation. = ptx- eff- cons-
No pneumothorax. Small left pleural effusion. = ptx- eff+
No pneumothorax but a small left pleural effusion. = ptx- eff+
No pneumothorax; small left pleural effusion. = ptx- eff+
No pneumothorax, however there is a moderate effusion. = ptx- eff+
There is no pneumothorax, and there is a large right effusion. = ptx- eff+
No pneumothorax with stable cardiomegaly. = ptx- heart+
Small effusion without pneumothorax. = eff+ ptx-
Large right pleural effusion, no pneumothorax. = eff+ ptx-
No pneumothorax, heart enlarged. = ptx- heart+
No effusion, the cardiac silhouette is enlarged. = eff- heart+
There is no evidence of pneumothorax. = ptx-
No definite pneumothorax. = ptx-
Without evidence of pneumonia. = pneu-
Negative for pneumothorax or pleural effusion. = ptx- eff-
Free of focal consolidation. = cons-
Absence of pleural effusion. = eff-
Neither effusion nor pneumothorax. = eff- ptx-
Pneumothorax is not seen. = ptx-
Pleural effusion is no longer seen. = eff-
A pneumothorax is not identified, but atelectasis persists. = ptx- atel+
The pneumothorax has resolved. = ptx-
Interval resolution of the pleural effusion. = eff-
Resolving left effusion. = eff+
No change in the right pleural effusion. = eff+
No significant change in left basilar atelectasis. = atel+
No interval change in cardiomegaly. = heart+
No increase in the pleural effusion. = eff+
Without change in the pneumothorax. = ptx+
The effusion has not significantly changed. = eff+
The effusion is not without complexity. = eff+
Not without effusion. = eff+
Pneumonia cannot be excluded. = pneu?
Cannot exclude pneumonia. = pneu?
An early infiltrate cannot be entirely excluded. = opacity?
Pneumonia is not excluded. = pneu?
Rule out pneumonia. = pneu?
Opacity may represent pneumonia. = opacity+ pneu?
Opacities could reflect atelectasis. = opacity+ atel?
Bibasilar opacities, likely atelectasis. = opacity+ atel?
Opacity suspicious for pneumonia. = opacity+ pneu?
Consolidation concerning for pneumonia. = cons+ pneu?
Findings suggest mild pulmonary edema. = edema?
Questionable small left effusion. = eff?
Probable small effusions. = eff?
Atelectasis versus infiltrate. = atel+ opacity?
Small effusion is possible. = eff?
Pneumothorax is unlikely. = ptx-
Opacity consistent with pneumonia. = opacity+ pneu+
No opacity to suggest pneumonia. = opacity- pneu-
No findings to suggest edema. = edema-
The lungs are clear. = opacity-
The lungs are clear without effusion. = opacity- eff-
The lungs are clear except for left basilar atelectasis. = opacity- atel+
No acute abnormality other than mild atelectasis. = atel+
No acute process aside from a small pneumothorax. = ptx+
Clear lungs. = opacity-
The costophrenic angles are sharp. = eff-
The bony thorax is intact. = fx-
No acute rib fracture. = fx-
Old healed left rib fractures. = fx+
Age-indeterminate compression fracture of T8. = fx+
The sternal wire is intact and the screw is fractured. =
Compression deformity of T12. = fx+
Pulmonary vasculature is normal. = edema-
Pulmonary vascular congestion. = edema+
No vascular congestion. = edema-
Mild interstitial edema. = edema+
The pulmonary vasculature is not engorged. = edema-
No soft tissue edema. =
Small pericardial effusion. =
8 mm nodule in the right upper lobe. = lesion+
No suspicious nodule or mass. = lesion-
Large right hilar mass. = lesion+
No bony density. =
Biapical pleural thickening. = pleura+
No pleural thickening. = pleura-
Right PICC with tip in the SVC. = device+
Endotracheal tube in place. = device+
Left chest XXXX with its tip in the mid SVC. = device+
No support devices. = device-
The chest tube has been removed. = device-
Interval removal of the chest tube. = device-
No lines or tubes. = device-
Dual-lead pacemaker, unchanged. = device+
There are XXXX of a pleural effusion. = eff-
XXXX XXXX atelectasis. = atel+
History of pneumonia. =
INDICATION: Rule out pneumonia. FINDINGS: No effusion. = eff-
HISTORY: Cough, pneumothorax. IMPRESSION: Clear lungs. = opacity-
EXAMINATION: Evaluate effusion. FINDINGS: Left lower lobe collapse. = atel+
NO PLEURAL EFFUSION = eff-
no pleural
effusion = eff-
"""


def expected(line):
    sentence, _, states = line.rpartition(" =")
    return sentence, {SHORT[word[:-1]]: STATES[word[-1]] for word in states.split()}


def lines():
    joined = SENTENCES.strip("\n").replace("no pleural\neffusion", "no pleural\\neffusion")
    return [line.replace("\\n", "\n") for line in joined.split("\n")]


@pytest.mark.parametrize("line", lines())
def test_a_sentence_says_what_a_reader_would_say_it_says(line):
    sentence, states = expected(line)
    (row,) = label_reports([sentence])
    said = {
        name: state
        for name, state in zip(CHEXPERT[1:], row[1:], strict=True)
        if not np.isnan(state)
    }
    assert said == states


def test_there_are_sentences_enough():
    assert len(lines()) >= 80


def state_of(text, finding):
    return label_reports([text])[0, CHEXPERT.index(finding)]


def test_within_a_report_present_beats_uncertain_beats_absent():
    doubt, no, yes = "Possible effusion. ", "No effusion. ", "Small effusion. "
    assert state_of(no + doubt, "Pleural Effusion") == -1
    assert state_of(doubt + yes + no, "Pleural Effusion") == 1
    assert state_of(no, "Pleural Effusion") == 0
    assert np.isnan(state_of("Clear lungs.", "Pleural Effusion"))


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("Normal chest.", 1),
        ("No effusion. Heart size normal.", 1),
        ("Pacemaker in place. Clear lungs.", 1),
        ("Small effusion.", 0),
        ("Possible effusion.", 0),
        ("Clear lungs. Scoliosis of the spine.", 0),
    ],
)
def test_no_finding_means_no_other_but_devices_and_nothing_outside_the_list(text, state):
    assert state_of(text, "No Finding") == state


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_a_report_without_words_is_unknown_in_everything(text):
    assert np.isnan(label_reports([text])).all()


def test_spans_and_sentences_are_places_in_the_text():
    text = "Heart normal.  Small\nleft pleural effusion; cannot exclude pneumonia.\n\nNo fracture."
    for mention in findings_of(text):
        assert mention.first <= mention.start < mention.end <= mention.last
        assert mention.cue in text[mention.first : mention.last]
        assert not text[mention.first].isspace()
    words = {m.finding: text[m.start : m.end] for m in findings_of(text)}
    assert words["Pleural Effusion"] == "pleural effusion"
    assert words["Pneumonia"] == "pneumonia"


def test_a_marked_sentence_is_the_sentence_with_brackets():
    text = "Clear lungs. No pneumothorax or effusion."
    marked = [m.marked(text) for m in findings_of(text)]
    assert marked[1] == "No [pneumothorax] or effusion."


@pytest.mark.parametrize("wrong", ["one text", [3]])
def test_what_is_no_list_of_texts_is_refused(wrong):
    with pytest.raises(DataError, match="not"):
        label_reports(wrong)


NORMAL = ("The trachea is midline.", "No free air.", "The hila are normal.", "Clear lungs.")
KNOWN = [expected(line)[0] for line in lines() if ":" not in line]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KNOWN), st.sampled_from(NORMAL), st.booleans())
def test_a_normal_sentence_beside_it_never_changes_what_is_present(sentence, normal, before):
    text = f"{normal} {sentence}" if before else f"{sentence} {normal}"
    alone, together = label_reports([sentence, text])
    np.testing.assert_array_equal(together[1:] == 1, alone[1:] == 1)


WORDS = st.sampled_from(["no ", "effusion", " but ", ". ", "İ", "ﬁ", "may be ", "XXXX ", "\n\n"])


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=30).map("".join)))
def test_any_text_is_read_and_every_span_lies_in_it(text):
    for mention in findings_of(text):
        shown = text[mention.start : mention.end]
        assert shown.strip() == shown != ""
        assert mention.state in (1, 0, -1)
    (row,) = label_reports([text])
    assert np.isin(row[~np.isnan(row)], (1, 0, -1)).all()


def test_the_phantoms_reports_and_labels_agree():
    cases = read("phantom", n=300)
    labels_NF = label_reports(list(cases.texts))
    for column, name in zip(cases.labels_NC.T, cases.label_names, strict=True):
        said = labels_NF[:, CHEXPERT.index({"Nodule": "Lung Lesion"}.get(name, name))]
        np.testing.assert_array_equal(np.isin(said, (1, -1)), column == 1, err_msg=name)


def test_a_long_report_without_a_stop_is_read_in_time():
    text = "no evidence of change in the heart and the mediastinal effusion " * 300
    assert findings_of(text)
