"""A growing answer: however it is cut into deltas, and whenever a reader looks, the end is the same."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from chat.blocks import LONG, BlockStream, Position
from chat.markdown import code_block, render

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


class Page:
    """What a reader's page shows: chunks and the open block, changed only as it is told."""

    def __init__(self) -> None:
        self.chunks: list[str] = []
        self.open = ""
        self.position = Position()

    def look(self, blocks: BlockStream) -> None:
        blocks.advance()
        closed, last = blocks.since(self.position)
        self.chunks += closed
        if last is not None and last.html is not None:
            self.open = last.html
        elif last is not None:
            end = "</code>" if last.target == "code" else "</div>"
            head, found, tail = self.open.rpartition(end)
            escaped = last.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            assert found
            self.open = head + escaped + end + tail
        self.position = blocks.position


def grow(text: str, cuts: list[int]) -> tuple[BlockStream, Page]:
    blocks, page, at = BlockStream(), Page(), 0
    for size in cuts:
        blocks.append(text[at : at + size])
        at += size
        page.look(blocks)
    blocks.append(text[at:])
    page.look(blocks)
    blocks.finish()
    page.look(blocks)
    return blocks, page


@settings(max_examples=200)
@given(TEXTS, st.lists(st.integers(0, 60), max_size=40))
@example("a\n\n- b\n\n[r]\n\n[r]: https://a.example", [3, 5])
def test_any_chunking_ends_as_the_whole_text_rendered_at_once(text: str, cuts: list[int]) -> None:
    blocks, page = grow(text, cuts)
    for number, html in blocks.corrections():
        page.chunks[number] = html
    assert "".join(page.chunks).strip() == render(text).strip()
    assert page.open == ""


def test_closed_blocks_are_sent_once() -> None:
    _, page = grow("one\n\ntwo\n\nthree\n\nfour", [6, 6, 8])
    assert page.chunks == ["<p>one</p>\n", "<p>two</p>\n", "<p>three</p>\n", "<p>four</p>\n"]


def test_a_reader_that_comes_late_gets_all_there_is() -> None:
    blocks = BlockStream()
    blocks.append("one\n\ntwo\n\nthr")
    blocks.advance()
    closed, last = blocks.since(Position())
    assert closed == ["<p>one</p>\n<p>two</p>\n"]
    assert last is not None
    assert last.html == "<p>thr</p>\n"


def test_a_code_block_closes_with_its_fence_and_not_with_the_next_block() -> None:
    blocks = BlockStream()
    blocks.append("```python\nx = 1\n```\n")
    blocks.advance()
    assert blocks.closed == [code_block("x = 1\n", "python")]
    assert blocks.open_html() == ""


def test_a_long_code_block_grows_by_appended_text_and_is_highlighted_at_its_end() -> None:
    blocks, page = BlockStream(), Page()
    line = "value = compute(1)  # <comment> & more\n"
    blocks.append("```python\n")
    kinds = set()
    for _ in range(10 * LONG // len(line)):
        blocks.append(line)
        blocks.advance()
        _, last = blocks.since(page.position)
        kinds.add("html" if last and last.html is not None else "text")
        page.look(blocks)
    assert kinds == {"html", "text"}
    whole = line * (10 * LONG // len(line))
    assert page.open == code_block(whole, "python", highlighted=False)
    assert blocks.open_html() == page.open
    blocks.append("```\nafter")
    page.look(blocks)
    assert page.chunks == [code_block(whole, "python")]


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
    assert "[x][r]" in page.chunks[1]


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
