"""The admin: open to whom the guard lets in, read-only but for the settings, and without a secret anywhere."""

import re
import uuid
from collections.abc import Iterator

import httpx
import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.admin import display
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.models import BinaryField, Model
from django.http import HttpResponse
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from chat import preferences
from chat.models import Attachment, Chat, Draft, File, Folder, Message, Piece, Preference, Queued, Role
from chat.preferences import Preferences, Theme
from connections.models import ApiKey, CatalogueEntry, PathMemory, SealingRecord
from lerix_web.admin.pages import site
from lerix_web.admin.router import WITHOUT_TABLES
from lerix_web.admin.site import SECRET, Shown
from relay.account.models import BrokerSetting, Membership, Notice
from relay.switch.models import RelaySetting
from tests.serving import TYPED, LerixProcess

PLANTED = "planted-secret-1"
#: Models without pages: parts of answers that are still coming, and messages on their way out or back to their field.
NOT_SHOWN = {Piece, Draft, Queued}


@pytest.fixture
def browser(db: None) -> Client:
    """A browser that the guard has let in, with Django's own checks on."""
    return Client(enforce_csrf_checks=True, headers={"host": "localhost"})


@pytest.fixture(autouse=True)
def _defaults() -> Iterator[None]:
    yield
    preferences._held = Preferences()


def of_lerix() -> list[type[Model]]:
    labels = ("chat", "connections", "account", "relay")
    return [model for label in labels for model in apps.get_app_config(label).get_models()]


def address(model: type[Model], page: str, *arguments: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


@pytest.fixture
def rows(db: None) -> list[Model]:
    """A row of each model, with a secret in each field that must not be shown."""
    chat = Chat.objects.create(title="Trees <b>of</b> Zurich")
    message = Message.objects.create(
        chat=chat,
        role=Role.ASSISTANT,
        text="Beeches and limes",
        replay_key=PLANTED,
        items=[{"type": "reasoning", "encrypted_content": PLANTED}],
        key=uuid.uuid4(),
        model_name="GPT Test",
        access_label="Codex auth",
    )
    folder = Folder.objects.create(name="Trees")
    file = File.objects.create(digest="ab" * 32, kind="text", media_type="text/plain", data=PLANTED.encode(), size=9)
    attachment = Attachment.objects.create(file=file, name="trees.txt", message=message)
    entry = CatalogueEntry.objects.create(path="codex", slug="gpt-test", position=1, facts={"slug": "gpt-test"})
    memory = PathMemory.objects.create(path="codex", account="acct-1", fetched=timezone.now())
    key = ApiKey.objects.create(label="Work", sealed=PLANTED.encode(), last_four="wxyz")
    record = SealingRecord.objects.create(name="data-1", place="file", fingerprint=PLANTED[:16])
    preference = Preference.objects.create(name="theme", value="dark")
    member = Membership.objects.create(
        state="member",
        account="ab" * 16,
        email="ada@example.com",
        sealed=PLANTED.encode(),
        sealing_place="file",
        sealing_name=PLANTED,
        sealing_fingerprint=PLANTED,
    )
    notice = Notice.objects.create(kind="added", device="cd" * 16, name="Phone", when=timezone.now())
    setting = BrokerSetting.objects.create(address="https://broker.example.com")
    relay = RelaySetting.objects.create(account="ab" * 16, keep_awake=True)
    kept = [folder, file, attachment]
    return [*kept, chat, message, entry, memory, key, record, preference, member, notice, setting, relay]


def test_every_model_has_pages_or_a_reason(rows: list[Model]) -> None:
    assert {type(row) for row in rows} == set(site._registry) == set(of_lerix()) - NOT_SHOWN


def test_every_page_of_every_model_opens_without_signing_in(browser: Client, rows: list[Model]) -> None:
    index = browser.get("/admin/").content.decode()
    for row in rows:
        for page in (address(type(row), "changelist"), address(type(row), "change", row.pk)):
            answer = browser.get(page)
            assert answer.status_code == 200, page
            text = answer.content.decode()
            assert PLANTED not in text, page
            assert "password" not in text.lower(), page
        assert address(type(row), "changelist") in index
    assert "sessionid" not in browser.cookies


def test_search_and_filters_work(browser: Client, rows: list[Model]) -> None:
    found = browser.get("/admin/chat/message/?q=beeches&role__exact=assistant&state__exact=complete")
    assert "Beeches and limes" in found.content.decode()
    assert "0 messages" in browser.get("/admin/chat/message/?q=oaks").content.decode()
    assert "Trees &lt;b&gt;of&lt;/b&gt; Zurich" in browser.get("/admin/chat/chat/?q=zurich").content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "/admin/connections/apikey/?sealed__startswith=p",
        "/admin/connections/apikey/?revision=0",
        f"/admin/chat/message/?replay_key__startswith={PLANTED[:3]}",
        "/admin/chat/message/?chat__messages__replay_key__startswith=p",
    ],
)
def test_an_address_cannot_ask_for_what_is_not_shown(browser: Client, rows: list[Model], query: str) -> None:
    answer = browser.get(query)
    assert answer.status_code == 400 or (answer.status_code == 302 and "e=1" in answer["Location"])


@pytest.mark.parametrize("model", [model for model in of_lerix() if model not in NOT_SHOWN])
def test_nothing_can_be_added_deleted_or_changed_but_settings(
    browser: Client, rows: list[Model], model: type[Model]
) -> None:
    (row,) = (row for row in rows if type(row) is model)
    form = {"csrfmiddlewaretoken": forged_for(browser)}
    assert browser.post(address(model, "add"), form).status_code == 403
    assert browser.post(address(model, "delete", row.pk), {**form, "post": "yes"}).status_code == 403
    if model is not Preference:
        assert browser.post(address(model, "change", row.pk), form).status_code == 403
    assert model._default_manager.filter(pk=row.pk).exists()


def forged_for(browser: Client) -> str:
    """Return a token as a page of the admin has it; the browser holds the cookie that belongs to it."""
    Preference.objects.get_or_create(name="theme", defaults={"value": "dark"})
    return token_in(browser.get("/admin/chat/preference/theme/change/"))


def token_in(answer: object) -> str:
    assert isinstance(answer, HttpResponse)
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', answer.content.decode())
    assert found is not None
    return found[1]


def test_a_setting_is_changed_and_counts_at_once(browser: Client, rows: list[Model]) -> None:
    page = "/admin/chat/preference/theme/change/"
    answer = browser.post(page, {"value": '"light"', "csrfmiddlewaretoken": token_in(browser.get(page))}, follow=True)
    assert "was changed successfully" in answer.content.decode()
    assert preferences.current().theme is Theme.LIGHT
    assert "was changed successfully" not in browser.get("/admin/").content.decode()


def test_a_setting_that_means_nothing_is_refused(browser: Client, rows: list[Model]) -> None:
    page = "/admin/chat/preference/theme/change/"
    answer = browser.post(page, {"value": '"pink"', "csrfmiddlewaretoken": token_in(browser.get(page))})
    assert "Please correct the error below" in answer.content.decode()
    assert Preference.objects.get(name="theme").value == "dark"


def test_notes_of_lerix_itself_cannot_be_changed(browser: Client, rows: list[Model]) -> None:
    Preference.objects.create(name="choice", value={"model": "gpt-test"})
    form = {"value": "{}", "csrfmiddlewaretoken": forged_for(browser)}
    assert browser.post("/admin/chat/preference/choice/change/", form).status_code == 403


def test_a_form_without_the_token_is_refused(browser: Client, rows: list[Model]) -> None:
    browser.get("/admin/chat/preference/theme/change/")
    assert browser.post("/admin/chat/preference/theme/change/", {"value": '"light"'}).status_code == 403
    assert Preference.objects.get(name="theme").value == "dark"


@pytest.mark.parametrize("name", ["login", "logout", "password_change", "password_change_done"])
def test_there_is_no_page_to_sign_in_or_out(browser: Client, name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(f"admin:{name}")
    assert browser.get(f"/admin/{name.replace('_', '/')}/").status_code == 404


def test_there_is_no_table_for_users_or_passwords(db: None) -> None:
    tables = connection.introspection.table_names()
    assert [name for name in tables if name.split("_")[0] in WITHOUT_TABLES] == []
    with connection.cursor() as cursor:
        columns = [
            column.name
            for table in tables
            for column in connection.introspection.get_table_description(cursor, table)
        ]
    assert "password" not in columns


def test_pages_of_the_chat_set_no_cookie_of_the_admin(browser: Client) -> None:
    browser.get("/admin/")
    answer = browser.get("/settings/general/")
    assert answer.cookies == {}
    names = " ".join(settings.MIDDLEWARE)
    assert not [word for word in ("session", "message", "csrf", "auth") if word in names.lower()]


# The base class.


@pytest.mark.parametrize("model", [model for model in of_lerix() if model not in NOT_SHOWN])
def test_no_listed_field_is_a_secret(model: type[Model]) -> None:
    pages = site._registry[model]
    assert isinstance(pages, Shown)
    listed = {*(pages.fields or ()), *pages.list_display, *pages.search_fields, *pages.list_filter}
    assert not [name for name in listed if SECRET.search(str(name))]
    binary = {field.name for field in model._meta.get_fields() if isinstance(field, BinaryField)}
    assert not listed & binary


def test_a_page_that_lists_nothing_is_refused() -> None:
    class Bare(Shown):
        pass

    with pytest.raises(ImproperlyConfigured, match="must list its fields"):
        Bare(Chat, site)


@pytest.mark.parametrize(
    ("model", "listed"),
    [
        (ApiKey, {"fields": ("sealed",)}),
        (ApiKey, {"list_display": ("label", "sealed")}),
        (ApiKey, {"search_fields": ("sealed",)}),
        (Message, {"list_filter": ("replay_key",)}),
        (Message, {"fields": ("text", "items")}),
        (Message, {"list_filter": (("state", object),)}),
    ],
)
def test_a_page_that_lists_a_secret_is_refused(model: type[Model], listed: dict[str, object]) -> None:
    plain = {"fields": ("id",), "list_display": ("id",)}
    made: type[Shown] = type("Careless", (Shown,), {**plain, **listed})
    with pytest.raises(ImproperlyConfigured, match="would show"):
        made(model, site)


def test_columns_of_its_own_are_allowed() -> None:
    class Careful(Shown):
        fields = ("label",)
        list_display = ("label", "age")

        @display
        def age(self, key: ApiKey) -> str:
            return "young"

    Careful(ApiKey, site)


# Behind the guard.


def test_the_guard_stands_before_the_admin_and_its_files_are_served() -> None:
    with LerixProcess() as lerix:
        locked = httpx.get(f"{lerix.url}/admin/", headers=TYPED, trust_env=False, timeout=30)
        assert locked.status_code == 403
        assert "Lerix is locked" in locked.text
        with lerix.client() as client:
            page = client.get("/admin/")
            assert page.status_code == 200
            styles = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
            assert any("/admin/css/base.css" in style for style in styles)
            for style in styles:
                answer = client.get(style, headers={"sec-fetch-site": "same-origin", "sec-fetch-dest": "style"})
                assert answer.status_code == 200, style
                assert "immutable" in answer.headers["cache-control"]
        assert lerix.stderr == ""
