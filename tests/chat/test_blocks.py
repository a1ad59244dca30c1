"""A growing answer: however it is cut into deltas, and whenever a reader looks, the end is the same."""

from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chat.blocks import LONG, BlockStream
from chat.markdown import code_block, render
from tests.chat.growing_page import GrowingPage, plain, read

LINES = st.sampled_from(
    (
        *("", "para **bold**", "- item", "  - nested", "1. one", "# Head", "> quote", "- [x] done"),
        *("```python", "x = 1  # <b>", "```", "~~~", "    code", "\ttab", "<div>", "===", "---"),
        *("| a | b |", "|---|---|", "| 1 | 2 |", "[r]: https://a.example", "see [r]"),
        *(200 * "long ", "a\u2028b", "\x1b[1mbold\x1b[0m"),
        *("$$", "\\[", "\\]", "\\frac{a}{b}", "costs $5, $x^2$ \\(y", "a[^1] b[^no]", "[^1]: note", "    more"),
    )
)
TEXTS = st.lists(LINES, max_size=25).map("\n".join)


def grow(text: str, cuts: list[int], breaks: frozenset[int] = frozenset()) -> tuple[BlockStream, GrowingPage]:
    """Have a text come in such pieces, and be looked at after each; after some of them the connection breaks."""
    blocks, page, at = BlockStream(), GrowingPage(), 0
    for number, size in enumerate(cuts):
        blocks.append(text[at : at + size])
        at += size
        page.look(blocks)
        if number in breaks:
            page.rejoin(blocks)
    blocks.append(text[at:])
    page.look(blocks)
    blocks.finish()
    page.settle(blocks)
    return blocks, page


@pytest.mark.parametrize("long", [LONG, 30])
@settings(max_examples=200)
@given(TEXTS, st.lists(st.integers(0, 60), max_size=40), st.frozensets(st.integers(0, 40), max_size=3))
@example("a\n\n- b\n\n[r]\n\n[r]: https://a.example", [3, 5], frozenset())
@example("| a | b |\n|---|---|\n| 1 | 2 |\n\n| 1 | 2 |", [31, 5], frozenset())
@example("\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n> quote", [38, 5], frozenset({1}))
@example("```" + 40 * "long " + "\nx = 1\n```", [60, 60, 60], frozenset({0}))
def test_any_chunking_ends_as_the_whole_text_rendered_at_once(
    long: int, text: str, cuts: list[int], breaks: frozenset[int]
) -> None:
    with patch("chat.blocks.LONG", long), patch("chat.growing.PART", long):
        blocks, page = grow(text, cuts, breaks)
        for number, html in blocks.corrections():
            page.chunks[number] = read(html)
    assert page.html == plain(render(text))
    assert page.opened.html() == ""
    assert "".join(blocks.closed).strip() == render(text).strip()


def test_closed_blocks_are_sent_once() -> None:
    blocks, page = grow("one\n\ntwo\n\nthree\n\nfour", [6, 6, 8])
    assert blocks.closed == ["<p>one</p>\n", "<p>two</p>\n", "<p>three</p>\n", "<p>four</p>\n"]
    assert [chunk.html() for chunk in page.chunks.values()] == blocks.closed


def test_a_reader_that_comes_late_gets_all_there_is() -> None:
    blocks, page = BlockStream(), GrowingPage()
    blocks.append("one\n\ntwo\n\nthr")
    page.look(blocks)
    assert page.html == "<p>one</p>\n<p>two</p>"
    assert page.opened.html() == "<p>thr</p>\n"


def test_a_code_block_closes_with_its_fence_and_not_with_the_next_block() -> None:
    blocks = BlockStream()
    blocks.append("```python\nx = 1\n```\n")
    blocks.advance()
    assert blocks.closed == [code_block("x = 1\n", "python")]
    assert blocks.open_html() == ""


LINE = "value = compute(1)  # <comment> & more\n"
ROW = "| 1 | **two** | `three` |\n"


def test_a_long_code_block_grows_in_its_place_and_is_highlighted_part_by_part() -> None:
    blocks, page = BlockStream(), GrowingPage()
    blocks.append("```python\n")
    count = 10 * LONG // len(LINE)
    for _ in range(count):
        blocks.append(LINE)
        page.look(blocks)
    whole = LINE * count
    assert blocks.closed == []
    assert page.html == plain(code_block(whole, "python", highlighted=False))
    assert blocks.open_html().count('class="lines"') == page.html.count("lines") + 10
    before = page.sent
    blocks.append("```\nafter")
    page.look(blocks)
    # The end brings nothing of the block but what follows it.
    assert page.sent - before == len(blocks.open_html())
    most = 0
    while page.look(blocks):
        most = max(most, page.brought)
    assert 0 < most < 1_000
    assert blocks.closed == [code_block(whole, "python")]
    assert page.html == plain(code_block(whole, "python"))


def test_a_long_table_grows_row_by_row_and_its_end_brings_nothing() -> None:
    blocks, page = BlockStream(), GrowingPage()
    head = "| a | b | c |\n|---|---|---|\n"
    blocks.append(head)
    count, most, late = 10 * LONG // len(ROW), 0, 0
    for number in range(count):
        blocks.append(ROW)
        page.look(blocks)
        most = max(most, page.brought)
        if number > 2 * LONG // len(ROW):
            late = max(late, page.brought)
    # Before it was long it was sent whole, again and again; then each row once: a row, three cells and what is in them.
    assert most > 500
    assert late == 6
    before = page.sent
    blocks.append("\nAfter it.\n\nThe end.")
    page.look(blocks)
    assert page.sent - before < 100
    page.settle(blocks)
    assert blocks.closed == [render(head + count * ROW), "<p>After it.</p>\n"]
    assert page.html == plain("".join(blocks.closed))


def test_code_that_is_not_highlighted_is_sent_once() -> None:
    for language in ("", "nonsense"):
        blocks, page = BlockStream(), GrowingPage()
        blocks.append(f"```{language}\n")
        for _ in range(2 * LONG // len(LINE)):
            blocks.append(LINE)
            page.look(blocks)
        before = page.sent
        blocks.append("```\n")
        page.settle(blocks)
        assert page.sent == before


def test_a_page_that_joins_again_has_no_block_twice_and_none_in_part() -> None:
    text = f"one\n\n```python\n{LINE * 300}```\n\ntwo\n\n| a | b | c |\n|---|---|---|\n{ROW * 300}\nthree\n"
    step = 400
    for place in range(0, len(text) // step, 3):
        blocks, page = grow(text, [step] * (len(text) // step), frozenset({place, place + 1}))
        assert page.html == plain(render(text)), place
        assert not blocks.lags(page.position)
        assert blocks.settled(page.position) == len(blocks.closed)


def test_a_long_open_block_is_parsed_again_only_now_and_then() -> None:
    blocks = BlockStream()
    blocks.append("word " * 2000)
    blocks.advance()
    versions = set()
    for _ in range(400):
        blocks.append("word ")
        blocks.advance()
        versions.add(blocks.position.epoch)
    # 2,000 characters more are less than a quarter of 10,000: not once.
    assert len(versions) == 1


def test_a_setext_heading_and_a_loose_list_are_put_right_at_the_end() -> None:
    text = "- a\n- b\n\nText [x][r].\n\n[r]: https://a.example\n"
    blocks, page = grow(text, [4, 4, 8, 8])
    corrections = blocks.corrections()
    assert [number for number, _ in corrections] == [1]
    assert 'href="https://a.example"' in corrections[0][1]
    assert "[x][r]" in page.chunks[1].html()


def test_an_answer_whose_end_reveals_nothing_needs_no_correction_wherever_its_deltas_end() -> None:
    text = "".join(f"```\ncode {number}\n```\n\nText {number}.\n\n    indented {number}\n\n" for number in range(5))
    for size in (1, 2, 3, 5, 8, 13, 40):
        stream = BlockStream()
        for at in range(0, len(text), size):
            stream.append(text[at : at + size])
            stream.advance()
        stream.finish()
        assert stream.corrections() == [], size
        assert "".join(stream.closed) == render(text)
