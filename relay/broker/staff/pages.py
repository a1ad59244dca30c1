"""The pages of each model. Every page lists its fields: what a model gets later is not shown by itself.

Digests, salts, sealed bundles and names, and devices' keys are in none of them; they would tell nobody anything.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.contrib.admin import ModelAdmin, TabularInline, action, display
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat

from relay.account.keys.device import Role
from relay.api.states import MOST_PLANS
from relay.broker import audit, house, states
from relay.broker.models import Account, AuditEntry, Counter, Device, Plan, Ticket, now

#: A device that was heard of within this time counts as being there.
PRESENT: Final = timedelta(minutes=2)
NOT_SHOWN: Final = (
    "auth_digest",
    "recovery_digest",
    "recovery_public",
    "recovery_anchor",
    "by_password",
    "by_recovery",
)

if TYPE_CHECKING:  # Django's classes take no parameters, its types do
    Accounts = ModelAdmin[Account]
    Plans = ModelAdmin[Plan]
    Devices = ModelAdmin[Device]
    Limits = ModelAdmin[Counter]
    Audit = ModelAdmin[AuditEntry]
    DeviceLines = TabularInline[Device, Account]
else:
    Accounts = Plans = Devices = Limits = Audit = ModelAdmin
    DeviceLines = TabularInline


class ReadOnly:
    """Nothing is added, changed or deleted here."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def presence(device: Device) -> str:
    """Where a device stands, in a word."""
    if device.revoked is not None:
        return "removed"
    if device.signed_out is not None:
        return "signed out"
    return "here" if device.seen is not None and now() - device.seen < PRESENT else "away"


def roles(device: Device) -> str:
    """What a device may be, in words."""
    return " and ".join(str(role.name).lower() for role in Role if role & device.roles)


class DevicesOfAccount(ReadOnly, DeviceLines):
    """An account's devices, on its page."""

    model = Device
    extra = 0
    fields = ("device", "what", "created", "seen", "state")
    readonly_fields = ("what", "state")
    show_change_link = False

    @display(description="roles")
    def what(self, device: Device) -> str:
        return roles(device)

    @display(description="presence")
    def state(self, device: Device) -> str:
        return presence(device)


class AccountPages(Accounts):
    """Accounts: their plan can be changed, and they can be deleted with all that belongs to them."""

    list_display = ("email", "plan_now", "plan_until", "active", "storage", "created")
    list_select_related = ("plan",)
    list_filter = ("plan",)
    list_per_page = 50
    search_fields = ("email",)
    search_help_text = "E-mail address"
    fields = ("email", "id", "plan", "plan_until", "plan_now", "storage", "revision", "entries", "created")
    readonly_fields = ("email", "id", "plan_now", "storage", "revision", "entries", "created")
    inlines = (DevicesOfAccount,)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        there = Q(devices__revoked__isnull=True, devices__signed_out__isnull=True)
        counted = super().get_queryset(request).annotate(active_devices=Count("devices", filter=there))
        return counted.defer(*NOT_SHOWN)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @display(description="plan now")
    def plan_now(self, account: Account) -> str:
        return f"{states.default_plan()} (the given one has ended)" if states.has_ended(account) else str(account.plan)

    @display(description="devices")
    def active(self, account: Any) -> int:
        return int(account.active_devices)

    @display(description="storage used", ordering="used")
    def storage(self, account: Account) -> str:
        return f"{filesizeformat(account.used)} of {filesizeformat(states.plan_of(account).quota)}"

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        # Only these: a device may have replaced the rest since the page was opened.
        obj.save(update_fields=("plan", "plan_until"))
        until = obj.plan_until.isoformat() if obj.plan_until else None
        staff = request.user.get_username()
        audit.note("plan-changed", account=obj.pk, staff=staff, plan=obj.plan_id, until=until)

    def delete_model(self, request: HttpRequest, obj: Account) -> None:
        audit.note("account-deleted", account=obj.pk, staff=request.user.get_username())
        Account.objects.filter(pk=obj.pk).delete()
        Ticket.objects.filter(email=obj.email).delete()

    def log_change(self, request: HttpRequest, obj: Account, message: Any) -> Any:
        """Our own audit log has it; Django's would keep the address of an account that is gone."""

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Account]) -> Any:
        """As for changes."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[Any], dict[str, int], set[str], Any]:
        """Say how much goes, not each row of it."""
        accounts = list(objs)
        counts = {
            "devices": Device.objects.filter(account__in=accounts).count(),
            "log entries": sum(account.entries for account in accounts),
        }
        return [str(account) for account in accounts], counts, set(), []


class PlanPages(Plans):
    """Plans: what each has."""

    list_display = (
        "name",
        "code",
        "sync_keys",
        "sync_chats",
        "sync_files",
        "sync_settings",
        "relay",
        "space",
        "devices",
        "holders",
    )
    fields = (
        "code",
        "name",
        "sync_keys",
        "sync_chats",
        "sync_files",
        "sync_settings",
        "relay",
        "quota",
        "devices",
        "position",
    )
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        return super().get_queryset(request).annotate(accounts_now=Count("accounts"))

    def get_readonly_fields(self, request: HttpRequest, obj: Plan | None = None) -> tuple[str, ...]:
        return ("code",) if obj is not None else ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and Plan.objects.count() < MOST_PLANS

    def has_delete_permission(self, request: HttpRequest, obj: Plan | None = None) -> bool:
        needed = obj is not None and obj.pk == house.installed().default_plan
        return super().has_delete_permission(request, obj) and not needed

    @display(description="quota", ordering="quota")
    def space(self, plan: Plan) -> str:
        return filesizeformat(plan.quota)

    @display(description="accounts")
    def holders(self, plan: Any) -> int:
        return int(plan.accounts_now)

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        changed = sorted(form.changed_data)
        audit.note("plan-edited", staff=request.user.get_username(), plan=obj.pk, changed=changed)


class DevicePages(ReadOnly, Devices):
    """Devices of all accounts, to look at."""

    list_display = ("account", "device", "what", "created", "seen", "state")
    list_display_links = ("device",)
    list_per_page = 50
    search_fields = ("account__email", "device")
    search_help_text = "E-mail address or device"
    fields = ("account", "device", "what", "created", "seen", "state", "signed_out", "revoked")
    readonly_fields = fields
    ordering = ("-seen",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        hidden = [f"account__{name}" for name in NOT_SHOWN]
        return super().get_queryset(request).select_related("account").defer(*hidden)

    @display(description="roles")
    def what(self, device: Device) -> str:
        return roles(device)

    @display(description="presence")
    def state(self, device: Device) -> str:
        return presence(device)


class LimitPages(ReadOnly, Limits):
    """Who is counted for what, and the means to begin anew."""

    list_display = ("kind", "subject", "count", "since", "ends")
    list_display_links = None
    list_filter = ("kind",)
    list_per_page = 50
    search_fields = ("subject",)
    search_help_text = "E-mail address or network"
    actions = ("reset",)
    fields = ("kind", "subject", "count", "since", "ends")

    @action(description="Reset the selected limits", permissions=["view"])
    def reset(self, request: HttpRequest, chosen: QuerySet[Counter]) -> None:
        for row in chosen:
            audit.note("limit-reset", staff=request.user.get_username(), limit=row.kind, subject=row.subject)
        count = chosen.count()
        chosen.delete()
        self.message_user(request, "1 limit was reset." if count == 1 else f"{count} limits were reset.")


class AuditPages(ReadOnly, Audit):
    """The audit log, to look at."""

    list_display = ("time", "kind", "whose", "network", "what")
    list_display_links = None
    list_filter = ("kind",)
    list_per_page = 100
    search_fields = ("account", "network")
    search_help_text = "E-mail address, account or network"
    date_hierarchy = "time"
    fields = ("time", "kind", "account", "network", "details")

    @display(description="account")
    def whose(self, entry: AuditEntry) -> str:
        return entry.account[:8]

    @display(description="details")
    def what(self, entry: AuditEntry) -> str:
        return ", ".join(f"{name}: {_plain(value)}" for name, value in entry.details.items())

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        if "@" in search_term:
            found: Iterable[str] = Account.objects.filter(email__icontains=search_term).values_list("pk", flat=True)
            return queryset.filter(account__in=list(found)), False
        return super().get_search_results(request, queryset, search_term)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
