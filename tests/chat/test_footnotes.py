"""Footnotes: numbered as they are referred to, with ids of their message, and nothing moves when an answer ends."""

import re

import pytest

from chat.blocks import BlockStream
from chat.markdown import render

TEXT = """One[^1] and two[^note] and one again[^1].

[^1]: The first.
[^note]: The *second*
    goes on.

    A paragraph.

After.
"""


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html)).strip()


def test_references_and_notes_lead_to_each_other() -> None:
    html = render(TEXT, "m7-body")
    assert re.findall(r'class="noteref" id="([^"]+)"', html) == ["m7-body-fnref-1", "m7-body-fnref-2"]
    assert re.findall(r'class="note" id="([^"]+)"', html) == ["m7-body-fn-1", "m7-body-fn-2"]
    assert re.findall(r'class="noteref"[^>]*href="([^"]+)"', html) == [
        "#m7-body-fn-1",
        "#m7-body-fn-2",
        "#m7-body-fn-1",
    ]
    assert 'role="doc-backlink" aria-label="Back to footnote 2 in the text"' in html
    assert plain(html) == "One1 and two2 and one again1. 1 The first. 2 The second goes on. A paragraph. After."


def test_two_messages_share_no_id() -> None:
    ids = [set(re.findall(r'\sid="([^"]+)"', render(TEXT, prefix))) for prefix in ("m1-body", "m2-body")]
    assert all(ids)
    assert not ids[0] & ids[1]
    assert " id=" not in render(TEXT)


@pytest.mark.parametrize(
    "text",
    [
        "A class [^a-z] of signs",
        "No note[^nowhere] here",
        "`[^1]` is code",
        "[^ ]: nothing",
        "[^1](https://a.example)",
        "[[^1]](https://a.example)",
    ],
)
def test_what_only_looks_like_a_reference_stays_text(text: str) -> None:
    assert "noteref" not in render(text, "m1")


def test_a_note_that_nothing_refers_to_is_not_lost() -> None:
    html = render("Text.\n\n[^x]: Alone.", "m1")
    assert "Alone." in html
    assert 'id="m1-fn-1"' in html


def test_a_note_defined_twice_has_one_id() -> None:
    html = render("a[^1]\n\n[^1]: One.\n\n[^1]: Two.", "m1")
    assert html.count('id="m1-fn-1"') == 1
    assert "Two." in html


def test_no_text_makes_an_id() -> None:
    hostile = '<a class="noteref" data-note="1">x</a> <div class="note" data-note="2">y</div> <b id="log">z</b>'
    assert " id=" not in re.sub(r"&[a-z]+;[^<]*", "", render(hostile, "m1"))
    assert "data-note" not in re.sub(r"&lt;.*?&gt;", "", render(hostile, "m1"))


def test_notes_in_notes_without_end_are_text_at_last() -> None:
    html = render("".join(f"[^{number}]: " for number in range(2_000)) + "x", "m1")
    assert html.count('class="note"') <= 20
    assert render("[^1]" * 20_000, "m1")


@pytest.mark.parametrize("size", [1, 2, 5, 13, 60])
def test_notes_that_come_in_pieces_need_no_correction(size: int) -> None:
    blocks = BlockStream("m1")
    for at in range(0, len(TEXT), size):
        blocks.append(TEXT[at : at + size])
        blocks.advance()
        blocks.open_html()
    blocks.finish()
    assert blocks.corrections() == []
    assert "".join(blocks.closed) == render(TEXT, "m1")


def test_a_reference_is_one_before_its_note_has_come() -> None:
    blocks = BlockStream("m1")
    blocks.append("See there[^1] and")
    blocks.advance()
    assert 'href="#m1-fn-1"' in blocks.open_html()


def test_a_reference_whose_note_never_comes_is_text_in_the_end() -> None:
    blocks = BlockStream("m1")
    blocks.append("See there[^1].\n\nEnd[^2].\n\n[^2]: Here.\n")
    blocks.advance()
    blocks.finish()
    fixed = dict(blocks.corrections())
    assert "See there[^1]." in fixed[0]
    # The one that is left is the first now.
    assert 'href="#m1-fn-1"' in blocks.closed[0] + fixed[0]
    assert 'id="m1-fn-1"' in fixed[1]


def test_what_is_not_certain_yet_takes_no_number() -> None:
    blocks = BlockStream("m1")
    # Until the second tick comes, the first reference is not seen to be code.
    for piece in ("Code `[^9]", "` and a note[^1].\n\n", "[^1]: Here.\n\n[^9]: There.\n"):
        blocks.append(piece)
        blocks.advance()
        blocks.open_html()
    blocks.finish()
    assert blocks.corrections() == []
    assert re.findall(r'class="noteref"[^>]*>(\d+)<', "".join(blocks.closed)) == ["1"]
