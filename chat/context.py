"""What a model reads of a chat before it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chat.choice import Choice
from chat.models import Message, Role, State
from connections.responses import Turn

# What the model reads, after its own unfinished text, when an answer is to be continued.
GO_ON: Final = "Your last answer was cut off. Continue exactly where it ends, without repeating anything."


async def turns_before(answer: Message, choice: Choice) -> Sequence[Turn]:
    """Return what the model shall read: the branch that ends in the question of `answer`.

    Reasoning items go only to the access path and account they came from; elsewhere they mean nothing or are refused.
    """
    known = {message.pk: message async for message in Message.objects.filter(chat_id=answer.chat_id)}
    turns: list[Turn] = []
    replay_key = choice.path.replay_key(choice.model)
    parent = known.get(answer.parent_id) if answer.parent_id is not None else None
    if parent is not None and parent.role == Role.ASSISTANT:
        turns.append(Turn("user", GO_ON))
    step = known.get(answer.parent_id) if answer.parent_id is not None else None
    while step is not None:
        if step.text:
            fits = step.state == State.COMPLETE and step.replay_key == replay_key
            items = tuple(step.items) if fits else ()
            turns.append(Turn("user" if step.role == Role.USER else "assistant", step.text, items))
        step = known.get(step.parent_id) if step.parent_id is not None else None
    return turns[::-1]
