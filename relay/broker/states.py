"""What is answered about accounts, plans and the broker itself."""

from relay.api import VERSION
from relay.api.states import MOST_PLANS, AccountState, DeviceState, Info, PlanFacts
from relay.broker import house
from relay.broker.models import Account, Device, LogEntry, Plan, now


def facts_of(plan: Plan) -> PlanFacts:
    """A plan as others see it."""
    return PlanFacts(
        code=plan.code,
        name=plan.name,
        sync_keys=plan.sync_keys,
        sync_chats=plan.sync_chats,
        sync_files=plan.sync_files,
        sync_settings=plan.sync_settings,
        relay=plan.relay,
        quota=plan.quota,
        devices=plan.devices,
    )


def default_plan() -> Plan:
    """The plan of new accounts, and of those whose paid one has ended."""
    return Plan.objects.get(pk=house.installed().default_plan)


def has_ended(account: Account) -> bool:
    """Whether the plan that was given to an account is over."""
    return account.plan_until is not None and account.plan_until <= now()


def plan_of(account: Account) -> Plan:
    """The plan that holds now."""
    return default_plan() if has_ended(account) else account.plan


def state_of(account: Account) -> AccountState:
    """An account as its devices see it; devices that were removed are only in the log."""
    devices = Device.objects.filter(account=account, revoked__isnull=True).order_by("added")
    return AccountState(
        account=bytes.fromhex(account.pk),
        email=account.email,
        revision=account.revision,
        n=account.entries - 1,
        created=account.created,
        plan=facts_of(plan_of(account)),
        plan_until=None if has_ended(account) else account.plan_until,
        used=account.used,
        devices=tuple(
            DeviceState(
                id=bytes.fromhex(device.device),
                created=device.created,
                seen=device.seen,
                signed_out=device.signed_out,
                name=bytes(device.renamed) if device.renamed is not None else None,
            )
            for device in devices
        ),
    )


def log_of(account: Account) -> tuple[bytes, ...]:
    """The account's log, as long as this account row says that it is."""
    rows = LogEntry.objects.filter(account=account, n__lt=account.entries).order_by("n")
    return tuple(bytes(entry) for entry in rows.values_list("entry", flat=True))


def info() -> Info:
    """The broker as everybody sees it."""
    told = house.installed()
    return Info(
        version=told.version,
        api=VERSION,
        embedded=told.embedded,
        sign_up=told.sign_up,
        default_plan=told.default_plan,
        plans=tuple(facts_of(plan) for plan in Plan.objects.all()[:MOST_PLANS]),
    )
