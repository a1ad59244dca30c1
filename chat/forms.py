"""What the chat pages send."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms

from chat import preferences
from chat.attachments.attaching import GONE as FILES_GONE
from chat.attachments.attaching import MOST as MOST_FILES
from chat.attachments.attaching import TOO_MANY as TOO_MANY_FILES

LONGEST_MESSAGE = 400_000


def as_sent(text: str) -> str:
    """Return a text as it is stored: line ends of LF, no empty lines around it, and "" where it is blank."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return plain.strip("\n") if plain.strip() else ""


class ChoiceForm(forms.Form):
    """A choice in the model menu; what is missing stays as it is."""

    access = forms.CharField(max_length=80, required=False)
    model = forms.CharField(max_length=120, required=False)
    effort = forms.CharField(max_length=20, required=False)
    chat = forms.UUIDField(required=False)


class MessageForm(ChoiceForm):
    """A message to send, with the key that makes sending it twice harmless and the choice of who answers."""

    text = forms.CharField(
        max_length=LONGEST_MESSAGE,
        strip=False,
        required=False,
        error_messages={
            "max_length": "The message is too long: %(show_value)d characters, at most %(limit_value)d. "
            "Nothing was sent; shorten it and send it again.",
        },
    )
    key = forms.UUIDField(error_messages={"required": "Reload the page, then send the message again."})

    #: Of a new chat: what the models are told in it.
    instructions = forms.CharField(required=False, strip=False)

    #: The ids of attachments, with commas between them: one field, since what keeps forms knows each name once.
    attached = forms.CharField(max_length=1000, required=False)

    def clean_attached(self) -> list[uuid.UUID]:
        """Read the ids."""
        try:
            ids = [uuid.UUID(each) for each in self.cleaned_data["attached"].split(",") if each]
        except ValueError:
            raise forms.ValidationError(FILES_GONE) from None
        if len(ids) > MOST_FILES:
            raise forms.ValidationError(TOO_MANY_FILES)
        return list(dict.fromkeys(ids))

    def clean(self) -> dict[str, Any]:
        """Refuse a message of nothing. The same words with other files are another message."""
        sent = super().clean() or self.cleaned_data
        files = sent.get("attached")
        if "text" in sent and not sent["text"] and not files:
            raise forms.ValidationError("Write a message first.")
        if files and "key" in sent:
            sent["key"] = uuid.uuid5(sent["key"], ",".join(map(str, files)))
        return sent

    def clean_instructions(self) -> str:
        """As those of a chat that is there."""
        try:
            return str(preferences.checked("instructions", self.cleaned_data["instructions"]))
        except preferences.Unusable as refusal:
            raise forms.ValidationError(f"{refusal} Nothing was sent.") from None

    def clean_text(self) -> str:
        """Blanks only are no text; line ends become LF."""
        return as_sent(self.cleaned_data["text"])
