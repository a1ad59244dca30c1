"""Asking for one answer: what the model is given, and less of it where the service says that it is too much."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Final

from asgiref.sync import sync_to_async

from chat import context
from chat.choice import Choice
from chat.conversation.storing import touch_quietly
from chat.feed import feeds
from chat.instructions import instructions, of_chat
from chat.models import Message
from connections.errors import ContextTooLong
from connections.responses import AnswerEvent, Ask

#: Where the service refuses a conversation as too long, it is given so much of it the next time.
LESS: Final = 0.6
#: So often in all. By then it is a twentieth of what the conversation was.
MOST_TRIES: Final = 7


async def events(message: Message, choice: Choice) -> AsyncGenerator[AnswerEvent, None]:
    """Ask for the answer `message`, and give its events. Raises AccessError.

    What was left out of the conversation is noted in `Message.cut` before anything is asked.
    """
    most = None
    for tried in range(1, MOST_TRIES + 1):
        # In one go: each way to the database and back would keep the question waiting.
        told, reading, is_new = await sync_to_async(_read)(message, choice, most)
        if is_new:
            feeds.chat(message.chat_id).rows_changed()
        ask = Ask(
            model=choice.model,
            turns=reading.turns,
            instructions=told,
            effort=choice.effort,
            conversation=str(message.chat_id),
        )
        begun = False
        try:
            async with contextlib.aclosing(choice.path.answer(ask)) as answered:
                async for event in answered:
                    begun = True
                    yield event
            return
        except ContextTooLong:
            # Sizes are estimates, and of some models nobody tells how much they take.
            if begun or reading.shortest or tried == MOST_TRIES:
                raise
        most = round(reading.tokens * LESS)


def _read(message: Message, choice: Choice, most: int | None) -> tuple[str, context.Reading, bool]:
    """Return the instructions, what else the model reads, and whether something else is left out than was noted."""
    told = instructions(of_chat(message.chat_id))
    reading = context.read(message, choice, told, most)
    if message.cut_id == reading.cut:
        return told, reading, False
    message.cut_id = reading.cut
    Message.objects.filter(pk=message.pk).update(cut=reading.cut)
    touch_quietly(message.chat_id)
    return told, reading, True
