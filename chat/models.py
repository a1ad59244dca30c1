"""Chats and their messages: the facts. Asking a model is `chat.generate`, showing is `chat.views`."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Self

from django.db import models
from django.db.models import F
from django.utils import timezone

from chat.database import MEMORY, alias, is_temporary, new_id
from connections.status import NextStep

TITLE_LENGTH = 80
#: Of every temporary chat: browsers write the titles of pages down.
TEMPORARY_TITLE = "Temporary chat"


class TitleBy(models.TextChoices):
    """Who gave a chat its title. What a person wrote is never replaced."""

    WORDS = "words"  # the first words of the first message
    MODEL = "model"
    PERSON = "person"


class Folder(models.Model):
    """A folder of chats."""

    name = models.CharField(max_length=80)
    created = models.DateTimeField(default=timezone.now)
    # As that of a chat. Its chats stand outside of it then.
    deleted = models.DateTimeField(null=True)

    class Meta:
        ordering = ("name", "pk")

    def __str__(self) -> str:
        return self.name


class Chat(models.Model):
    """One conversation. `revision` is raised whenever its messages change in number, order or state."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    title = models.CharField(max_length=200)
    title_by = models.CharField(max_length=8, choices=TitleBy.choices, default=TitleBy.WORDS)
    created = models.DateTimeField(default=timezone.now)
    updated = models.DateTimeField(default=timezone.now, db_index=True)
    revision = models.PositiveBigIntegerField(default=0)
    # Access path, model and effort that the menu stands at in this chat.
    choice = models.JSONField(default=dict, blank=True)
    # The newest message of the branch that is shown; older branches stay reachable through Message.parent.
    head = models.ForeignKey("Message", null=True, on_delete=models.SET_NULL, related_name="+")
    # What the models are told in this chat, after what they are told in all.
    instructions = models.TextField(blank=True)
    folder = models.ForeignKey(Folder, null=True, on_delete=models.SET_NULL, related_name="chats")
    # Since when it is among the pinned, or in the archive.
    pinned = models.DateTimeField(null=True)
    archived = models.DateTimeField(null=True, db_index=True)
    # Since when it is deleted: it is gone from every page, and for good once it can no longer be undone.
    deleted = models.DateTimeField(null=True, db_index=True)

    class Meta:
        ordering = ("-updated",)

    def __str__(self) -> str:
        return self.title

    @property
    def is_temporary(self) -> bool:
        """Whether it is in memory only, see `chat.temporary`."""
        return is_temporary(self.pk)

    async def branch(self) -> dict[int, str]:
        """Return the ids of the shown branch, oldest first, each with its state. No text is read. One query."""
        rows = self.messages.filter(deleted=None).order_by().values_list("pk", "parent_id", "state")
        known = {pk: (parent, state) async for pk, parent, state in rows}
        branch: dict[int, str] = {}
        step = self.head_id
        while step in known:
            parent, branch[step] = known[step]
            step = parent
        return dict(reversed(branch.items()))

    async def conversation(self) -> list[Message]:
        """Return the messages of the shown branch, oldest first, with all their texts. One query."""
        known = {message.pk: message async for message in self.messages.filter(deleted=None)}
        branch: list[Message] = []
        step = known.get(self.head_id) if self.head_id is not None else None
        while step is not None:
            branch.append(step)
            step = known.get(step.parent_id) if step.parent_id is not None else None
        return branch[::-1]

    @classmethod
    def touch(cls, chat_id: uuid.UUID, **changes: Any) -> None:
        """Note in the database that the chat has changed, with other fields to set. For use in a transaction."""
        cls.objects.filter(pk=chat_id).update(revision=F("revision") + 1, updated=timezone.now(), **changes)


class Role(models.TextChoices):
    """Who wrote a message."""

    USER = "user"
    ASSISTANT = "assistant"


class State(models.TextChoices):
    """How far a message is. Everything but `WAITING` and `STREAMING` is final."""

    COMPLETE = "complete"
    WAITING = "waiting"  # nothing was asked yet: its access path is away, see `chat.waiting`
    STREAMING = "streaming"
    STOPPED = "stopped"  # by the user; what had come is kept
    INTERRUPTED = "interrupted"  # Lerix ended while it streamed; what had come is kept
    FAILED = "failed"  # `error` says why; what had come is kept


class Message(models.Model):
    """One message: the user's, or a model's answer with the path and model it came by."""

    chat = models.ForeignKey(Chat, on_delete=models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="replies")
    role = models.CharField(max_length=10, choices=Role.choices)
    state = models.CharField(max_length=12, choices=State.choices, default=State.COMPLETE, db_index=True)
    text = models.TextField(blank=True)
    reasoning = models.TextField(blank=True)
    # The finished answer as safe HTML, kept because rendering costs milliseconds a kilobyte.
    html = models.TextField(blank=True)
    html_version = models.PositiveSmallIntegerField(default=0)
    # What the user's browser called this message, so that a form sent twice is one message.
    key = models.UUIDField(null=True, unique=True)
    access = models.CharField(max_length=80, blank=True)
    access_label = models.CharField(max_length=120, blank=True)
    model = models.CharField(max_length=120, blank=True)
    model_name = models.CharField(max_length=120, blank=True)
    effort = models.CharField(max_length=20, blank=True)
    # Whose reasoning items `items` are: they are replayed to the same account and model only.
    replay_key = models.CharField(max_length=240, blank=True)
    items = models.JSONField(default=list, blank=True)
    usage = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    created = models.DateTimeField(default=timezone.now)
    finished = models.DateTimeField(null=True)
    # What the shown branch ended with before this answer was stored: shown again when the answer is taken back.
    before = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    # How often it was begun and went back to waiting, because its path was lost before anything was sent.
    begun = models.PositiveSmallIntegerField(default=0)
    # Of an answer: the oldest message that the model was given, where older ones no longer fitted its context.
    cut = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    # Since when it is deleted, with all that follows it: in no branch any more, and for good once that can no longer
    # be undone.
    deleted = models.DateTimeField(null=True, db_index=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.role} message {self.pk}"

    @property
    def is_live(self) -> bool:
        """Whether more may still come."""
        return self.state == State.STREAMING

    @property
    def until(self) -> datetime | None:
        """Before when asking again is useless, if the error says so."""
        return datetime.fromisoformat(self.error["until"]) if self.error and self.error.get("until") else None

    @property
    def links_connections(self) -> bool:
        """Whether what went wrong is put right in Connections rather than by trying again."""
        steps = {NextStep.RETRY, NextStep.NEW_CHAT, NextStep.EDIT, NextStep.UPDATE}
        return self.error is not None and self.error.get("next_step") not in steps

    @classmethod
    async def with_key(cls, key: uuid.UUID) -> Self | None:
        """Return the message that was sent under `key`, with its chat, or None."""
        return await cls.objects.select_related("chat").filter(key=key).afirst()


class Piece(models.Model):
    """A part of an answer that is still coming, so that a crash loses a quarter of a second and not the answer.

    Parts are added, never rewritten: rewriting the whole text each time would cost the square of its length. When the
    answer ends they are joined into the message and removed.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="pieces")
    text = models.TextField(blank=True)
    reasoning = models.TextField(blank=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"piece {self.pk} of {self.message_id}"


class Queued(models.Model):
    """A message that was sent while an answer was coming: the next of its chat, when that is complete."""

    chat = models.ForeignKey(Chat, on_delete=models.CASCADE, related_name="queue")
    text = models.TextField()
    # As that of a message: what the page called it.
    key = models.UUIDField(unique=True)
    # Access path, model and effort, as Chat.choice.
    choice = models.JSONField(default=dict)
    # Why it is not sent by itself, as a sentence; empty: it is sent in its turn.
    held = models.CharField(max_length=200, blank=True)
    # The browser on another device that asked for it, as `chat.conversation.senders` writes it; None for one here.
    sender = models.JSONField(null=True)
    # Since when it is removed: it can be put back for a while.
    removed = models.DateTimeField(null=True)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"queued message {self.pk}"


class Draft(models.Model):
    """A message that was taken back, on its way to the message field of a page: kept until a page has put it there."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # None: for the page that a new chat begins with.
    chat = models.ForeignKey(Chat, null=True, on_delete=models.SET_NULL, related_name="drafts")
    text = models.TextField()
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("created",)

    def __str__(self) -> str:
        return f"draft {self.pk}"


class FileKind(models.TextChoices):
    """What a file is, by its content."""

    IMAGE = "image"
    PDF = "pdf"
    TEXT = "text"


class File(models.Model):
    """The content of attachments, once for each: its bytes lie under their digest (`chat.attachments`)."""

    # SHA-256 of the bytes as they are kept, in hexadecimal.
    digest = models.CharField(primary_key=True, max_length=64)
    kind = models.CharField(max_length=8, choices=FileKind.choices)
    media_type = models.CharField(max_length=80)
    # Bytes.
    size = models.PositiveBigIntegerField()
    # Pixels, of an image.
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    pages = models.PositiveIntegerField(default=0)
    # What a model reads that takes no such file: the text of a PDF, or the file's own.
    text = models.TextField(blank=True)
    # The bytes themselves, where nothing may be on the disk: of temporary chats.
    data = models.BinaryField(null=True)
    created = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.kind} {self.digest[:12]}"


class Attachment(models.Model):
    """A file under the name it was given, of a message, or of one that is still being written or waits."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    file = models.ForeignKey(File, on_delete=models.PROTECT, related_name="attachments")
    name = models.CharField(max_length=255)
    message = models.ForeignKey(Message, null=True, on_delete=models.CASCADE, related_name="attachments")
    queued = models.ForeignKey(Queued, null=True, on_delete=models.CASCADE, related_name="attachments")
    draft = models.ForeignKey(Draft, null=True, on_delete=models.CASCADE, related_name="attachments")
    position = models.PositiveSmallIntegerField(default=0)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("position", "created")

    def __str__(self) -> str:
        return f"attachment {self.pk}"

    @property
    def needs(self) -> str:
        """What a model must take to be given it: "image", "pdf" where there is no text in it, and else "text".

        Rows of `chat.attachments.attaching.measured` know; others look at the text.
        """
        if self.file.kind == FileKind.IMAGE:
            return "image"
        has_text = getattr(self, "length", 0) or (not hasattr(self, "length") and self.file.text)
        return "pdf" if self.file.kind == FileKind.PDF and not has_text else "text"


class Preference(models.Model):
    """One remembered choice of the user, by name; the value is JSON."""

    name = models.CharField(max_length=60, primary_key=True)
    value = models.JSONField()

    def __str__(self) -> str:
        return self.name


def title_from(text: str) -> str:
    """Make a chat's title of its first message: its first words, on one line, cut at a word. No model is asked."""
    if alias() == MEMORY:
        return TEMPORARY_TITLE
    line = " ".join(text.split())
    if len(line) <= TITLE_LENGTH:
        return line or "New chat"
    return line[:TITLE_LENGTH].rsplit(" ", 1)[0].rstrip(",.;:") + "\u2026"
