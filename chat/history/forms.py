"""What the pages of the history may ask for."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django import forms
from django.http import QueryDict

from chat.history.bulk import Do

#: Chats that one request may change.
MOST: Final = 500
#: As Folder.name.
NAME_LENGTH: Final = 80


class ChatIds(forms.Field):
    """A field that comes once for each chat."""

    default_error_messages = {
        "required": "No chat is selected. Select one, then try again.",
        "many": f"At most {MOST} chats can be changed at once. Select fewer, then try again.",
        "wrong": "This chat is not there any more. Reload the page.",
    }
    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> list[UUID]:
        """Return the ids. Raises ValidationError."""
        given = list(value or [])
        if len(given) > MOST:
            raise forms.ValidationError(self.error_messages["many"])
        try:
            return [UUID(each) for each in given]
        except ValueError:
            raise forms.ValidationError(self.error_messages["wrong"]) from None


class ChangeForm(forms.Form):
    """What shall be done to which chats. `shown` is the chat of the page, `folder` where they go."""

    chats = ChatIds()
    do = forms.TypedChoiceField(choices=[(each.value, each.value) for each in Do], coerce=Do)
    folder = forms.IntegerField(required=False, min_value=1)
    shown = forms.UUIDField(required=False)

    @classmethod
    def of(cls, data: QueryDict) -> ChangeForm:
        """Read a request; the chat of the page is what the model menu calls `chat`."""
        given = data.copy()
        given["shown"] = data.get("chat", "")
        return cls(given)


class FolderForm(forms.Form):
    """The name of a folder, and the chats that shall go into it."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        error_messages={
            "required": "A folder needs a name. Write one, then save.",
            "max_length": f"A folder's name has at most {NAME_LENGTH} characters. Shorten it, then save.",
        },
    )
    chats = ChatIds(required=False)

    def clean_name(self) -> str:
        """The name on one line."""
        return " ".join(self.cleaned_data["name"].split())


def why(form: forms.Form) -> str:
    """What is wrong with a form, as a sentence."""
    return " ".join(str(error) for errors in form.errors.values() for error in errors)
