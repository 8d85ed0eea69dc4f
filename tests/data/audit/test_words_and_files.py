"""Words that name a person are found and never shown; files are looked at once."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from vesalius.core import DataError
from vesalius.data import read
from vesalius.data.audit import audit, masked, masked_name
from vesalius.data.audit.burned_in import text_rows
from vesalius.data.audit.identifiers import identifiers

PLANTED = {
    "date": "Compared with 03/14/2019.",
    "record number": "MRN: A0048213 was read.",
    "phone": "Call (555) 123-4567 at once.",
    "e-mail": "Sent to jane.roe@clinic.example now.",
    "person": "Discussed with Dr. Millerowsky by phone.",
    "long number": "Order 883920114 is done.",
}
SECRETS = ("03/14/2019", "A0048213", "555", "123-4567", "jane", "roe@", "Millerowsky", "883920114")
HARMLESS = (
    "The heart is enlarged, cardiothoracic ratio 0.58.",
    "A 4.2 x 3.1 x 2.0 cm mass in the right upper lobe, T2-weighted, L4-L5 level.",
    "No acute disease. Ribs 3 to 5 healed; 12 mm nodule, grade 2/6 murmur.",
    "DRAINAGE of 250 ml; drip 10.5 ml/h; SpO2 98 %.",
)


def with_texts(cases, texts, **columns):
    return cases([str(i) for i in range(len(texts))], texts=np.array(texts, object), **columns)


@pytest.mark.parametrize("kind", PLANTED)
def test_each_kind_of_identifier_is_found(cases, kind):
    (found,) = identifiers(with_texts(cases, [PLANTED[kind]]))
    assert (found.kind, found.where, found.rows) == (kind, "text", (0,))


def test_findings_of_a_radiologist_are_no_identifiers(cases):
    assert identifiers(with_texts(cases, HARMLESS)) == ()
    assert [masked(text) for text in HARMLESS] == list(HARMLESS)


def test_no_identifier_survives_masking():
    text = masked(" ".join(PLANTED.values()))
    assert not [secret for secret in SECRETS if secret in text]


def test_identifiers_in_names_and_attributes_are_found_and_masked(cases):
    from dataclasses import replace

    made = cases(["p"] * 2, attributes={"note": np.array(["seen by Mr. Roe", "none"])})
    made = replace(made, case_ids=np.array(["film_2019-03-14", "00000001_000.png"]))
    where = {(own.kind, own.where) for own in identifiers(made)}
    assert where == {("date", "case id"), ("person", "attribute note")}
    assert masked_name("film_2019-03-14") == "film_####-##-##"


@pytest.mark.parametrize("name", ["scan_20190314_1.png", "a/Dr_Miller.png", "x_555-123-4567.dcm"])
def test_file_names_are_masked_between_underscores(name):
    shown = masked_name(name)
    assert not any(part in shown for part in ("20190314", "Miller", "4567"))


def test_texts_of_several_patients_are_counted_and_splits_named(cases):
    made = with_texts(
        cases, ["Clear.", "clear. ", "Edema.", None], splits=np.array(["train", "test", "test", ""])
    )
    (found,) = audit(made).reused
    assert (found.cases, found.patients, found.splits) == (2, 2, ("test", "train"))


def test_rare_and_inseparable_labels_are_named(cases):
    both = np.zeros((60, 3))
    both[:20, :2] = 1
    both[:2, 2] = 1
    found = audit(cases([str(i) for i in range(60)], both, ("A", "B", "C")))
    assert [(own.name, own.positives) for own in found.rare] == [("C", 2)]
    assert {(own.name, own.other) for own in found.companions} == {("A", "B"), ("B", "A")}
    assert found.imbalance == 10


def test_unreadable_images_are_listed_and_a_second_audit_decodes_nothing(
    tmp_path, png, table, monkeypatch
):
    for name in ("a.png", "b.png"):
        png(tmp_path / name, width=80, height=70)
    (tmp_path / "c.png").write_bytes(b"\x89PNG broken")
    table(tmp_path / "manifest.csv", ("image",), ("a.png",), ("b.png",), ("c.png",))
    made = read("manifest", tmp_path)
    first = audit(made, folder=tmp_path / "audit", workers=0)
    assert [bad.name for bad in first.unreadable] == ["c.png"]
    monkeypatch.setattr("vesalius.data.images.read_image", lambda path: pytest.fail(str(path)))
    assert audit(made, folder=tmp_path / "audit", workers=0) == first


def test_a_changed_file_is_looked_at_again(tmp_path, png, table):
    png(tmp_path / "a.png", width=80, height=70)
    table(tmp_path / "manifest.csv", ("image",), ("a.png",))
    made = read("manifest", tmp_path)
    assert audit(made, folder=tmp_path / "audit", workers=0).flat == ()
    png(tmp_path / "a.png", width=80, height=70, value=9)
    assert audit(made, folder=tmp_path / "audit", workers=0).flat == (0,)


@pytest.mark.parametrize("content", [b"not a database", b"SQLite format 3\0" + b"\xff" * 200])
def test_a_broken_store_is_an_error_of_ours(tmp_path, cases, content):
    (tmp_path / "looks.sqlite").write_bytes(content)
    with pytest.raises(DataError, match=r"looks\.sqlite"):
        audit(cases(["p"]), folder=tmp_path)


@pytest.mark.parametrize("row", ["0,abc,", "0,{0},xyz", "0,{0},{1}0"])
def test_hashes_that_are_none_are_refused_with_their_line(tmp_path, cases, row):
    text = "row,pixels,hash\n" + row.format("a" * 64, "0" * 48) + "\n"
    (tmp_path / "hashes.csv").write_text(text)
    with pytest.raises(DataError, match="line 2"):
        audit(cases(["p"]), against=tmp_path / "hashes.csv")


def test_what_a_set_has_no_column_for_is_said_to_be_unchecked(cases):
    bare = audit(cases(None, np.zeros((3, 0))))
    assert bare.unchecked == ("patients", "texts", "contradictions", "rare", "companions")
    full = cases(
        ["a", "b"], [[1, 0], [0, 1]], ("A", "B"),
        splits=np.array(["train", "test"]), texts=np.array(["x", "y"], object),
    )  # fmt: skip
    assert audit(full).unchecked == ()


def test_no_cases_cannot_be_audited(cases):
    with pytest.raises(DataError, match="no cases"):
        audit(cases(["p"]).select([]))


def test_planted_text_is_seen_and_films_without_any_are_not(films):
    rng = np.random.default_rng(0)
    plain = [text_rows(read_film) for read_film in (films.images[i] for i in range(60))]
    assert sum(rows > 0 for rows in plain) <= 1
    seen = 0
    big = read("phantom", n=30, image_size=384)
    for i in range(30):
        picture = Image.fromarray(big.images[i])
        size = int(rng.integers(12, 20))
        ImageDraw.Draw(picture).text(
            (4, 4), "ROE JANE 12/03/1961", fill=255, font=ImageFont.load_default(size)
        )
        seen += text_rows(np.asarray(picture)) > 0
    assert seen >= 27
