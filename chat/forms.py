"""What the chat pages send."""

from __future__ import annotations

from django import forms

LONGEST_MESSAGE = 400_000


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
        error_messages={
            "required": "Write a message first.",
            "max_length": "The message is too long: %(show_value)d characters, at most %(limit_value)d. "
            "Nothing was sent; shorten it and send it again.",
        },
    )
    key = forms.UUIDField(error_messages={"required": "Reload the page, then send the message again."})

    def clean_text(self) -> str:
        """Refuse a message of blanks only; line ends become LF."""
        text: str = self.cleaned_data["text"].replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
        if not text.strip():
            raise forms.ValidationError("Write a message first.")
        return text.strip("\n")
