"""What the admin shows of each model. A model that is not listed here is not shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin import display
from django.db.models import Model
from django.http import HttpRequest

from chat import preferences
from chat.models import Attachment, Chat, File, Folder, Message, Preference
from connections.models import ApiKey, CatalogueEntry, PathMemory, SealingRecord
from lerix_web.admin.site import Shown, Site
from relay.account.models import BrokerSetting, Membership, Notice
from relay.switch.models import RelaySetting

site = Site(name="admin")


class ChatPages(Shown):
    """Chats."""

    list_display = ("title", "created", "updated", "number")
    search_fields = ("title",)
    list_filter = ("updated",)
    fields = (
        "title",
        "id",
        "created",
        "updated",
        "folder",
        "pinned",
        "archived",
        "deleted",
        "instructions",
        "revision",
        "choice",
        "number",
    )

    @display(description="messages")
    def number(self, chat: Chat) -> int:
        """How many messages it has, of all branches."""
        return chat.messages.count()


class FolderPages(Shown):
    """Folders of chats."""

    list_display = ("name", "created", "number")
    search_fields = ("name",)
    fields = ("name", "created", "number")

    @display(description="chats")
    def number(self, folder: Folder) -> int:
        """How many chats are in it."""
        return folder.chats.count()


class FilePages(Shown):
    """Files by their content, without it."""

    list_display = ("digest", "kind", "size", "created")
    list_filter = ("kind", "media_type")
    search_fields = ("digest",)
    fields = ("digest", "kind", "media_type", "size", "width", "height", "pages", "created")


class AttachmentPages(Shown):
    """Files as they hang on messages."""

    list_display = ("name", "file", "created")
    search_fields = ("name",)
    list_select_related = ("file",)
    fields = ("name", "id", "file", "message", "created")


class MessagePages(Shown):
    """Messages, without what only the service can read."""

    list_display = ("beginning", "role", "state", "model_name", "access_label", "created")
    list_filter = ("role", "state", "access_label", "model_name", "created")
    search_fields = ("text", "chat__title")
    list_select_related = ("chat",)
    fields = (
        "chat",
        "role",
        "state",
        "text",
        "reasoning",
        "model_name",
        "model",
        "access_label",
        "access",
        "effort",
        "usage",
        "error",
        "created",
        "finished",
    )

    @display(description="text")
    def beginning(self, message: Message) -> str:
        """The first words."""
        line = " ".join(message.text[:400].split())
        return line[:80] + "…" if len(line) > 80 else line or "(no text)"


class CataloguePages(Shown):
    """The models of each access path."""

    list_display = ("slug", "path", "position", "enabled", "retired", "first_seen")
    list_filter = ("path", "enabled", "retired")
    search_fields = ("slug",)
    fields = ("path", "slug", "position", "enabled", "first_seen", "came_later", "retired", "refused", "facts")


class PathPages(Shown):
    """What is remembered of each access path."""

    list_display = ("path", "fetched")
    search_fields = ("path",)
    fields = ("path", "account", "fetched", "etag", "usage")


if TYPE_CHECKING:  # as in site
    Form = forms.ModelForm[Preference]
else:
    Form = forms.ModelForm


class ApiKeyPages(Shown):
    """API keys by their labels. Not the keys, which nothing but `connections.keys` opens."""

    list_display = ("label", "last_four", "created", "verified_at", "last_error", "removed_at")
    list_filter = ("last_error",)
    search_fields = ("label",)
    fields = ("label", "last_four", "created", "verified_at", "last_error", "removed_at")


class SealingPages(Shown):
    """Where the keys that seal API keys are kept."""

    list_display = ("place", "created")
    list_filter = ("place",)
    fields = ("place", "created")


class MembershipPages(Shown):
    """Whose account this device is in. Not its keys, which nothing but `relay.account.vault` opens."""

    list_display = ("email", "state", "broker", "created")
    list_filter = ("state",)
    search_fields = ("email",)
    fields = ("email", "state", "broker", "account", "created")


class NoticePages(Shown):
    """What happened on other devices."""

    list_display = ("name", "kind", "when")
    list_filter = ("kind", "when")
    search_fields = ("name",)
    fields = ("name", "kind", "device", "when")


class RelaySettingPages(Shown):
    """Whether this computer serves other devices."""

    list_display = ("account", "keep_awake")
    fields = ("account", "keep_awake")


class BrokerSettingPages(Shown):
    """Which broker is used while nobody is signed in."""

    list_display = ("address",)
    fields = ("address",)


class PreferenceForm(Form):
    """The value of one setting, as JSON."""

    class Meta:
        model = Preference
        fields = ("value",)

    def clean_value(self) -> Any:
        """Refuse what Settings > General would refuse."""
        try:
            return preferences.checked(self.instance.name, self.cleaned_data["value"])
        except preferences.Unusable as refusal:
            raise forms.ValidationError(str(refusal)) from None


class PreferencePages(Shown):
    """Settings: those of Settings > General can be changed here as well, the others are Lerix's own notes."""

    list_display = ("name", "value")
    search_fields = ("name",)
    fields = ("name", "value")
    readonly_fields = ("name",)
    form: Any = PreferenceForm

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """The settings of the page General."""
        return obj is None or obj.pk in preferences.NAMES

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Store it, and have the pages know it at once."""
        super().save_model(request, obj, form, change)
        preferences.load()


site.register(Chat, ChatPages)
site.register(Message, MessagePages)
site.register(Folder, FolderPages)
site.register(File, FilePages)
site.register(Attachment, AttachmentPages)
site.register(CatalogueEntry, CataloguePages)
site.register(PathMemory, PathPages)
site.register(ApiKey, ApiKeyPages)
site.register(SealingRecord, SealingPages)
site.register(Preference, PreferencePages)
site.register(Membership, MembershipPages)
site.register(Notice, NoticePages)
site.register(BrokerSetting, BrokerSettingPages)
site.register(RelaySetting, RelaySettingPages)
