"""Formulas in Markdown: found where they are, and nowhere else; made into MathML that is safe; also while they come."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.blocks import BlockStream
from chat.formula.mathml import LONGEST, mathml
from chat.markdown import render


def inner(tex: str, *, display: bool = False) -> str:
    """The MathML of a formula without the element around it."""
    return re.sub(r"^<math[^>]*>|</math>$", "", mathml(tex, display=display))


def shown(tex: str) -> str:
    """The signs of a formula."""
    return re.sub(r"<[^>]*>", "", inner(tex))


def sources(text: str) -> list[str]:
    """The formulas that are found in a text."""
    return re.findall(r'data-tex="([^"]*)"', render(text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The roots of $ax^2 + bx$ and $y$.", ["ax^2 + bx", "y"]),
        (r"Inline \(x_1\) and \(\alpha\)", ["x_1", r"\alpha"]),
        ("$$x = 1$$", ["x = 1"]),
        ("$$\nx = 1\n$$", ["x = 1"]),
        (r"so \[x = 1\] holds", ["x = 1"]),
        ("so\n\\[\nx\n\\]\nholds", ["x"]),
        ("- a\n  $$\n  x\n  $$\n- b $y$", ["x", "y"]),
        ("> $$x$$\n> and $y$", ["x", "y"]),
        ("| $a$ | b |\n|---|---|\n| \\(x\\) | 1 |", ["a", "x"]),
        ("\\begin{align}\na &= b\n\\end{align}", ["\\begin{align}\na &amp;= b\n\\end{align}"]),
        ("**$x$** and ($y$), $z$-axis", ["x", "y", "z"]),
        (r"$P(\text{two words})$", [r"P(\text{two words})"]),
        (r"$\$5 + x$", [r"\$5 + x"]),
        ("设$x$为实数，\\(y\\)也是", ["x", "y"]),
        ("```math\nx^2\n```", ["x^2"]),
        ("$$\n\\frac{a}{b}\n\n+ c\n$$", ["\\frac{a}{b}\n\n+ c"]),
    ],
)
def test_a_formula_is_found_in_each_way_of_writing_it(text: str, found: list[str]) -> None:
    assert sources(text) == found
    assert "$$" not in render(text)


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $10, or $3-$4.",
        "US$5, A$6 and 7$ or $ 8 $",
        "from $5 to 10$ each",
        "I have $3, you have $4, so we have $7.",
        "**$5** against *$6*",
        "$HOME/$USER and $PATH:$HOME",
        "$MY_VAR is set, $OTHER_VAR is not",
        r"\$5 and \$6",
        "`$x$` and ``\\(y\\)``",
        "```\n$$x$$\n```",
        "    $$x$$",
        r"see \[1\] and \[citation needed\] and \(by the way\)",
        r"double \\(x\\)",
        r"the item\(s\)",
        "$$",
        "$$\n\n$$",
        "$$\nnothing ends this\n\nmore",
        "$a `b$` c",
        "\\begin{verse}\nx\n\\end{verse}",
    ],
)
def test_money_variables_code_and_escaped_brackets_are_no_formulas(text: str) -> None:
    assert "<math" not in render(text)
    assert "nothing" not in text or "nothing ends this" in render(text)


@pytest.mark.parametrize(
    ("tex", "html"),
    [
        ("x^2", "<msup><mi>x</mi><mn>2</mn></msup>"),
        ("x_i^2", "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>"),
        ("x'", '<msup><mi>x</mi><mo lspace="0" rspace="0">′</mo></msup>'),
        (r"\frac12", "<mfrac><mn>1</mn><mn>2</mn></mfrac>"),
        (r"a \over b", "<mfrac><mi>a</mi><mi>b</mi></mfrac>"),
        (r"\sqrt[3]{x}", "<mroot><mi>x</mi><mn>3</mn></mroot>"),
        (r"\mathbb{R}", "<mi>ℝ</mi>"),
        (r"\mathbf{v}", "<mi>𝐯</mi>"),
        (r"\mathrm{kg}", "<mi>kg</mi>"),
        (r"\Gamma", '<mi mathvariant="normal">Γ</mi>'),
        (r"\text{if } x", "<mtext>if\u00a0</mtext><mi>x</mi>"),
        (
            r"\substack{a\\b}",
            '<mtable class="tex-small"><mtr><mtd><mi>a</mi></mtd></mtr><mtr><mtd><mi>b</mi></mtd></mtr></mtable>',
        ),
    ],
)
def test_tex_becomes_mathml(tex: str, html: str) -> None:
    assert inner(tex) == html


def test_a_minus_is_a_sign_before_a_number_and_an_operator_between_two() -> None:
    assert '<mo form="prefix" lspace="0" rspace="0">−</mo><mn>1</mn>' in inner("x = -1")
    assert '<mo form="infix">−</mo>' in inner("x - 1")


def test_limits_stand_above_and_below_in_a_formula_of_its_own_line_as_the_browser_decides() -> None:
    assert inner(r"\sum_{i}^n").startswith('<munderover><mo movablelimits="true"')
    assert inner(r"\lim_{x}").startswith('<munder><mo movablelimits="true"')
    assert inner(r"\int_0^1").startswith("<msubsup>")
    assert inner(r"\int\limits_0^1").startswith("<munderover>")


def test_environments_align_their_columns_and_keep_their_brackets() -> None:
    cases = inner(r"\begin{cases} a & b \\ c & d \end{cases}")
    assert 'form="prefix">{</mo><mtable class="tex-cases">' in cases
    assert cases.count("<mtr>") == 2
    aligned = inner(r"\begin{aligned} a &= b \\ &= c \end{aligned}")
    assert '<mtd class="tex-r"><mi>a</mi></mtd><mtd class="tex-l"><mo form="infix">=</mo>' in aligned
    array = inner(r"\begin{array}{c|c} a & b \\ \hline c & d \end{array}")
    assert array.count("tex-end") == 2
    assert array.count("tex-top") == 2
    assert "(1)" in inner(r"x = 1 \tag{1}")


def test_chemistry_is_read() -> None:
    assert shown(r"\ce{2H2 + O2 -> 2H2O}").replace("\u00a0", "") == "2H2+O2→2H2O"
    assert "<msubsup>" in inner(r"\ce{SO4^2-}")
    assert shown(r"\ce{Na+}") == "Na+"


def test_a_formula_may_define_its_own_macros_and_they_end_with_it() -> None:
    assert shown(r"\newcommand{\half}[1]{\frac{#1}{2}}\half{x}") == "x2"
    assert "tex-unknown" in inner(r"\half{x}")
    assert shown(r"\abs{x}") == "|x|"


def test_what_is_not_known_is_shown_as_it_was_written_and_the_rest_goes_on() -> None:
    html = inner(r"a + \nosuchthing{b} + c")
    assert r'<mtext class="tex-unknown">\nosuchthing</mtext>' in html
    assert html.endswith("<mi>c</mi>")


@pytest.mark.parametrize(
    "tex", [r"\frac{1}{", r"\left( \frac{a}{b}", r"\begin{aligned} a &= b", "x^", r"\sqrt[", "{", "}", r"\text{a", "\\"]
)
def test_a_formula_that_is_not_complete_is_shown_as_far_as_it_goes(tex: str) -> None:
    assert mathml(tex, display=True).endswith("</math>")


HOSTILE = [
    r"\href{javascript:alert(1)}{x}",
    r"\url{javascript:alert(1)}",
    r"\text{<script>alert(1)</script>}",
    r"\style{background:url(//evil)}{x}",
    r"\class{danger}{x}",
    r"\color{red;background:url(//evil)}{x}",
    r"\includegraphics{http://evil/x.png}",
    r"\unicode{<img src=x onerror=alert(1)>}",
    r'x" onmouseover="alert(1)',
    r"<maction actiontype='statusline#http://evil'>x</maction>",
    r"\begin{<img src=x>}x\end{<img src=x>}",
    r"\mathrm{</math><img src=x onerror=alert(1)>}",
]


@pytest.mark.parametrize("tex", HOSTILE)
def test_a_hostile_formula_gives_no_link_no_handler_and_no_request(tex: str) -> None:
    html = render(f"$${tex}$$")
    for name, attributes in re.findall(r"<([a-zA-Z][^\s/>]*)([^>]*)>", html):
        bare = re.sub(r'"[^"]*"', '""', attributes)
        assert name not in {"a", "img", "script", "maction", "annotation-xml", "style", "svg"}, html
        assert not re.search(r"\s(on\w+|style|src|href|xlink:href|actiontype)=", bare), html


PIECES = [*"\\{}^_&$[]()' ab12+-=|%#~\n", "\\frac", "\\left", "\\begin{cases}", "\\\\", "\\text"]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
@settings(max_examples=150)
def test_any_formula_is_one_well_formed_element(tex: str) -> None:
    html = mathml(tex, display=True)
    depth = 0
    for closing in re.findall(r"<(/?)[a-z]+[^>]*>", html):
        depth += -1 if closing else 1
        assert depth >= 0
    assert depth == 0
    assert html.startswith("<math")


@pytest.mark.parametrize(
    "tex",
    [
        "{" * 5_000,
        r"\sqrt" * 1_500,
        r"\left(" * 1_300,
        "x^" * 3_000,
        r"\text{$" * 1_000,
        r"\begin{matrix}" * 500,
        "&" * 7_000,
        r"\def\a{\a\a}\a",
        r"\newcommand{\b}[1]{#1#1#1#1}" + r"\b{" * 20 + "x" * 100 + "}" * 20,
        "x" * (LONGEST + 1),
    ],
)
def test_a_formula_made_to_be_slow_deep_or_endless_is_shown_all_the_same(tex: str) -> None:
    began = time.process_time()
    html = mathml(tex, display=True)
    # Not a measurement: what is meant takes minutes, or never ends.
    assert time.process_time() - began < 10
    assert len(html) < 60 * LONGEST


def test_many_dollar_signs_cost_no_more_than_their_number() -> None:
    began = time.process_time()
    for text in (
        "$" * 20_000,
        "$a" * 10_000,
        "\\(" * 10_000,
        "\\[ " * 7_000,
        "$$\n" * 5_000,
        "\\begin{align}\n" * 2_000,
    ):
        render(text)
    assert time.process_time() - began < 20


def grown(text: str, size: int) -> tuple[list[str], BlockStream]:
    """What stood open after each delta of that size, and the stream at its end."""
    blocks, seen = BlockStream("m1"), []
    for at in range(0, len(text), size):
        blocks.append(text[at : at + size])
        blocks.advance()
        seen.append(blocks.open_html())
    blocks.finish()
    return seen, blocks


TEXT = """The roots of $ax^2$ cost $5 or \\(x_1\\). We have:
\\[
\\begin{aligned}
x &= \\frac{-b \\pm \\sqrt{b^2-4ac}}{2a} \\\\
  &= 1
\\end{aligned}
\\]
So it is:

$$
\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt\\pi}{2}
$$

- one $a_1$
- two

  $$x^2$$

| $a$ | b |
|---|---|
| 1 | \\(x\\) |
"""


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_formulas_that_come_in_pieces_need_no_correction(size: int) -> None:
    _, blocks = grown(TEXT, size)
    assert blocks.corrections() == []
    assert "".join(blocks.closed) == render(TEXT, "m1")


def test_a_formula_on_its_own_line_is_a_formula_from_its_first_sign_on() -> None:
    seen, _ = grown("$$\n\\frac{a}{b} + \\sqrt{c}\n$$\n", 1)
    # After the two dollar signs nothing is ever shown as text.
    assert all(html == "" or html.startswith('<div class="math"') for html in seen[1:])
    assert not any("$" in re.sub(r"<[^>]*>", "", html) for html in seen)


def test_a_bracketed_formula_among_text_grows_as_one_and_money_never_does() -> None:
    seen, _ = grown("As \\(\\alpha + \\beta\\) is", 1)
    assert not any("alpha" in re.sub(r"<[^>]*>", "", html).replace(r"\alph", "") for html in seen)
    seen, _ = grown("It costs $5 and it costs more, 6 or 7, than that", 3)
    assert not any("<math" in html for html in seen)


@pytest.mark.parametrize("half", ["$$\n\\frac{a}{b", "so \\(\\alpha + ", "\\[\n\\begin{aligned}\na &= \\frac{b"])
def test_half_a_formula_stays_one_where_the_answer_was_stopped_in_it(half: str) -> None:
    seen, blocks = grown(f"Text.\n\n{half}", 1)
    assert blocks.corrections() == []
    assert "<math" in seen[-1]
    assert "<math" in blocks.closed[-1]
    # But a mark that was never meant as one leaves the text after it as it is.
    assert "<math" not in render(f"{half}\n\nMore text.\n\nAnd more.")


def test_a_long_formula_can_be_scrolled_by_keyboard_and_a_short_one_is_no_stop() -> None:
    long = " + ".join(f"a_{number}" for number in range(30))
    assert f'<span class="math-wide" tabindex="0" role="group" aria-label="Formula"><math data-tex="{long}">' in render(
        f"${long}$"
    )
    assert '<div class="math" tabindex="0" role="group" aria-label="Formula">' in render(f"$${long}$$")
    assert "tabindex" not in render("$x$ and\n\n$$y$$")
