"""Hostile text, wherever it comes from, is shown as text: it runs, loads, sends and moves nothing.

Everything goes through the real server into a real browser under our own security policy, and names a server
that must see no request at all. `Desk` holds each page to make no script error and no violation of the policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.browser.conftest import Desk, answers, send, switch_on
from tests.browser.hostile import BLOCKS, HTMX, LINKS, TAGS, Trap, cut_up, escaped_answer, joined
from tests.upstream import RESPONSES, Entry, Reply, Upstream, faults
from tests.upstream.catalogue import ENTRIES

pytestmark = pytest.mark.usefixtures("models_on")

#: What may stand inside a message, and nothing else.
ALLOWED = {
    "tags": "p br hr h1 h2 h3 h4 h5 h6 strong em s a code pre span div blockquote ul ol li table thead tbody tr th td "
    "button sup".split(),
    # Formulas are MathML of ours.
    "maths": "math mrow mi mn mo mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mtable mtr "
    "mtd mmultiscripts mprescripts mpadded mphantom mstyle".split(),
    "attributes": "href target title rel start tabindex role aria-label class id type data-copy data-text aria-pressed "
    "display data-tex mathvariant form fence stretchy symmetric minsize maxsize lspace rspace movablelimits width "
    "height depth linethickness accent accentunder displaystyle scriptlevel".split(),
    # They keep to the block that they belong to.
    "placed": ".code-head, .table-copy",
}

#: Looks through the page; returns what is wrong as a list of sentences.
INSPECT = r"""allowed => {
    const wrong = [], seen = new Set();
    for (const part of document.querySelectorAll("[id]")) {
        if (seen.has(part.id)) wrong.push("two elements have the id " + part.id);
        seen.add(part.id);
    }
    for (const part of document.querySelectorAll(".body *, .bubble *")) {
        const name = part.localName;
        const maths = part.namespaceURI === "http://www.w3.org/1998/Math/MathML";
        const html = part.namespaceURI === "http://www.w3.org/1999/xhtml";
        if (!maths && !html) wrong.push("foreign element " + name);
        if (!(maths ? allowed.maths : allowed.tags).includes(name)) wrong.push("element " + name);
        // The size of what is far off the screen, and the columns of a long table, are set by our own script.
        const ours = part.matches("table.is-long")
            ? /^--columns: [\d.px ]+; --across: [\d.]+px;$/
            : part.matches(".fold, .is-long > tbody") && /^contain-intrinsic-block-size: auto [\d.]+px;$/;
        for (const own of part.attributes) {
            if (own.name === "style" && ours && ours.test(own.value)) continue;
            if (!allowed.attributes.includes(own.name)) wrong.push(`attribute ${own.name} of ${name}`);
        }
        const known = /^m\d+-(body|thoughts)-(c\d+|open|fn-\d+|fnref-\d+)$/;
        if (part.id && !known.test(part.id)) wrong.push("id " + part.id);
        if (name === "a" && part.hasAttribute("href")) {
            if (!["http:", "https:", "mailto:"].includes(part.protocol)) wrong.push("link to " + part.href);
            const here = part.getAttribute("href").startsWith("#");
            if (!here && part.target !== "_blank") wrong.push("link in this tab to " + part.href);
            if (!/noopener/.test(part.rel) || !/noreferrer/.test(part.rel)) wrong.push("link with " + part.rel);
        }
        const free = !["static", "relative"].includes(getComputedStyle(part).position);
        if (free && !part.matches(allowed.placed)) wrong.push(name + " is placed freely");
    }
    const text = [...document.querySelectorAll(".body")].map(part => part.textContent).join("");
    if (/[\u0000\u001b\u202a-\u202e\u2066-\u2069]/.test(text)) wrong.push("controls in the text");
    if (document.querySelectorAll("main#main").length !== 1) wrong.push("not one main");
    if (document.querySelectorAll("iframe, object, embed, base, style, body script, body link, body meta").length)
        wrong.push("something that loads");
    if (window.frames.length) wrong.push("frames");
    if (document.documentElement.scrollWidth > window.innerWidth) wrong.push("the page scrolls sideways");
    return wrong;
}"""

#: The page without what messages say and without the list of chats: one line an element, numbers made equal.
SKELETON = r"""() => {
    const lines = [], moving = ["hx-vals", "hidden", "hx-morph-skip-children", "data-htmx-powered"];
    const same = text => text.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "U").replace(/\d+/g, "N");
    for (const part of document.querySelectorAll("head *, body *")) {
        if (part.parentElement.closest(".body, #history, #picker, #welcome, #meter")) continue;
        let depth = 0;
        for (let up = part; up; up = up.parentElement) depth += 1;
        // What js/far.js notes on messages that are off the screen.
        const far = one => one.name === "style" && /^contain-intrinsic-block-size: auto [\d.]+px;$/.test(one.value);
        const own = [...part.attributes].filter(one => !moving.includes(one.name) && !far(one));
        const words = own.map(one => ` ${one.name}=${same(one.value).replace(" is-far", "")}`).join("");
        lines.push(depth + part.localName + words);
    }
    return lines;
}"""


@pytest.fixture(scope="module")
def trap() -> Iterator[Trap]:
    with Trap() as started:
        yield started
        assert started.silent or started.requests == CLICKED


#: Requests that a test made on purpose, by clicking.
CLICKED: list[tuple[str, dict[str, str]]] = []


def skeleton(page: Page, expected: Sequence[str] = ()) -> Sequence[str]:
    """How the page is built, as soon as that is as expected, or else when nothing more is on its way."""
    lines: Sequence[str] = ()
    for _ in range(30):
        before, lines = lines, page.evaluate(SKELETON)
        if lines == (expected or before):
            break
        page.wait_for_timeout(500)
    return lines


@dataclass
class Guarded:
    """A page that is watched for whatever hostile text could do beyond its own place."""

    page: Page
    trap: Trap
    happened: list[str] = field(default_factory=list)
    plain: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.page.on("dialog", self._dialog)
        self.page.on("popup", lambda popup: self.happened.append(f"a new window: {popup.url}"))
        self.page.on("download", lambda file: self.happened.append(f"a download: {file.url}"))
        self.page.on("request", lambda request: self._request(request.url))
        self.mark()

    def _dialog(self, dialog: Dialog) -> None:
        self.happened.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, url: str) -> None:
        if not url.startswith(re.match(r"http://[^/]+", self.page.url)[0]):  # type: ignore[index]
            self.happened.append(f"a request: {url[:200]}")

    def mark(self) -> None:
        """Leave something behind that only this very document has."""
        self.page.evaluate("window.stillHere = true")

    def is_unharmed(self, *, turns: int = 1) -> None:
        """Fail if anything happened that is more than text in its place."""
        assert self.page.evaluate("window.stillHere === true"), "the page was left"
        assert self.page.evaluate(INSPECT, ALLOWED) == []
        expect(self.page.get_by_role("article")).to_have_count(2 * turns)
        assert self.page.evaluate("document.title") == self.page.title()
        assert "Stolen" not in self.page.title()
        if self.plain:
            assert skeleton(self.page, self.plain) == self.plain
        assert not self.happened
        assert self.trap.silent or self.trap.requests == CLICKED

    def survives(self, *, turns: int = 1) -> None:
        """Look at once, after the pointer was over every link, and after a reload."""
        self.is_unharmed(turns=turns)
        for link in self.page.locator(".body a:visible").all()[:40]:
            link.hover(force=True)
        self.is_unharmed(turns=turns)
        self.page.reload()
        self.mark()
        self.page.wait_for_timeout(150)
        self.is_unharmed(turns=turns)


@pytest.fixture(scope="module")
def plain_page() -> dict[str, Sequence[str]]:
    """How the page is built around a harmless answer; filled by the first test that needs it."""
    return {}


@pytest.fixture
def guarded(page: Page, up: Upstream, trap: Trap, plain_page: dict[str, Sequence[str]]) -> Guarded:
    if not plain_page:
        up.reply(Reply("Harmless.", reasoning="Thinking."))
        send(page, "Question")
        answers(page)(1)
        expect(page.get_by_role("button", name="Send")).to_be_visible()
        page.reload()
        plain_page["all"] = skeleton(page)
        page.goto("/".join(page.url.split("/")[:3]))
    return Guarded(page, trap, plain=plain_page["all"])


def ask(guarded: Guarded, up: Upstream, reply: Reply) -> None:
    """Let the model say this, and wait until it has."""
    up.reply(reply)
    send(guarded.page, "Question")
    answers(guarded.page)(1)
    expect(guarded.page.get_by_role("button", name="Send")).to_be_visible()


@pytest.mark.parametrize(
    ("samples", "seed"), [(TAGS, 1), (HTMX, 2), (LINKS, 3), (BLOCKS, 4)], ids=["tags", "htmx", "links", "blocks"]
)
def test_a_hostile_answer_and_its_reasoning_are_only_text(
    guarded: Guarded, up: Upstream, trap: Trap, samples: Sequence[str], seed: int
) -> None:
    text = joined(samples, trap.host)
    ask(guarded, up, Reply(chunks=cut_up(text, seed), delay=0.001, reasoning=text))
    answer = guarded.page.locator("article.message-assistant")
    expect(answer.locator(".body").last).to_contain_text("The end of it all.")
    answer.get_by_text("Reasoning summary").click()
    expect(answer.locator(".reasoning-text")).to_contain_text("The end of it all.")
    guarded.page.locator("details.reasoning").evaluate("folded => { folded.open = false; }")
    guarded.survives()


def test_markup_arrives_as_the_letters_it_was_written_in(guarded: Guarded, up: Upstream, trap: Trap) -> None:
    text = joined(TAGS[:30], trap.host)
    ask(guarded, up, Reply(chunks=cut_up(text, 5)))
    body = guarded.page.locator("article.message-assistant .body").last
    expect(body).to_contain_text("The end of it all.")
    shown = body.inner_text()
    for sample in ("<script>alert(1); fetch(", "<iframe src=http://", "<base href=", "</style>", "ontoggle=alert(1)"):
        assert sample in shown
    guarded.is_unharmed()


def test_half_characters_are_replaced_and_break_neither_stream_nor_database(
    guarded: Guarded, up: Upstream, trap: Trap
) -> None:
    up.fail(RESPONSES, escaped_answer("a\ud800b \udc00\udfff \ud83d\ude00 \x00 whole **end**", "\ud800 thought \udfff"))
    send(guarded.page, "Question")
    answers(guarded.page)(1)
    body = guarded.page.locator("article.message-assistant .body").last
    expect(body).to_have_text("a\ufffdb \ufffd\ufffd \U0001f600 whole end")
    guarded.survives()


def huge() -> Iterator[Any]:
    """Texts that are large or deep rather than clever, each with something that must be seen at the end."""
    row = "|" + " cell |" * 20
    table = "\n".join(["|" + " head |" * 20, "|" + "---|" * 20, *[row] * 2_000])
    yield pytest.param(f"{table}\n\nThe end of it all.", id="a table of 2,000 rows and 20 columns")
    short_rows = "|" + "h|" * 300 + "\n|" + "-|" * 300 + "\n" + "x\n" * 300
    yield pytest.param(f"{short_rows}\n\nThe end of it all.", id="a wide table of short rows")
    yield pytest.param("> " * 10_000 + "deep\n\nThe end of it all.", id="10,000 quotes in each other")
    lists = "\n".join("  " * depth + "- deeper" for depth in range(200))
    yield pytest.param(f"{lists}\n\n" + "- " * 5_000 + "x\n\n1. " * 3 + "\n\nThe end of it all.", id="deep lists")
    yield pytest.param("x" * 200_000 + " The end of it all.", id="a word of 200,000 letters")
    yield pytest.param("word " * 30_000 + "The end of it all.", id="a line of 30,000 words")
    yield pytest.param("[" * 5_000 + "![" * 3_000 + "\n\n" + "*a_ " * 5_000 + "\n\nThe end of it all.", id="brackets")
    yield pytest.param("```\n" + "y" * 100_000 + "\n```\n\nThe end of it all.", id="a line of code of 100,000 letters")
    bomb = '[a]: http://TRAP/bomb "' + "t" * 5_000 + '"\n\n' + "[a] " * 5_000
    yield pytest.param(f"{bomb}\n\nThe end of it all.", id="one long title used 5,000 times")


@pytest.mark.parametrize("text", [*huge()])
def test_a_huge_answer_is_shown_and_leaves_the_page_usable(
    guarded: Guarded, up: Upstream, trap: Trap, text: str
) -> None:
    text = text.replace("TRAP", trap.host)
    up.reply(Reply(chunks=[text[at : at + 2_000] for at in range(0, len(text), 2_000)]))
    send(guarded.page, "Question")
    expect(guarded.page.locator("article.message-assistant[aria-busy=false]")).to_have_count(1, timeout=120_000)
    expect(guarded.page.locator("article.message-assistant .body").last).to_contain_text("The end of it all.")
    guarded.is_unharmed()
    send(guarded.page, "And now?")
    answers(guarded.page)(2)
    assert guarded.page.evaluate(INSPECT, ALLOWED) == []


def test_a_hostile_question_is_only_text_in_message_title_and_sidebar(
    guarded: Guarded, up: Upstream, trap: Trap
) -> None:
    page = guarded.page
    first = "</title></h1><img src=http://TRAP/t onerror=alert(1)>".replace("TRAP", trap.host)
    texts = [f"{first}\n\n{joined(part, trap.host)}" for part in (TAGS, HTMX, BLOCKS)]
    # A form cannot carry NUL, and browsers turn every line end into one.
    texts = [re.sub(r"\x00", "", text).replace("\r\n", "\n").replace("\r", "\n").strip("\n") for text in texts]
    for text in texts:
        page.goto("/".join(page.url.split("/")[:3]))
        guarded.mark()
        page.get_by_role("textbox", name="Message").fill(text)
        page.get_by_role("button", name="Send").click()
        answers(page)(1)
        expect(page.get_by_role("button", name="Send")).to_be_visible()
        assert page.locator("article.message-user .bubble").evaluate("bubble => bubble.textContent") == text
        assert page.locator("article.message-user .bubble *").count() == 0
        expect(page.locator("#title")).to_contain_text("</title></h1><img src=http://")
        expect(page.locator("#history a[aria-current=page]")).to_contain_text("</title></h1><img src=http://")
        guarded.survives()
        assert page.title().startswith("</title></h1><img src=http://")
    assert page.locator("#history section > ul > li > a > span").count() == page.locator("#history span").count()


def test_a_hostile_refusal_of_the_service_is_only_text(guarded: Guarded, up: Upstream, trap: Trap) -> None:
    words = joined(["<hx-partial hx-target='#main'>gone</hx-partial>", *TAGS[:12]], trap.host)
    for fault in (
        faults.detail(400, words),
        faults.error(400, words, code=words[:80]),
        faults.Spoil(last=faults.Failed(words[:80], words)),
        faults.Answer(403, f"<html>{words}</html>".encode(), "text/html"),
    ):
        guarded.page.goto("/".join(guarded.page.url.split("/")[:3]))
        guarded.mark()
        up.fail(RESPONSES, fault)
        send(guarded.page, "Question")
        expect(guarded.page.get_by_role("group", name="What went wrong")).to_be_visible()
        assert guarded.page.evaluate(INSPECT, ALLOWED) == []
        assert guarded.page.locator(".notice-body > *:not(p, .notice-actions)").count() == 0
    assert not guarded.happened
    assert trap.silent


class HostileEntry(Entry):
    """A model whose efforts are hostile too."""

    __slots__ = ()

    def payload(self) -> dict[str, object]:
        levels = [{"effort": "<b onclick='x'>", "description": self.description}]
        return {**super().payload(), "supported_reasoning_levels": levels, "default_reasoning_level": None}


def test_a_hostile_catalogue_is_only_text_in_dialog_menu_and_chat(
    desk: Desk, page: Page, up: Upstream, trap: Trap
) -> None:
    guarded = Guarded(page, trap)
    name = f"Evil </span><img src=http://{trap.host}/m onerror=alert(1)> \u202eeman"
    slug = "evil\"'><hx-partial hx-target='#main'>\\u0022},js:alert(1)//"
    up.models.replace([*ENTRIES, HostileEntry(0, slug, name, joined([*TAGS[:8], *HTMX[:4]], trap.host))])
    try:
        page.get_by_role("link", name="Settings").click()
        page.get_by_role("link", name="Connections").click()
        page.get_by_role("button", name="Edit models").click()
        dialog = page.get_by_role("dialog", name="Edit models")
        expect(dialog.get_by_role("switch")).not_to_have_count(0)
        expect(dialog.get_by_role("searchbox", name="Search models")).to_be_focused()
        dialog.get_by_role("button", name="Refresh").click()
        expect(dialog.get_by_role("switch", name=name.split(" \u202e")[0])).to_be_visible()
        dialog.get_by_role("button", name="Close").click()
        page.get_by_role("link", name="Back to chat").click()
        shown = name.replace(" \u202e", " ")
        switch_on(page, shown)
        guarded.mark()
        page.get_by_role("button", name="Model", exact=True).click()
        page.get_by_role("menuitemradio", name=shown, exact=True).click()
        expect(page.locator("#model-now")).to_contain_text(shown)
        send(page, "Question")
        expect(page.get_by_role("article", name=shown, exact=True)).to_have_attribute("aria-busy", "false")
        assert up.to(RESPONSES)[-1].data["model"] == slug
        guarded.survives()
        page.get_by_role("button", name="Model", exact=True).click()
        page.get_by_role("menuitemradio", name="GPT-6.1 Sol").click()
        expect(page.locator("#model-now")).to_contain_text("GPT-6.1 Sol")
    finally:
        up.models.replace(ENTRIES)


def test_a_link_opens_a_tab_that_knows_nothing_of_us(guarded: Guarded, up: Upstream, trap: Trap) -> None:
    text = f"See [this](http://{trap.host}/wanted?q=1) and ![that](http://{trap.host}/picture)."
    ask(guarded, up, Reply(text))
    page = guarded.page
    guarded.is_unharmed()
    for number, (label, path) in enumerate([("this", "/wanted?q=1"), ("that", "/picture")], 1):
        with page.context.expect_page() as opened:
            page.get_by_role("link", name=label, exact=True).click()
        tab = opened.value
        expect(tab).to_have_title("Trap")
        assert tab.evaluate("window.opener") is None
        assert tab.evaluate("document.referrer") == ""
        CLICKED[:] = trap.requests
        assert [request[0] for request in trap.requests][number - 1 :] == [path]
        assert "referer" not in trap.requests[-1][1]
        assert "cookie" not in trap.requests[-1][1]
        tab.close()
    guarded.happened.clear()
    guarded.is_unharmed()
