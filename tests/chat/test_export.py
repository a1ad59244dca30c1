"""What leaves a chat as a file: the whole of it as Markdown, and each code block."""

import uuid
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from django.test import AsyncClient
from django.utils import timezone

from chat.exporting.document import Part, document
from chat.exporting.names import LONGEST, chat_file, code_file
from chat.feed import feeds
from chat.markdown import code_blocks, render
from chat.models import Attachment, Chat, File, FileKind, Message, Role, State
from connections.visitor import Visitor, visiting

WHEN = datetime(2026, 3, 5, 9, 7, tzinfo=UTC)

ANSWER = """Two blocks:

```python title="src/app.py"
x = 1
```

1. a list

   ```
   plain
   ```

$$
no code
$$

```math
x^2
```

    indented
"""


async def chat_of(*texts: str, title: str = "A title", **facts: object) -> Chat:
    """A chat in which these were said, in turns, with more facts of the answers."""
    chat = await Chat.objects.acreate(title=title, created=WHEN)
    parent = None
    for number, text in enumerate(texts):
        answer = {"model_name": "GPT-6.1 Sol", "access": "codex", "access_label": "Codex auth", "effort": "medium"}
        more = answer | facts if number % 2 else {}
        role = Role.ASSISTANT if number % 2 else Role.USER
        parent = await Message.objects.acreate(chat=chat, parent=parent, role=role, text=text, created=WHEN, **more)
    chat.head = parent
    await chat.asave()
    return chat


async def exported(browser: AsyncClient, chat: Chat) -> str:
    response = await browser.get(f"/chats/{chat.pk}/export.md")
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.django_db
async def test_a_chat_is_one_markdown_file_with_who_said_what_and_when(browser: AsyncClient) -> None:
    chat = await chat_of("Why?", "Because **so**.", reasoning="I *thought*.")
    response = await browser.get(f"/chats/{chat.pk}/export.md")
    assert response.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="A title.md"'
    assert response.content.decode() == (
        "# A title\n\n*A chat in Lerix, begun 5 March 2026, 09:07 UTC.*\n\n"
        "---\n\n## You\n\n*5 March 2026, 09:07 UTC*\n\nWhy?\n\n"
        "---\n\n## GPT-6.1 Sol\n\n*5 March 2026, 09:07 UTC · Codex auth · medium*\n\n"
        "<details>\n<summary>Reasoning summary</summary>\n\nI *thought*.\n\n</details>\n\nBecause **so**.\n"
    )


@pytest.mark.django_db
async def test_only_the_branch_that_is_shown_leaves_and_nothing_deleted(browser: AsyncClient) -> None:
    chat = await chat_of("Why?", "First version", "More", "Second answer")
    other = await Message.objects.aget(text="First version")
    await Message.objects.acreate(chat=chat, parent_id=other.parent_id, role=Role.ASSISTANT, text="Other version")
    assert "Other version" not in await exported(browser, chat)
    chat.deleted = timezone.now()
    await chat.asave()
    assert (await browser.get(f"/chats/{chat.pk}/export.md")).status_code == 404
    assert (await browser.get(f"/messages/{other.pk}/code/1/")).status_code == 404
    assert (await browser.get(f"/chats/{uuid.uuid4()}/export.md")).status_code == 404


@pytest.mark.django_db
async def test_attachments_stand_there_by_name(browser: AsyncClient) -> None:
    chat = await chat_of("Look", "I see")
    file = await File.objects.acreate(
        digest="0" * 64, kind=FileKind.IMAGE, media_type="image/png", size=20_480, width=640, height=480
    )
    question = await Message.objects.aget(text="Look")
    await Attachment.objects.acreate(file=file, name="a_[cat].png", message=question)
    assert "Attached:\n\n- a\\_\\[cat\\].png (image/png, 640 × 480, 20 KB)\n\nLook" in await exported(browser, chat)


@pytest.mark.django_db
async def test_an_answer_that_ended_early_says_so_and_one_that_still_comes_is_told_as_far_as_it_is(
    browser: AsyncClient,
) -> None:
    chat = await chat_of("Why?", "Half", state=State.STOPPED)
    assert "· stopped before it was complete*\n\nHalf" in await exported(browser, chat)
    answer = await Message.objects.aget(text="Half")
    answer.state, answer.text = State.STREAMING, ""
    await answer.asave()
    feeds.live[answer.pk] = SimpleNamespace(text=["```js\nlet x", " = 1"], thoughts=[], message=answer)  # type: ignore[assignment]
    try:
        assert "still coming when this was exported*\n\n```js\nlet x = 1\n```" in await exported(browser, chat)
        code = await browser.get(f"/messages/{answer.pk}/code/1/")
        assert code.content == b"let x = 1"
    finally:
        feeds.live.clear()


@pytest.mark.django_db
async def test_a_browser_on_another_device_is_told_of_no_access_but_its_own(browser: AsyncClient) -> None:
    chat = await chat_of("Why?", "So", access="key:1", access_label="API key · Secret label")
    assert "Secret label" in await exported(browser, chat)
    with visiting(Visitor(device=b"d", access="codex", label="Codex Relay · Mac")):
        assert "Secret label" not in await exported(browser, chat)


def test_a_code_block_that_was_left_open_does_not_swallow_what_follows() -> None:
    text = document("T", WHEN, [Part("A", ["now"], "```python\nx = 1"), Part("You", ["now"], "Next")])
    assert "```python\nx = 1\n```\n\n---\n\n## You" in text
    whole = document("T", WHEN, [Part("A", ["now"], "~~~~\nx\n~~~~\n"), Part("You", ["now"], "Next")])
    assert whole.count("~~~~") == 2


def test_footnotes_of_several_messages_stay_apart() -> None:
    note = "See[^1] `[^1]`.\n\n```\n[^1]\n```\n\n[^1]: Here."
    text = document("T", WHEN, [Part("A", ["now"], note), Part("B", ["now"], note)])
    assert note in text
    assert "See[^2-1] `[^1]`.\n\n```\n[^1]\n```\n\n[^2-1]: Here." in text


def test_titles_and_names_are_no_markdown() -> None:
    text = document("# *x* <b>", WHEN, [Part("GPT_6", ["a*b"], "x")])
    assert text.startswith("# \\# \\*x\\* \\<b\\>\n")
    assert "## GPT\\_6\n\n*a\\*b*" in text


@pytest.mark.django_db
async def test_a_code_block_is_downloaded_under_the_name_of_its_language(browser: AsyncClient) -> None:
    await chat_of("Why?", ANSWER)
    answer = await Message.objects.aget(text=ANSWER)
    first = await browser.get(f"/messages/{answer.pk}/code/1/")
    assert first.content == b"x = 1\n"
    assert first.headers["Content-Disposition"] == 'attachment; filename="app.py"'
    assert first.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert (await browser.get(f"/messages/{answer.pk}/code/2/")).content == b"plain\n"
    assert (await browser.get(f"/messages/{answer.pk}/code/3/")).content == b"indented\n"
    for number in (0, 4, 10**17):
        assert (await browser.get(f"/messages/{answer.pk}/code/{number}/")).status_code == 404


def test_blocks_are_counted_as_the_page_counts_them() -> None:
    assert len(code_blocks(ANSWER)) == render(ANSWER).count('<div class="code">') == 3


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Plain", "Plain.md"),
        ("a/b\\c: d?*", "a b c d.md"),
        ("...", "Chat.md"),
        ("", "Chat.md"),
        (" ../../etc/passwd ", "etc passwd.md"),
        ("con", "_con.md"),
        ("x\u202egnp.exe", "xgnp.exe.md"),
        ("über größe", "über größe.md"),
        ("line\nbreak\x00", "line break.md"),
    ],
)
def test_a_chat_s_file_has_a_name_that_every_system_can_keep(title: str, name: str) -> None:
    assert chat_file(title) == name


def test_a_long_title_is_cut_at_a_word() -> None:
    name = chat_file("word " * 60)
    assert name.endswith("word.md")
    assert len(name) <= LONGEST + 3


@pytest.mark.parametrize(
    ("info", "source", "name"),
    [
        ("python", "x = 1", "code.py"),
        ("", "x", "code.txt"),
        ("c++", "", "code.cpp"),
        ("C#", "", "code.cs"),
        ("nosuchthing", "", "code.txt"),
        ("ocaml", "", "code.ml"),
        ("Dockerfile", "FROM x", "Dockerfile"),
        ("js title=app.js", "", "app.js"),
        ('ts filename="src/a b.ts"', "", "a b.ts"),
        ("rust:src/main.rs", "", "main.rs"),
        ("app.vue", "", "app.vue"),
        ("python", "# tools/run.py\nx", "run.py"),
        ("html", "<!-- index.html -->\n<p>", "index.html"),
        ("python", "# version 1.2\nx", "code.py"),
        ("sh title=../../.bashrc", "", "code.sh"),
        ('js title="a\\b/../evil.js"', "", "evil.js"),
    ],
)
def test_code_is_named_by_what_it_says_or_else_by_its_language(info: str, source: str, name: str) -> None:
    assert code_file(info, source) == name


@pytest.mark.django_db
async def test_a_name_that_is_not_ascii_arrives_whole(browser: AsyncClient) -> None:
    chat = await chat_of("Why?", "So", title="Größe 大小")
    header = (await browser.get(f"/chats/{chat.pk}/export.md")).headers["Content-Disposition"]
    assert unquote(header.split("utf-8''")[1]) == "Größe 大小.md"
