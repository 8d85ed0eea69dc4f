"""The page: everything is escaped, nothing is fetched, the same page gives the same bytes."""

from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from vesalius.core import Box, Score
from vesalius.reporting import Page, Section, Table, Text, figures, render, scores_markdown
from vesalius.reporting.measures import measure

ACTIVE = {"script", "iframe", "object", "embed", "form", "link", "base", "audio", "video"}


class Elements(HTMLParser):
    """Collects the elements of a page with their attributes, and its text."""

    def __init__(self, html):
        super().__init__()
        self.found, self.words = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def html(page):
    return render(page)


@pytest.fixture(scope="module")
def parsed(html):
    return Elements(html)


def test_hostile_strings_become_text_and_no_element(parsed):
    assert not {tag for tag, _ in parsed.found} & ACTIVE
    for tag, attributes in parsed.found:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href"):
            target = attributes.get(name, "")
            assert target.startswith(("data:image/", "#")) or not target, (tag, target)
    assert "<script>alert(1)</script>" in "".join(parsed.words)


def test_the_policy_forbids_everything_but_its_own_style_and_pictures(parsed):
    policies = [a["content"] for t, a in parsed.found if a.get("http-equiv")]
    assert len(policies) == 1
    rules = dict(rule.strip().partition(" ")[::2] for rule in policies[0].split(";") if rule)
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "unsafe-eval" not in policies[0]
    assert "script-src" not in rules


def test_every_picture_is_described_and_can_be_seen(parsed):
    pictures = [a for t, a in parsed.found if t == "img"]
    assert len(pictures) > 10
    assert all(a.get("alt") for a in pictures)


def test_headings_go_down_one_step_at_a_time(parsed):
    levels = [int(tag[1]) for tag, _ in parsed.found if tag in ("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def test_contents_lead_to_sections_that_are_there(parsed):
    ids = [a["id"] for _, a in parsed.found if "id" in a]
    assert len(ids) == len(set(ids))
    links = [a["href"][1:] for t, a in parsed.found if t == "a" and a.get("href")]
    assert links
    assert set(links) <= set(ids)


def test_the_same_page_gives_the_same_bytes(page, html):
    assert render(page) == html
    assert len(html.encode()) < 4e6


def test_a_number_that_cannot_be_had_is_a_dash_and_its_reason():
    score = Score("auroc", np.nan, n=3, note="one class only")
    table = Table(("What", "Score"), [("macro", score)])
    html = render(Page("t", "s", "q?", "a", sections=[Section("S", blocks=[table])]))
    assert "one class only" in html
    assert "nan" not in Elements(html).words


def test_a_page_of_nothing_is_still_a_page():
    parsed = Elements(render(Page("t", "s", "Is there anything?", "No.")))
    assert "Is there anything?" in "".join(parsed.words)


def test_control_characters_do_not_reach_the_file():
    blocks = [Text("a\x00\x1b[31mb\ud800")]
    html = render(Page("t", "s", "q?", "a", sections=[Section("S", blocks=blocks)]))
    html.encode("utf-8")
    assert "\x00" not in html
    assert "\x1b" not in html


def test_markdown_has_a_row_a_method_and_escapes_pipes():
    scores = {"a|b": [Score("macro_auroc", 0.8123, 0.7, 0.9, n=10)]}
    text = scores_markdown(scores)
    row = next(line for line in text.splitlines() if "0.812" in line)
    assert "[0.700, 0.900]" in row
    assert row.replace("\\|", "").count("|") == text.splitlines()[0].count("|")


@pytest.mark.parametrize("name", ["macro_auroc", "coverage_error", "image_to_text_r@10", "ratio"])
def test_measures_have_titles_and_say_which_way_is_better(name):
    assert measure(name).title != name


def test_a_measure_without_a_card_goes_by_its_name():
    assert measure("my_own_measure").title


@pytest.mark.parametrize("shape", [(40, 60), (60, 40, 3)])
def test_films_and_colour_images_become_pictures_with_boxes(shape):
    grey = np.full(shape, 90, np.uint8)
    plain = np.asarray(Image.open(BytesIO(figures.picture(grey, side=120))))
    boxed = figures.picture(grey, boxes=[Box("x", 10, 10, 20, 15)], side=120)
    boxed = np.asarray(Image.open(BytesIO(boxed)).convert("RGB")).astype(int)
    assert max(boxed.shape[:2]) == 120
    assert (plain == 90).all()
    changed = np.argwhere((boxed != 90).any(-1))
    assert changed.min(0) == pytest.approx([20, 20], abs=3)
    assert changed.max(0) == pytest.approx([50, 60], abs=3)
