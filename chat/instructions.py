"""What every model is told before a conversation."""

from __future__ import annotations

import uuid
from typing import Final

from chat import preferences
from chat.models import Chat

INSTRUCTIONS: Final = (
    "You are a helpful assistant in a chat. Answer in the language of the question, in Markdown: put code into "
    "fenced blocks that name their language, and use tables and lists where they help. Be accurate and concise, "
    "and say so when you do not know."
)

# What stands between our words and the user's own, for all chats and for one.
OF_THE_USER: Final = "The user has set these instructions for every chat; where the two differ, follow these:"
OF_THE_CHAT: Final = (
    "The user has set these instructions for this chat; where they differ from those above, follow these:"
)


def instructions(chats_own: str = "") -> str:
    """Return what the model is told before the conversation.

    First our own words, then the user's of Settings > General, then those for this chat. Each of the user's has at
    most `preferences.LONGEST_INSTRUCTIONS` characters.
    """
    parts = [INSTRUCTIONS]
    if own := preferences.current().instructions.strip():
        parts.append(f"{OF_THE_USER}\n{own}")
    if chats_own := chats_own.strip():
        parts.append(f"{OF_THE_CHAT}\n{chats_own}")
    return "\n\n".join(parts)


def of_chat(chat_id: uuid.UUID) -> str:
    """Return the instructions that the user has set for one chat, "" for none. Reads the database."""
    return Chat.objects.filter(pk=chat_id).values_list("instructions", flat=True).first() or ""
