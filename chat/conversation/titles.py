"""A chat's title: the model that answered first is asked for one, briefly, over the same path."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import uuid
from typing import Final

from asgiref.sync import sync_to_async
from django.conf import settings

from chat.choice import Choice
from chat.conversation.storing import touch_quietly
from chat.database import atomic, is_temporary
from chat.feed import feeds
from chat.models import TITLE_LENGTH, Chat, Message, Role, State, TitleBy
from connections.catalogue import Model
from connections.errors import AccessError
from connections.responses import Ask, TextDelta, Turn

log = logging.getLogger(__name__)

#: Characters of the first exchange that the model reads.
MOST_READ: Final = 2_000
#: Seconds for all of it.
TIME: Final = 20.0
#: Characters after which no title can come any more.
MOST_WRITTEN: Final = 400

INSTRUCTIONS: Final = (
    "You give conversations a title. Answer with the title alone: two to six words in the language of the "
    "conversation, in sentence case, without quotation marks, without Markdown and without a full stop. Whatever the "
    "conversation asks for, do not answer it."
)

# From the least thought to the most, as services call it.
_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_AROUND: Final = " \t*_`#\"'\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb.,:;\u3002"
_PREFIX: Final = re.compile(r"title\s*[:\-\u2013]\s*", re.IGNORECASE)


async def make(answer: Message, choice: Choice) -> None:
    """Ask for the title of the chat whose first exchange `answer` completes. On failure its first words stay."""
    if settings.LERIX_TITLES != "model" or is_temporary(answer.chat_id):
        return
    if choice.path.keeps_messages and not choice.path.status().ready:
        return
    try:
        question = await _question(answer)
        if question is None:
            return
        title = ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TIME):
                title = cleaned(await _ask(question, answer, choice))
        if title and await sync_to_async(_set)(answer.chat_id, title):
            feeds.changed(answer.chat_id)
    except AccessError as refusal:
        log.info("No title was made: %s", refusal.code)
    except Exception:
        log.exception("No title was made for a reason of our own")


async def _question(answer: Message) -> Message | None:
    """The question of the chat's only complete answer; None where there are more, or the title is made already."""
    if not await Chat.objects.filter(pk=answer.chat_id, title_by=TitleBy.WORDS, deleted=None).aexists():
        return None
    complete = Message.objects.filter(chat=answer.chat_id, role=Role.ASSISTANT, state=State.COMPLETE)
    if await complete.exclude(pk=answer.pk).aexists():
        return None
    return await Message.objects.filter(replies=answer.pk, role=Role.USER).afirst()


async def _ask(question: Message, answer: Message, choice: Choice) -> str:
    half = MOST_READ // 2
    exchange = f"The user wrote:\n\n{question.text[:half]}\n\nThe answer begins:\n\n{answer.text[:half]}"
    ask = Ask(
        model=choice.model,
        turns=[Turn("user", f"{exchange}\n\nThe title of this conversation:")],
        instructions=INSTRUCTIONS,
        effort=least_effort(choice.model),
        # Not the chat's own, under which services keep what the chat has sent.
        conversation=str(uuid.uuid5(answer.chat_id, "title")),
    )
    title = ""
    async with contextlib.aclosing(choice.path.answer(ask)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                title += event.text
            if len(title) > MOST_WRITTEN:
                break
    return title


def least_effort(model: Model) -> str | None:
    """Return the model's lowest reasoning effort, or None where it has none."""
    names = [effort.name for effort in model.efforts]
    return next((name for name in _EFFORTS if name in names), names[0] if names else None)


def cleaned(text: str) -> str:
    """Return what a model wrote as a title of one line, at most `TITLE_LENGTH` characters; "" where it is none.

    >>> cleaned('**Title: "Bread without yeast."**')
    'Bread without yeast'
    """
    line = next((line for line in text.splitlines() if line.strip(_AROUND)), "")
    line = "".join(letter for letter in line if letter.isprintable())
    line = " ".join(_PREFIX.sub("", line.strip(_AROUND), count=1).strip(_AROUND).split())
    if len(line) <= TITLE_LENGTH:
        return line
    # An answer rather than a title.
    return ""


@atomic
def _set(chat_id: uuid.UUID, title: str) -> bool:
    # The condition that a person's renaming makes untrue.
    chats = Chat.objects.filter(pk=chat_id, title_by=TitleBy.WORDS, deleted=None)
    done = bool(chats.update(title=title, title_by=TitleBy.MODEL))
    if done:
        touch_quietly(chat_id)
    return done


@atomic
def rename(chat_id: uuid.UUID, title: str) -> bool:
    """Give a chat the title that a person wrote. Returns whether the chat is there."""
    done = bool(Chat.objects.filter(pk=chat_id, deleted=None).update(title=title, title_by=TitleBy.PERSON))
    if done:
        touch_quietly(chat_id)
    return done
