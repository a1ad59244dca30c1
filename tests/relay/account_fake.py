"""An account without keys and without a broker, for tests of its pages: it does what it is told, or refuses."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from connections.changes import Signal
from connections.sealing_keys import Place
from connections.secrets import Secret
from relay.account.errors import AccountError
from relay.account.keys.device import Role
from relay.account.pending import Kind, Pending, Pendings, Step
from relay.account.state import AccountView, BrokerView, DeviceView
from relay.api.states import Info, PlanFacts

FREE = PlanFacts("free", "Free", True, False, False, False, False, 10 * 2**20, 3)
PRO = PlanFacts("pro", "Pro", True, True, True, True, True, 5 * 2**30, 10)
INFO = Info("0.1.0", 1, True, True, "pro", (FREE, PRO))
KEY = "LRX1-7K2M-9QXD-3FHT-W8RB-5NCV-1ZPG-J4YE-6SAK-TM0D"
DIGITS = "04711 90210 31415 27182 16180 14142"
WHEN = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
EMAIL = "ada@example.com"

SIGNED_OUT = AccountView(
    signed_in=False,
    email="",
    broker=BrokerView("", True, True, None, False, INFO),
    plan=None,
    plan_until=None,
    used=0,
    plans=INFO.plans,
    devices=(),
    notices=(),
    problem=None,
    asked=None,
    digits=None,
    recovery_key_used=False,
    place=Place.FILE,
    revoked=False,
    unsettled=False,
)


def device(number: int, name: str, *, this: bool = False, signed_out: bool = False) -> DeviceView:
    """A device of the account."""
    number_id = bytes([number]) * 16
    return DeviceView(number_id, number_id.hex(), name, this, WHEN, WHEN, signed_out, Role.HOST)


SIGNED_IN = replace(
    SIGNED_OUT,
    signed_in=True,
    email=EMAIL,
    plan=FREE,
    used=3 * 2**20,
    devices=(device(1, "Studio", this=True), device(2, "Old <laptop>"), device(3, "Phone", signed_out=True)),
    asked=WHEN,
)


class FakeAccount:
    """Has the face of `relay.account.account.Account`. `refuse` is raised by whatever is asked next."""

    def __init__(self, view: AccountView = SIGNED_OUT) -> None:
        self.view = view
        self.changed = Signal()
        self.refuse: AccountError | None = None
        #: What was asked for, with what.
        self.asked: list[Any] = []
        self.pendings = Pendings()
        self.code: str | None = "12345678"

    def show(self, **facts: Any) -> None:
        """Change what there is to show, and tell the pages."""
        self.view = replace(self.view, **facts)
        self.changed.set()

    def _note(self, name: str, *arguments: Any) -> None:
        self.asked.append((name, arguments))
        refused, self.refuse = self.refuse, None
        if refused is not None:
            raise refused

    def pending(self, pending_id: str) -> Pending | None:
        return self.pendings.find(pending_id)

    def cancel(self, pending_id: str) -> None:
        self.pendings.drop(pending_id)

    async def refresh(self) -> None:
        self._note("refresh")

    async def dismiss(self, notice_id: int) -> None:
        self._note("dismiss", notice_id)
        self.show(notices=tuple(each for each in self.view.notices if each.id != notice_id))

    async def start_creation(self, email: str, password: Secret, device_name: str) -> Pending:
        self._note("start_creation", email, password, device_name)
        return self.pendings.begin(Kind.CREATE, Step.CODE, email, None, code=self.code)

    async def start_recovery(self, email: str) -> Pending:
        self._note("start_recovery", email)
        return self.pendings.begin(Kind.RECOVER, Step.CODE, email, None, code=self.code)

    async def start_erasure(self, email: str) -> Pending:
        self._note("start_erasure", email)
        return self.pendings.begin(Kind.ERASE, Step.CODE, email, None, code=self.code)

    async def enter_code(self, pending_id: str, code: str) -> Pending:
        self._note("enter_code", code)
        pending = self.pendings.find(pending_id)
        assert pending is not None
        step = {Kind.RECOVER: Step.ENTER_KEY, Kind.ERASE: Step.CONFIRM}.get(pending.purpose, Step.SHOW_KEY)
        return self._next(pending_id, step)

    async def resend_code(self, pending_id: str) -> Pending:
        self._note("resend_code")
        return self.pendings.go_on(pending_id, code="87654321" if self.code else None)

    def _next(self, pending_id: str, step: Step, **shown: Any) -> Pending:
        if step is Step.SHOW_KEY:
            shown |= {"recovery_key": Secret(KEY), "retype": (1, 4, 7)}
        return self.pendings.go_on(pending_id, step=step, **shown)

    async def open_recovery(self, pending_id: str, key_text: Secret) -> Pending:
        self._note("open_recovery", key_text)
        return self._next(pending_id, Step.NEW_PASSWORD)

    async def start_recovery_key(self, password: Secret) -> Pending:
        self._note("start_recovery_key", password)
        pending = self.pendings.begin(Kind.RECOVERY_KEY, Step.SHOW_KEY, EMAIL, None)
        return self._next(pending.id, Step.SHOW_KEY)

    async def rekey(self, password: Secret, new_password: Secret, keep: Collection[bytes]) -> Pending:
        self._note("rekey", password, new_password, list(keep))
        pending = self.pendings.begin(Kind.REKEY, Step.SHOW_KEY, EMAIL, None)
        return self._next(pending.id, Step.SHOW_KEY, digits=DIGITS)

    async def finish_creation(self, pending_id: str, retyped: Mapping[int, str]) -> None:
        self._note("finish_creation", dict(retyped))
        self._in(pending_id)

    async def finish_recovery(self, pending_id: str, password: Secret, device_name: str) -> None:
        self._note("finish_recovery", password, device_name)
        self._in(pending_id)

    async def finish_erasure(self, pending_id: str) -> None:
        self._note("finish_erasure")
        self.pendings.drop(pending_id)

    async def finish_recovery_key(self, pending_id: str, retyped: Mapping[int, str]) -> None:
        self._note("finish_recovery_key", dict(retyped))
        self.pendings.drop(pending_id)

    async def finish_rekey(self, pending_id: str, retyped: Mapping[int, str]) -> None:
        self._note("finish_rekey", dict(retyped))
        self.pendings.go_on(pending_id, step=Step.DONE, recovery_key=None)

    def _in(self, pending_id: str) -> None:
        self.pendings.drop(pending_id)
        self.view = SIGNED_IN
        self.changed.set()

    async def sign_in(self, email: str, password: Secret, device_name: str, remove: Collection[bytes] = ()) -> None:
        self._note("sign_in", email, password, device_name, list(remove))
        self.view = SIGNED_IN
        self.changed.set()

    async def change_password(self, old: Secret, new: Secret) -> None:
        self._note("change_password", old, new)

    async def revoke(self, password: Secret, devices: Collection[bytes]) -> None:
        self._note("revoke", password, list(devices))
        self.show(devices=tuple(each for each in self.view.devices if each.id not in devices))

    async def rename(self, device: bytes, name: str) -> None:
        self._note("rename", device, name)

    async def trust(self, equal: bool, digits: str) -> None:
        self._note("trust", equal, digits)
        self.show(digits=None)

    async def sign_out(self) -> None:
        self._note("sign_out")
        self.show(signed_in=False, email="")

    async def sign_out_everywhere(self, password: Secret) -> None:
        self._note("sign_out_everywhere", password)
        self.show(signed_in=False, email="")

    async def delete(self, password: Secret) -> None:
        self._note("delete", password)
        self.show(signed_in=False, email="")

    async def set_broker(self, address: str) -> None:
        self._note("set_broker", address)
        self.show(broker=replace(self.view.broker, address=address, embedded=not address))
