"""Asking a model: an answer is produced by a task of the server and outlives the request that began it.

The row in the database is the truth. While the answer comes, its text is added to the database at least every
250 ms; when it ends, for whatever reason, the message becomes final and says how it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Final, TypeVar

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import close_old_connections
from django.utils import timezone

from chat import asking, waiting
from chat.choice import Choice
from chat.conversation import queue, senders, titles
from chat.conversation.advance import send_next
from chat.conversation.queue import HOLDS, Held
from chat.conversation.storing import ChatIsBusy, store_below, store_edited, store_turn
from chat.database import atomic, context
from chat.feed import LiveAnswer, feeds
from chat.markdown import HTML_VERSION
from chat.models import Chat, Message, Piece, State
from chat.visits import Seat
from connections.catalogues import note_answer
from connections.errors import AccessError
from connections.responses import AnswerEvent, Completed, OutputItem, ReasoningDelta, TextDelta

log = logging.getLogger(__name__)

T = TypeVar("T")

# How long text that came may be in memory only.
WRITE_EVERY: Final = 0.25

# Requests that are stored although whoever made them may have gone. The loop holds tasks weakly.
_storing: set[asyncio.Task[Any]] = set()
# What is of use but may be given up at any time.
_asides: set[asyncio.Task[Any]] = set()

# All database work of answers happens in this one thread: a task that outlives its request would otherwise get a
# thread, and a connection, of its own for each call.
_writer = ThreadPoolExecutor(1, thread_name_prefix="answers")


class OwnFault(AccessError):
    """Something in Lerix itself went wrong while an answer came."""

    code = "own-fault"
    sentence = "Something went wrong inside Lerix; its log says what. Your message is kept. Try again."


async def send(
    chat: Chat | None,
    text: str,
    key: uuid.UUID,
    choice: Choice,
    files: Sequence[uuid.UUID] = (),
    instructions: str = "",
) -> tuple[Chat, bool]:
    """Store the user's message and begin its answer; with `chat` None in a new chat, which has `instructions`.

    Where the access path is away and keeps messages, the answer waits (`chat.waiting`).
    Returns the chat and whether anything was done: a `key` that is known already (the same form, sent twice)
    does nothing.
    Raises ChatIsBusy while another answer is coming, ChatWaits while another message waits, TooManyVisits where
    browsers on other devices have begun too many, FilesGone where one of the attachments `files` is not there, and
    Chat.DoesNotExist where the chat was deleted meanwhile.
    """
    seat = senders.seat()
    return await to_the_end(lambda: _send(chat, text, key, choice, seat, files, instructions), seat)


async def _send(
    chat: Chat | None,
    text: str,
    key: uuid.UUID,
    choice: Choice,
    seat: Seat | None,
    files: Sequence[uuid.UUID],
    instructions: str,
) -> tuple[Chat, bool]:
    if chat is not None and feeds.live_in(chat.pk) is not None:
        if (known := await Message.with_key(key)) and known.text == text:
            return known.chat, False
        raise ChatIsBusy
    state = waiting.first_state(choice.path)
    chat, answer = await sync_to_async(store_turn)(chat, text, key, choice, state, files, instructions)
    if answer is None:
        return chat, False
    _begin_or_wait(answer, choice, seat)
    return chat, True


async def edit(message_id: int, text: str, key: uuid.UUID, choice: Choice) -> None:
    """Ask the question `message_id` anew with another text: as another version beside it. Both are kept.

    Raises as `send` does, and Message.DoesNotExist where the message was deleted meanwhile.
    """
    seat = senders.seat()

    async def work() -> None:
        state = waiting.first_state(choice.path)
        answer = await sync_to_async(store_edited)(message_id, text, key, choice, state)
        if answer is not None:
            _begin_or_wait(answer, choice, seat)

    await to_the_end(work, seat)


async def send_later(
    chat_id: uuid.UUID, text: str, key: uuid.UUID, choice: Choice, files: Sequence[uuid.UUID] = ()
) -> None:
    """Queue a message behind the answer that is coming (`chat.conversation.queue`), or send it where none is any more.

    Raises QueueIsFull, FilesGone, and Chat.DoesNotExist where the chat was deleted meanwhile.
    """
    wanted, sender = choice.as_wanted(), senders.note()

    async def work() -> None:
        if await sync_to_async(queue.add)(chat_id, text, key, wanted, sender, files) is not None:
            feeds.changed(chat_id)
            # It may have ended in this moment.
            await send_next(chat_id, _begin_or_wait)

    await to_the_end(work)


async def to_the_end(work: Callable[[], Coroutine[Any, Any, T]], seat: Seat | None = None) -> T:
    """Do what stores a message and begins its answer, also where the request that wanted it is given up meanwhile."""
    task = asyncio.create_task(_in_writer(work), context=context())
    _storing.add(task)
    task.add_done_callback(_storing.discard)
    if seat is not None:
        task.add_done_callback(lambda done: None if seat.taken else seat.leave())
    return await asyncio.shield(task)


def _begin_or_wait(answer: Message, choice: Choice, seat: Seat | None) -> None:
    if answer.state == State.WAITING:
        feeds.changed(answer.chat_id)
        waiting.changed.set()
        return
    live = begin(answer, choice)
    if seat is not None and live.task is not None:
        live.device, seat.taken = seat.device, True
        live.task.add_done_callback(lambda done: seat.leave())


async def send_held(chat_id: uuid.UUID, choice: Choice) -> None:
    """Send what is held in a chat after all, one by one, by this choice and as whoever says so now."""
    wanted, sender = choice.as_wanted(), senders.note()

    async def work() -> None:
        await sync_to_async(queue.release)(chat_id, wanted, sender)
        feeds.changed(chat_id)
        await send_next(chat_id, _begin_or_wait)

    await to_the_end(work)


async def send_due(chat_id: uuid.UUID) -> None:
    """Send the next queued message of a chat, where it is its turn."""
    await to_the_end(lambda: send_next(chat_id, _begin_or_wait))


async def retry(failed: Message, choice: Choice) -> Message:
    """Ask again for the answer `failed`; the new answer takes its place, the old one is kept as another branch.

    Raises ChatIsBusy while another answer is coming, ChatWaits while a message waits, TooManyVisits, and DoesNotExist
    where chat or question are deleted.
    """
    if failed.parent_id is None:
        raise ValueError("only an answer can be asked for again")
    return await _answer_below(failed.chat_id, failed.parent_id, choice)


async def go_on(ended: Message, choice: Choice) -> Message:
    """Ask for the rest of the answer `ended`, which stopped early; it comes as a new answer below.

    Raises as `retry` does.
    """
    return await _answer_below(ended.chat_id, ended.pk, choice)


async def _answer_below(chat_id: uuid.UUID, parent_id: int, choice: Choice) -> Message:
    seat = senders.seat()
    return await to_the_end(lambda: _store_and_begin(chat_id, parent_id, choice, seat), seat)


async def _store_and_begin(chat_id: uuid.UUID, parent_id: int, choice: Choice, seat: Seat | None) -> Message:
    if feeds.live_in(chat_id) is not None:
        raise ChatIsBusy
    state = waiting.first_state(choice.path)
    answer = await sync_to_async(store_below)(chat_id, parent_id, choice, state)
    _begin_or_wait(answer, choice, seat)
    return answer


def begin(message: Message, choice: Choice) -> LiveAnswer:
    """Start the task that produces `message`. It belongs to the server, not to the request."""
    answer = feeds.begin(message)
    # A context of its own: a task that inherits the request's would do its database work in that request's dead thread.
    answer.task = asyncio.create_task(
        _in_writer(lambda: _produce(answer, choice)), name=f"answer {message.pk}", context=context(message.chat_id)
    )
    # After the answer has given up its place: what follows it may need that.
    answer.task.add_done_callback(lambda done: _what_follows(answer, choice))
    return answer


def _what_follows(answer: LiveAnswer, choice: Choice) -> None:
    """Have the chat's title made, and send what is queued: in tasks of their own."""
    if waiting.ending or answer.message.state == State.WAITING:
        return
    message = answer.message
    works: list[tuple[set[asyncio.Task[Any]], Callable[[], Coroutine[Any, Any, None]]]] = [
        (_storing, lambda: send_next(message.chat_id, _begin_or_wait))
    ]
    if message.state == State.COMPLETE:
        works.append((_asides, lambda: titles.make(message, choice)))
    for kept, work in works:
        task = asyncio.create_task(_in_writer(work), context=context(message.chat_id))
        kept.add(task)
        task.add_done_callback(kept.discard)


async def _in_writer(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    async with ThreadSensitiveContext(executor=_writer):
        return await work()


async def _produce(answer: LiveAnswer, choice: Choice) -> None:
    """Ask, collect, and make the message final however it ends; or have it wait, if nothing was asked at all."""
    message = answer.message
    answer.has_begun = True
    saver = asyncio.create_task(_save_as_it_comes(answer))
    state, error = State.FAILED, None
    try:
        if answer.cancelled:
            raise asyncio.CancelledError
        async with contextlib.aclosing(asking.events(message, choice)) as events:
            async for event in events:
                _take(event, answer)
        state = State.COMPLETE
    except AccessError as refusal:
        error = refusal
        if refusal.nothing_sent and not (answer.text or answer.thoughts) and waiting.may_wait(message, choice.path):
            state = State.WAITING
    except asyncio.CancelledError:
        state = State.STOPPED if answer.stopped else State.INTERRUPTED
    except Exception:
        log.exception("An answer failed for a reason of our own")
        error = OwnFault()
    finally:
        saver.cancel()
        finishing = asyncio.ensure_future(_finish(answer, choice, saver, state, error))
        while not finishing.done():
            # A second cancel (Stop pressed twice, the server ending) must not lose what came.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(finishing)


def _take(event: AnswerEvent, answer: LiveAnswer) -> None:
    match event:
        case TextDelta():
            answer.text_came(event.text)
        case ReasoningDelta():
            # Parts of a summary follow each other as paragraphs do.
            new_part = event.summary_index != answer.thought_part
            answer.thought_part = event.summary_index
            answer.thought_came("\n\n" + event.text if new_part else event.text)
        case OutputItem():
            if event.item.get("type") == "reasoning":
                answer.message.items.append(event.item)
        case Completed():
            answer.message.usage = asdict(event.usage) if event.usage else None


async def _save_as_it_comes(answer: LiveAnswer) -> None:
    """Add what came to the database, a piece at most every `WRITE_EVERY` seconds."""
    text = thoughts = 0
    while True:
        await asyncio.sleep(WRITE_EVERY)
        new_text, new_reasoning = "".join(answer.text[text:]), "".join(answer.thoughts[thoughts:])
        text, thoughts = len(answer.text), len(answer.thoughts)
        if new_text or new_reasoning:
            await Piece.objects.acreate(message=answer.message, text=new_text, reasoning=new_reasoning)


async def _finish(
    answer: LiveAnswer, choice: Choice, saver: asyncio.Task[None], state: State, error: AccessError | None
) -> None:
    await asyncio.wait([saver])
    message = answer.message
    message.text = "".join(answer.text)
    message.reasoning = "".join(answer.thoughts)
    answer.text_blocks.finish()
    answer.thought_blocks.finish()
    answer.corrections = await asyncio.to_thread(answer.text_blocks.corrections)
    message.html = "".join(answer.text_blocks.closed)
    message.html_version = HTML_VERSION
    # As late as can be: Stop may have been pressed while it was on its way back to waiting.
    message.state = State.STOPPED if state == State.WAITING and answer.stopped else state
    if message.state == State.WAITING:
        waiting.put_back(message)
    else:
        message.error = _error_facts(error) if error and message.state != State.STOPPED else None
        message.finished = timezone.now()
    await sync_to_async(_make_final)(message)
    feeds.end(answer)
    waiting.changed.set()
    await note_answer(choice.path, choice.model, error)


def _error_facts(error: AccessError) -> dict[str, str]:
    return {
        "code": error.code,
        "sentence": error.sentence,
        "next_step": error.next_step.value,
        "until": error.until.isoformat() if error.until else "",
    }


# All that becomes known of an answer while it comes. Not whether it was deleted meanwhile.
_FINAL: Final = (
    *("state", "text", "reasoning", "html", "html_version", "items", "usage", "error", "finished", "begun"),
    "access_label",
)


@atomic
def _make_final(message: Message) -> None:
    message.save(update_fields=_FINAL)
    # What follows a deleted answer follows what is shown instead.
    if (why := HOLDS.get(State(message.state))) and Message.objects.filter(pk=message.pk, deleted=None).exists():
        queue.hold(message.chat_id, why)
    Piece.objects.filter(message=message).delete()
    Chat.touch(message.chat_id)


async def stop_all() -> None:
    """End all answers because the server ends: each is stored with what came, marked interrupted. No other is begun."""
    waiting.end()
    tasks = []
    for aside in _asides:
        aside.cancel()
    for answer in feeds.live.values():
        if answer.task is not None:
            tasks.append(answer.task)
            if not answer.stopped:
                answer.cancel()
    if tasks:
        await asyncio.wait(tasks)


def recover() -> int:
    """Mark the answers that an earlier process left unfinished, with the text that had come. Returns their number.

    Call before anything is served: a page that came first would take such an answer for one that is coming.
    """
    close_old_connections()
    left = list(Message.objects.filter(state=State.STREAMING))
    for message in left:
        pieces = list(message.pieces.all())
        message.text = "".join(piece.text for piece in pieces)
        message.reasoning = "".join(piece.reasoning for piece in pieces)
        message.state = State.INTERRUPTED
        message.finished = timezone.now()
        # Rendered when it is first shown, for the start must not wait for that.
        message.html, message.html_version = "", 0
        _make_final(message)
    queue.hold_all(Held.RESTARTED)
    return len(left)
