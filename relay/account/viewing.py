"""The account as its pages show it, made from what is stored and what the broker said last."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.utils import timezone

from connections.sealing_keys import Place
from relay.account.embedded import EmbeddedBroker
from relay.account.errors import AccountError
from relay.account.keys.errors import KeysError
from relay.account.keys.log import LogDevice, LogState
from relay.account.keys.names import is_hidden, open_name
from relay.account.keys.workspace import WorkspaceKeys
from relay.account.models import Notice
from relay.account.state import AccountView, BrokerView, DeviceView, NoticeView
from relay.account.vault import Keys, Vault
from relay.api.states import AccountState, Info, PlanFacts
from relay.protocol.moments import showable

UNREADABLE = "Unnamed device"


@dataclass(frozen=True)
class Said:
    """What the broker said last, as far as it was believed; in memory only."""

    state: AccountState | None = None
    log: LogState | None = None
    info: Info | None = None
    problem: AccountError | None = None
    digits: str | None = None
    # Why the account is in doubt: stays until a log comes that is believed, whatever else goes wrong meanwhile.
    doubt: AccountError | None = None
    asked: datetime | None = None
    # The length of the log that is stored.
    stored: int | None = None
    # When the log was read last, by a clock that never jumps.
    read: float | None = None
    # Where a new key would be sealed.
    place: Place = Place.FILE


def view_of(vault: Vault, said: Said, embedded: EmbeddedBroker, address: str, fixed: str) -> AccountView:
    """Put it together."""
    row = vault.member
    shown = row or vault.joining or vault.revoked
    keys = vault.opened(row) if row is not None else None
    state = said.state if row is not None else None
    return AccountView(
        signed_in=row is not None,
        email=shown.email if shown is not None else "",
        broker=_broker(said, embedded, address, fixed),
        plan=_plan(state.plan) if state is not None else None,
        plan_until=showable(state.plan_until) if state is not None else None,
        used=state.used if state is not None else 0,
        plans=tuple(map(_plan, said.info.plans)) if said.info is not None else (),
        devices=_devices(said, keys) if keys is not None else (),
        notices=tuple(NoticeView(each.pk, sentence(each), each.device) for each in vault.notices),
        problem=said.problem,
        asked=said.asked,
        digits=said.digits,
        recovery_key_used=row is not None and row.recovery_key_used,
        place=row.kept.place if row is not None else said.place,
        revoked=row is None and vault.revoked is not None,
        unsettled=vault.joining is not None,
    )


def sentence(notice: Notice) -> str:
    """What a notice says."""
    when = f"{timezone.localtime(notice.when):%Y-%m-%d %H:%M}"
    if notice.kind == Notice.Kind.ADDED:
        return (
            f"A new device joined your account: {notice.name}, {when}. "
            "If it was not you, remove it and change your password."
        )
    return f"A device was removed from your account: {notice.name}, {when}. If it was not you, change your password."


def name_of(device: LogDevice, account: bytes, workspace: WorkspaceKeys, state: AccountState | None) -> str:
    """A device's newest name that can be read: the one the broker keeps, else that of the log."""
    renamed = next((each.name for each in state.devices if each.id == device.id), None) if state is not None else None
    for sealed in (renamed, device.name):
        try:
            if sealed is not None:
                return open_name(sealed, workspace, account=account, device=device.id)
        except KeysError:
            continue
    return UNREADABLE


def _devices(said: Said, keys: Keys) -> tuple[DeviceView, ...]:
    log, state = said.log, said.state
    if log is None:
        return ()
    facts = {each.id: each for each in state.devices} if state is not None else {}
    shown = []
    for device in log.active:
        known = facts.get(device.id)
        shown.append(
            DeviceView(
                id=device.id,
                hex=device.id.hex(),
                name=name_of(device, log.account, keys.workspace, state),
                this=device.id == keys.device.id,
                joined=showable(known.created) if known is not None else None,
                seen=showable(known.seen) if known is not None else None,
                signed_out=known is not None and known.signed_out is not None,
                roles=device.roles,
            )
        )
    return tuple(shown)


def _plan(plan: PlanFacts) -> PlanFacts:
    """A plan without what cannot be seen in its name, which is the broker's text, and the only one that is shown."""
    name = "".join(" " if is_hidden(character) else character for character in plan.name)
    return replace(plan, name=" ".join(name.split()) or plan.code)


def _broker(said: Said, embedded: EmbeddedBroker, address: str, fixed: str) -> BrokerView:
    if not address:
        running, problem = embedded.running, None
        if embedded.failed:
            problem = "The account broker on this computer does not start. Lerix tries again by itself."
    else:
        running = said.problem is None and (said.asked is not None or said.info is not None)
        problem = None
    if fixed and fixed != address:
        problem = (
            "LERIX_BROKER_URL names another broker than the one this device is signed in at. It counts once you sign "
            "out."
        )
    return BrokerView(address, not address, running, problem, bool(fixed), said.info)
