"""What every model is told before a conversation."""

from typing import Final

from chat import preferences

INSTRUCTIONS: Final = (
    "You are a helpful assistant in a chat. Answer in the language of the question, in Markdown: put code into "
    "fenced blocks that name their language, and use tables and lists where they help. Be accurate and concise, "
    "and say so when you do not know."
)

# What stands between our words and the user's own.
OF_THE_USER: Final = "The user has set these instructions for every chat; where the two differ, follow these:"


def instructions() -> str:
    """Return what the model is told before the conversation: our own words, then the user's of Settings > General."""
    own = preferences.current().instructions.strip()
    return f"{INSTRUCTIONS}\n\n{OF_THE_USER}\n{own}" if own else INSTRUCTIONS
