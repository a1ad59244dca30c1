"""Hostile and ordinary Markdown: what comes out is safe, and reads as it should."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.markdown import clean_text, render

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><a xlink:href='javascript:alert(1)'>x</a></svg>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x)",
    "<javascript:alert(1)>",
    "![x](http://evil.example/pixel.png)",
    "![x](https://evil.example/p.png 'onload=alert(1)')",
    '<div hx-get="/evil" hx-trigger="load">x</div>',
    '<hx-partial hx-target="#main">x</hx-partial>',
    '<template hx type="partial" hx-target="#main">x</template>',
    '[x](https://a.example"onmouseover="alert(1))',
    '```"><img src=x onerror=alert(1)>\ncode\n```',
    "<iframe src=//evil.example></iframe>",
    "<style>@import url(//evil.example)</style>",
    "<base href=//evil.example>",
    "<form action=//evil.example><button>x</button></form>",
    "| a |\n|---|\n| <b onclick=alert(1)>x</b> |",
    "[ref]: javascript:alert(1)\n\n[ref]",
    '<https://evil.example/"onclick=alert(1)>',
]

TAGS = set(
    "p br hr h1 h2 h3 h4 h5 h6 strong em s a code pre span div blockquote ul ol li "
    "table thead tbody tr th td button sup math mrow mi mn mo mtext mspace mfrac msqrt mroot msub msup msubsup munder "
    "mover munderover mmultiscripts mprescripts mtable mtr mtd mpadded mphantom mstyle".split()
)
ATTRIBUTES = set(
    "href rel target title class start tabindex type data-copy data-text aria-pressed role aria-label display data-tex "
    "mathvariant form fence stretchy symmetric minsize maxsize lspace rspace movablelimits width height depth "
    "linethickness accent accentunder displaystyle scriptlevel".split()
)
TAG = re.compile(r"<([a-zA-Z][^\s/>]*)([^>]*)>")


@pytest.mark.parametrize("source", HOSTILE)
def test_a_hostile_answer_gives_no_script_no_handler_and_no_request(source: str) -> None:
    html = render(source)
    for name, attributes in TAG.findall(html):
        assert name in TAGS
        assert not re.search(r"\s(on\w+|(data-)?hx-[\w:-]+|style|src|srcset|id|name|action)\s*=", attributes), html
        assert not re.search(r'href="\s*(javascript|data|vbscript)', attributes, re.IGNORECASE)


@given(st.text(max_size=300))
def test_any_text_gives_only_known_tags_and_attributes(source: str) -> None:
    html = render(source)
    for name, attributes in TAG.findall(html):
        assert name in TAGS
        for attribute in re.findall(r"\s([\w-]+)=", re.sub(r'"[^"]*"', '""', attributes)):
            assert attribute in ATTRIBUTES


def test_links_open_in_a_tab_of_their_own_without_a_referrer() -> None:
    assert render("[a](https://a.example)") == (
        '<p><a href="https://a.example" target="_blank" rel="noopener noreferrer nofollow">a</a></p>\n'
    )


def test_an_image_becomes_a_link_so_that_its_host_learns_nothing() -> None:
    html = render("![a cat](https://a.example/cat.png)")
    assert "<img" not in html
    assert '<a href="https://a.example/cat.png"' in html
    assert ">a cat</a>" in html


def test_code_is_highlighted_by_classes_and_names_its_language() -> None:
    html = render("```python\ndef f(): ...\n```")
    assert '<span class="code-language">python</span>' in html
    assert '<span class="k">def</span>' in html
    assert "style=" not in html


def test_an_unknown_language_is_shown_plain() -> None:
    assert "<code>x &lt; y\n</code>" in render("```nosuchlanguage\nx < y\n```")


def test_a_table_keeps_its_alignment_as_classes() -> None:
    html = render("| a | b |\n|:--|--:|\n| 1 | 2 |")
    assert '<th class="align-left">a</th>' in html
    assert '<td class="align-right">2</td>' in html


def test_a_cell_of_a_table_may_break_its_line() -> None:
    assert "<td>one<br" in render("| a |\n|---|\n| one<br>two<BR/> |")
    assert "&lt;br&gt;" in render("`<br>` and <br onclick=alert(1)>")
    assert "&lt;br onclick" in render("<br onclick=alert(1)>")


def test_a_task_list_shows_signs_that_can_be_read_out() -> None:
    html = render("- [ ] open\n- [x] done")
    assert "☐" in html
    assert "☑" in html
    assert "<input" not in html


def test_terminal_escapes_control_characters_and_direction_overrides_are_removed() -> None:
    hostile = "\x1b[31mred\x1b[0m \x07\u202eevil\u202c \u2066x\u2069 \x1b]8;;http://x\x07link"
    assert clean_text(hostile) == "red evil x link"


def test_emoji_joined_by_zero_width_joiners_stay_whole() -> None:
    assert clean_text("👩🏽‍🚀") == "👩🏽‍🚀"


@pytest.mark.parametrize(
    "source",
    [
        "> " * 10_000 + "x",
        ">" * 10_000 + "x",
        "[" * 20_000,
        "*a " * 10_000,
        "- " * 5_000 + "x",
        "`" * 20_000,
        "|" * 5_000 + "\n" + "|-" * 5_000,
    ],
)
def test_text_made_to_be_slow_or_deep_is_rendered_all_the_same(source: str) -> None:
    began = time.process_time()
    render(source)
    # Not a measurement: a quadratic parser needs minutes for these.
    assert time.process_time() - began < 20


def test_what_is_nested_too_deep_is_text_and_nothing_after_it_is_lost() -> None:
    levels = "\n".join("  " * depth + f"- level {depth}" for depth in range(40))
    for text in (levels, "> " * 400 + "level 39", "- x\n  > " * 30 + "level 39", "1. a\n   - " * 30 + "level 39"):
        html = render(f"{text}\n\nAfter.\n")
        assert "level 39" in html
        assert html.endswith("<p>After.</p>\n")


def test_a_long_title_or_address_is_not_repeated_by_every_link_that_uses_it() -> None:
    for definition in ('http://a/ "' + "t" * 9_000 + '"', "http://a/" + "b" * 9_000):
        text = f"[a]: {definition}\n\n" + "[a] ![a] " * 1_000
        assert len(render(text)) < 30 * len(text)
