"""Creation, update and deletion of accounts, each whole or not at all."""

from typing import Any

from django.db import transaction

from relay.account.keys.flows import AccountUpdate
from relay.api import Problem, Purpose
from relay.api.messages import Creation
from relay.api.states import AccountState
from relay.broker import audit, digests, house, limits, tickets, tokens
from relay.broker.calls import Call
from relay.broker.limits import HOUR, MINUTE, counted
from relay.broker.models import Account, Device, LogEntry, Ticket, Token, TokenKind, hexadecimal, now
from relay.broker.refusals import Refused
from relay.broker.states import default_plan, log_of, plan_of, state_of
from relay.broker.updates import Checked, check


def create(call: Call, message: Creation) -> AccountState:
    """Make an account for the address of a confirmed ticket; asked again, answer the same.

    Raises Refused(SIGN_UP_CLOSED, TICKET_ENDED, UPDATE_REFUSED, PLAN_DEVICES).
    """
    update = message.update
    ticket = tickets.confirmed(message.ticket, Purpose.CREATE)
    if not ticket.used and not house.installed().sign_up:
        raise Refused(Problem.SIGN_UP_CLOSED)
    checked = None if ticket.used else check(update, (), None)
    with transaction.atomic():
        ticket = tickets.confirmed(message.ticket, Purpose.CREATE, locked=True)
        if ticket.used or checked is None:
            return state_of(_made_before(ticket, update))
        if Account.objects.filter(email=ticket.email).exists():
            raise Refused(Problem.TICKET_ENDED)
        if Account.objects.filter(pk=hexadecimal(update.account)).exists():
            raise Refused(Problem.UPDATE_REFUSED)
        account = Account(
            pk=hexadecimal(update.account), email=ticket.email, entries=0, plan=default_plan(), created=now()
        )
        _fill(account, update, checked)
        account.save(force_insert=True)
        _take_devices(account, checked)
        _take_entries(account, update)
        ticket.used = account.pk
        ticket.save(update_fields=("used",))
        tickets.end_others(account.email, but=ticket)
        audit.note("account-created", account=account.pk, network=call.network)
        return state_of(account)


def update(call: Call, message: AccountUpdate) -> AccountState:
    """Replace what an update replaces, if the account is still what the device thinks.

    Raises Refused(TOKEN_ENDED, CONFLICT, UPDATE_REFUSED, PLAN_DEVICES, SLOW_DOWN).
    """
    token = tokens.find(call.authorization, TokenKind.UNLOCK)
    if hexadecimal(message.account) != token.account_id:
        raise Refused(Problem.UPDATE_REFUSED)
    _pace(token.account)
    _expect(token.account, message)
    checked = check(message, log_of(token.account), token.account)
    with transaction.atomic():
        account = Account.objects.select_for_update().filter(pk=token.account_id).first()
        # Deleted, or opened to somebody else, since the first look.
        if account is None or not Token.objects.filter(pk=token.pk).exists():
            raise Refused(Problem.TOKEN_ENDED)
        _expect(account, message)
        _fill(account, message, checked)
        account.save()
        _take_devices(account, checked)
        _take_entries(account, message)
        if message.auth is not None:
            tokens.end_all(account, but=token)
            tickets.end_others(account.email)
        audit.note("account-updated", account=account.pk, network=call.network, **_changes(message, checked))
        return state_of(account)


def delete(call: Call) -> None:
    """Delete the account and all that belongs to it. Raises Refused(TOKEN_ENDED)."""
    token = tokens.find(call.authorization, TokenKind.UNLOCK)
    with transaction.atomic():
        _delete(token.account, "account-deleted", call)
        Ticket.objects.filter(email=token.account.email).delete()


@transaction.atomic
def erase(call: Call, ticket_token: str) -> None:
    """Delete the account of a confirmed ticket's address; asked again, do nothing. Raises Refused(TICKET_ENDED)."""
    ticket = tickets.confirmed(ticket_token, Purpose.ERASE, locked=True)
    if ticket.used:
        return
    account = Account.objects.filter(email=ticket.email).first()
    if account is None:
        raise Refused(Problem.TICKET_ENDED)
    _delete(account, "account-erased", call)
    ticket.used = account.pk
    ticket.save(update_fields=("used",))
    tickets.end_others(ticket.email, but=ticket)


def _delete(account: Account, kind: str, call: Call) -> None:
    audit.note(kind, account=account.pk, network=call.network)
    Account.objects.filter(pk=account.pk).delete()


def _made_before(ticket: Ticket, update: AccountUpdate) -> Account:
    account = Account.objects.select_related("plan").filter(pk=ticket.used, email=ticket.email).first()
    if account is None or account.pk != hexadecimal(update.account):
        raise Refused(Problem.TICKET_ENDED)
    return account


@counted
def _pace(account: Account) -> None:
    limits.spend("updates", account.email, limits.UPDATES, MINUTE)
    limits.spend("updates-hour", account.email, limits.UPDATES_OF_HOUR, HOUR)


def _expect(account: Account, message: AccountUpdate) -> None:
    if account.revision != message.expected:
        raise Refused(Problem.CONFLICT, revision=account.revision)


def _fill(account: Account, message: AccountUpdate, checked: Checked) -> None:
    account.revision = message.revision
    account.suite, account.salt = checked.header.suite, checked.header.salt
    account.by_password, account.by_recovery = message.bundle.by_password, message.bundle.by_recovery
    if message.auth is not None:
        account.auth_digest = digests.of_auth(message.auth)
    if message.recovery is not None:
        account.recovery_digest = digests.of_recovery(message.recovery.auth)
        account.recovery_public, account.recovery_anchor = message.recovery.public, message.recovery.anchor
    account.entries += len(message.entries)


def _take_entries(account: Account, message: AccountUpdate) -> None:
    LogEntry.objects.bulk_create(
        LogEntry(account=account, n=message.position + at, entry=entry) for at, entry in enumerate(message.entries)
    )


def _take_devices(account: Account, checked: Checked) -> None:
    moment = now()
    gone = [hexadecimal(device) for device in checked.left]
    leaving = Device.objects.filter(account=account, device__in=gone)
    leaving.update(revoked=moment)
    Token.objects.filter(device__in=leaving).delete()
    Device.objects.bulk_create(
        Device(
            account=account,
            device=hexadecimal(listed.id),
            agreement=listed.public.agreement,
            signing=listed.public.signing,
            roles=int(listed.roles),
            added=listed.added,
            name=listed.name,
            created=moment,
            revoked=None if listed.revoked is None else moment,
        )
        for listed in checked.joined
    )
    active = Device.objects.filter(account=account, revoked__isnull=True, signed_out__isnull=True).count()
    if checked.joined and active > plan_of(account).devices:
        raise Refused(Problem.PLAN_DEVICES)


def _changes(message: AccountUpdate, checked: Checked) -> dict[str, Any]:
    """What an update changed, for the audit log."""
    return {
        "revision": message.revision,
        "joined": [hexadecimal(listed.id)[:8] for listed in checked.joined],
        "removed": [hexadecimal(device)[:8] for device in checked.left],
        "password": message.auth is not None,
        "recovery_key": message.recovery is not None,
        "signing_key": checked.rekeyed,
    }
