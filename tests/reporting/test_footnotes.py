"""Every remark on a number is printed, once, where it holds."""

import re

import numpy as np
import pytest

from vesalius.core import Score
from vesalius.reporting import Notice, Page, Section, Table, label_table, render, tile
from vesalius.reporting.table_view import table_view
from vesalius.reporting.tables import scores_markdown, summary_table


def score(note="", value=0.8, name="macro_auroc", label=""):
    return Score(name, value, value - 0.1, value + 0.1, n=60, note=note, label=label)


def text_of(html):
    return re.sub(r"<[^>]*>", "", re.sub(r'title="[^"]*"', "", html))


def page_of(*blocks, **parts):
    return render(Page("t", "s", "q?", "a", sections=[Section("S", blocks=blocks)], **parts))


def test_the_remark_of_a_number_with_an_interval_can_be_read_and_not_only_hovered_over():
    table = summary_table({"probe": [score("without Hernia"), score(name="brier")]})
    view = table_view(table)
    assert view.footnotes == [("a", "without Hernia")]
    assert view.rows[0].cells[1].footnotes == ("a",)
    assert text_of(page_of(table)).count("without Hernia") == 1


def test_each_text_stands_once_however_many_numbers_share_it():
    rows = [("x", score("one"), score("two; one")), ("y", score(), score("two"))]
    view = table_view(Table(("What", "A", "B"), rows))
    assert view.column_footnotes == [(), (), ("a",)]
    assert [cell.footnotes for cell in view.rows[0].cells] == [(), ()]
    assert [row.footnotes for row in view.rows] == [("b",), ()]
    assert view.footnotes == [("a", "two"), ("b", "one")]


def test_a_remark_on_every_number_needs_no_mark():
    rows = [("x", score("patients unknown")), ("y", score("patients unknown; rare"))]
    view = table_view(Table(("What", "A"), rows))
    assert view.notes == ["Patients unknown."]
    assert view.footnotes == [("a", "rare")]


def test_a_missing_value_with_its_own_reason_does_not_part_a_column():
    rows = [("x", score("chosen")), ("y", score("chosen")), ("z", score("none there", np.nan))]
    view = table_view(Table(("What", "A"), rows))
    assert view.column_footnotes[1] == ("a",)
    assert view.rows[2].cells[0].footnotes == ("b",)


def test_the_key_figures_say_what_they_leave_out():
    tiles = [tile(score("without Hernia; patients unknown")), tile(score("patients unknown"))]
    words = text_of(page_of(tiles=tiles))
    assert words.count("without Hernia") == 1
    assert words.count("Patients unknown.") == 1


def test_markdown_has_the_remarks_too():
    text = scores_markdown({"a": [score("without Hernia; patients unknown")],
                            "b": [score("patients unknown")]})  # fmt: skip
    assert "0.800 [0.700, 0.900] [1]" in text
    assert text.count("Patients unknown.") == 1


@pytest.mark.parametrize(
    ("positives", "said"),
    [(2, "fewer than 10 positives"), (55, "fewer than 10 negatives"), (10, ""), (0, "")],
)
def test_a_label_with_next_to_no_cases_is_marked(positives, said):
    own = Score("auroc", 0.8, 0.7, 0.9, n=60, label="Mass", positives=positives)
    [row] = label_table({"probe": [own]}).rows
    assert row.note.startswith(said) if said else row.note == ""


def test_a_measure_that_no_method_has_gets_no_column_of_dashes():
    table = summary_table({"probe": [score()]}, measures=("macro_auroc", "exact_match"))
    assert [column.name for column in table.columns[2:]] == ["Macro AUROC"]
    published = {"theirs": {"exact_match": 0.5}}
    table = summary_table({"probe": [score()]}, measures=("exact_match",), reference=published)
    assert [column.name for column in table.columns[2:]] == ["Exact match"]


def test_a_notice_stands_at_the_top_before_the_first_number():
    html = page_of(notices=[Notice("never trained", "warning")], tiles=[tile(score())])
    assert html.index("never trained") < html.index('class="tiles"')
