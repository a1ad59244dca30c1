"""What pages send to change a conversation."""

from __future__ import annotations

from django import forms

from chat.forms import LONGEST_MESSAGE, as_sent

LONGEST_TITLE = 200


class TextForm(forms.Form):
    """Another text for a message that is not sent yet."""

    text = forms.CharField(
        max_length=LONGEST_MESSAGE,
        strip=False,
        error_messages={
            "required": "Write a message, or remove this one.",
            "max_length": "The message is too long: %(show_value)d characters, at most %(limit_value)d. "
            "Nothing was changed; shorten it.",
        },
    )

    def clean_text(self) -> str:
        """As that of a message, which may be without text where it has files; this may not."""
        text = as_sent(self.cleaned_data["text"])
        if not text:
            raise forms.ValidationError(self.fields["text"].error_messages["required"])
        return text


class TitleForm(forms.Form):
    """A title for a chat."""

    title = forms.CharField(
        max_length=LONGEST_TITLE,
        error_messages={
            "required": "A chat needs a title. The one it had is kept.",
            "max_length": "A title has at most %(limit_value)d characters, and this one has %(show_value)d. The one it "
            "had is kept.",
        },
    )

    def clean_title(self) -> str:
        """Put it on one line, without signs that cannot be seen."""
        line = "".join(letter if letter.isprintable() else " " for letter in self.cleaned_data["title"])
        line = " ".join(line.split())
        if not line:
            raise forms.ValidationError(self.fields["title"].error_messages["required"])
        return line
