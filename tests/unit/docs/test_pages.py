"""The pages of the documentation can be found, lead on to what is there, and are easy to read."""

from pathlib import Path

import pytest

from tests.support.pages import ROOT, START, anchors, lines, links, pages, reachable, sentences, words

LONGEST_LINE = 120
LONGEST_SENTENCE = 40
"""In words; names in backticks are none."""

each_page = pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))


def test_every_page_is_reached_from_the_readme() -> None:
    reached = reachable()
    assert [str(page.relative_to(ROOT)) for page in pages() if page not in reached] == []


@each_page
def test_a_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    dead = [
        written
        for written, target, heading in links(page)
        if not target.exists() or (heading and target.suffix == ".md" and heading not in anchors(target))
    ]
    assert dead == []


@each_page
def test_no_line_is_too_long(page: Path) -> None:
    """But rows of tables, which can't be parted, and what stands in blocks of code."""
    found = lines(page.read_text())
    assert [it.number for it in found if not it.code and not it.table and len(it.text) > LONGEST_LINE] == []


@each_page
def test_no_sentence_is_too_long(page: Path) -> None:
    assert [it for it in sentences(page.read_text()) if words(it) > LONGEST_SENTENCE] == []


def test_sentences_are_told_apart() -> None:
    text = (
        "# Head\n\nOne: two. Three\nfour!\n\n- five `a. b` six\n\n| a cell | another. And |\n\n```\ncode. Code\n```\n"
    )
    assert list(sentences(text)) == ["One: two.", "Three four!", "five `` six", "a cell", "another.", "And"]
    assert [words(it) for it in ("five `` six", "it's [two words](docs/two_words.md)")] == [2, 3]


def test_the_readme_is_where_readers_begin() -> None:
    assert START in pages()
