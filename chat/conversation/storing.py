"""Questions and answers as rows: what is stored before anybody is asked, and what refuses to be stored now."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db.models import F

from chat.attachments.attaching import attach, title_of
from chat.choice import Choice
from chat.database import atomic
from chat.models import Attachment, Chat, Message, Queued, Role, State, title_from


class ChatIsBusy(Exception):
    """An answer is still coming in this chat; nothing was stored."""


class ChatWaits(ChatIsBusy):
    """A message still waits in this chat for its access path; nothing was stored."""


def refuse_unfinished(chat_id: uuid.UUID) -> None:
    """Raises ChatIsBusy or ChatWaits. For use in a write transaction, where two requests stand in line."""
    states = Message.objects.filter(chat=chat_id, deleted=None).values_list("state", flat=True)
    if states.filter(state=State.WAITING).exists():
        raise ChatWaits
    if states.filter(state=State.STREAMING).exists():
        raise ChatIsBusy


def refuse_before_the_queue(chat_id: uuid.UUID) -> None:
    """Raises ChatIsBusy where queued messages are on their way: what is new comes behind them."""
    if Queued.objects.filter(chat=chat_id, held="", removed=None).exists():
        raise ChatIsBusy


def present(chat_id: uuid.UUID) -> Chat:
    """Return the chat as it is now. Raises Chat.DoesNotExist, also where it is deleted."""
    return Chat.objects.get(pk=chat_id, deleted=None)


def touch_quietly(chat_id: uuid.UUID, **changes: object) -> None:
    """Note that the messages are shown otherwise than before; the chat keeps its place in the list of chats."""
    Chat.objects.filter(pk=chat_id).update(revision=F("revision") + 1, **changes)


def own_key(key: uuid.UUID, text: str) -> tuple[uuid.UUID, Message | Queued | None]:
    """Return the key to store a message under, and what is stored under it already.

    Looked for inside the write transaction, where two requests with one key stand in line.
    """
    known = _under(key)
    if known is not None and known.text != text:
        # The page never heard that it was stored, and more was written since: that is another message.
        key = uuid.uuid5(key, text)
        known = _under(key)
    return key, known


def _under(key: uuid.UUID) -> Message | Queued | None:
    sent = Message.objects.select_related("chat").filter(key=key).first()
    return sent or Queued.objects.select_related("chat").filter(key=key).first()


@atomic
def store_turn(
    chat: Chat | None,
    text: str,
    key: uuid.UUID,
    choice: Choice,
    state: State,
    files: Sequence[uuid.UUID] = (),
    instructions: str = "",
) -> tuple[Chat, Message | None]:
    """Store question and empty answer at once. None for the answer: the key was known after all.

    With `chat` None a new chat is made, which has `instructions`.

    Raises ChatIsBusy, ChatWaits, FilesGone and Chat.DoesNotExist.
    """
    begun = _under(key) if chat is None else None
    key, known = own_key(key, text)
    if known is not None:
        return known.chat, None
    # The page of a new chat that has not heard yet that it was begun: this is the next message in there.
    chat = begun.chat if begun is not None else chat
    if chat is None:
        chat = Chat.objects.create(title=title_from(text or title_of(files)), instructions=instructions)
    else:
        # As it is now: it may have been read before another message of it was stored.
        chat = present(chat.pk)
        refuse_unfinished(chat.pk)
        refuse_before_the_queue(chat.pk)
    question = Message.objects.create(chat=chat, parent_id=chat.head_id, role=Role.USER, text=text, key=key)
    attach(files, question)
    answer = store_answer(chat, question, choice, state)
    chat.refresh_from_db()
    return chat, answer


@atomic
def store_edited(message_id: int, text: str, key: uuid.UUID, choice: Choice, state: State) -> Message | None:
    """Store another version of a question, with the files of the first, and its empty answer. None: the key was known.

    Raises ChatIsBusy, ChatWaits, and Chat.DoesNotExist or Message.DoesNotExist where it was deleted.
    """
    key, known = own_key(key, text)
    if known is not None:
        return None
    first = Message.objects.get(pk=message_id, role=Role.USER, deleted=None)
    chat = present(first.chat_id)
    refuse_unfinished(chat.pk)
    refuse_before_the_queue(chat.pk)
    question = Message.objects.create(chat=chat, parent_id=first.parent_id, role=Role.USER, text=text, key=key)
    for attached in first.attachments.all():
        Attachment.objects.create(
            file_id=attached.file_id, name=attached.name, message=question, position=attached.position
        )
    return store_answer(chat, question, choice, state)


@atomic
def store_below(chat_id: uuid.UUID, parent_id: int, choice: Choice, state: State) -> Message:
    """Store an empty answer below a message. Raises as `store_edited` does."""
    # Two presses of one button: the second may come before the first has begun its task.
    refuse_unfinished(chat_id)
    refuse_before_the_queue(chat_id)
    return store_answer(present(chat_id), Message.objects.get(pk=parent_id, deleted=None), choice, state)


@atomic
def store_queued(queued_id: int, choice: Choice, state: State) -> Message | None:
    """Make a queued message the next of its chat, with its empty answer: once, and None where it is not its turn."""
    queued = Queued.objects.filter(pk=queued_id, held="", removed=None, chat__deleted=None).first()
    if queued is None:
        return None
    chat = present(queued.chat_id)
    try:
        refuse_unfinished(chat.pk)
    except ChatIsBusy:
        return None
    question = Message.objects.create(
        chat=chat, parent_id=chat.head_id, role=Role.USER, text=queued.text, key=queued.key
    )
    Attachment.objects.filter(queued=queued).update(queued=None, message=question)
    queued.delete()
    return store_answer(chat, question, choice, state)


def store_answer(chat: Chat, question: Message, choice: Choice, state: State) -> Message:
    """Store the empty answer to a question, and show it. For use in a write transaction."""
    answer = Message.objects.create(
        chat=chat,
        parent=question,
        role=Role.ASSISTANT,
        state=state,
        before_id=chat.head_id,
        access=choice.path.key,
        access_label=choice.path.label,
        replay_key=choice.path.replay_key(choice.model),
        model=choice.model.slug,
        model_name=choice.model.name,
        effort=choice.effort or "",
    )
    # Whoever goes on with a chat wants it in the list again.
    Chat.touch(chat.pk, head=answer, archived=None)
    return answer
