"""Accounts are created, changed and deleted, each whole or not at all."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from connections.secrets import Secret
from relay.account.keys import flows
from relay.account.keys.bundle import SealedBundle
from relay.account.keys.device import EVERY_ROLE
from relay.account.keys.flows import AccountUpdate
from relay.api import Problem, Purpose
from relay.api.fields import decode
from relay.api.messages import update_to_json
from relay.api.states import AccountState
from tests.relay.broker.desk import NEW_PASSWORD, PASSWORD, Desk, Person, is_refused, new_address, refused


def creation(email: str) -> AccountUpdate:
    return flows.create(email, Secret(PASSWORD), "Ada’s Mac", EVERY_ROLE).update


def test_an_account_is_created_opened_and_read(desk: Desk) -> None:
    person = desk.create()
    state = desk.account(person.session())
    assert (state.account, state.email, state.revision, state.n, state.used) == (person.account, person.email, 1, 2, 0)
    assert (state.plan.code, state.plan_until) == ("free", None)
    assert [device.id for device in state.devices] == [person.device.id]
    token, unlocked = person.unlock()
    assert unlocked.log.n == 2
    assert replace(desk.account(token), devices=()) == replace(state, devices=())
    log = desk.ask("GET", "log", token=token).json()["entries"]
    assert [decode(entry) for entry in log] == list(person.created.update.entries)


def test_a_creation_whose_answer_was_lost_is_sent_again_and_answered_alike(desk: Desk) -> None:
    email = new_address()
    ticket = desk.confirmed(email, Purpose.CREATE)
    update = creation(email)
    first, second = desk.send_creation(ticket, update), desk.send_creation(ticket, update)
    assert (first.status_code, second.status_code) == (201, 201)
    assert AccountState.from_json(first.json()) == AccountState.from_json(second.json())
    assert is_refused(desk.send_creation(ticket, creation(email)), Problem.TICKET_ENDED, 401)


def test_the_same_creation_sent_twice_at_once_makes_one_account(desk: Desk) -> None:
    email = new_address()
    ticket, update = desk.confirmed(email, Purpose.CREATE), creation(email)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: desk.send_creation(ticket, update), range(4)))
    assert [answer.status_code for answer in answers] == [201] * 4
    assert desk.broker.sql("SELECT count(*) FROM broker_account WHERE email = ?", email) == [(1,)]
    assert desk.broker.sql(
        "SELECT count(*) FROM broker_logentry WHERE account_id = ?", update.account.hex()
    ) == [(3,)]


def test_an_account_needs_a_ticket_whose_code_was_entered(desk: Desk) -> None:
    email = new_address()
    update = creation(email)
    for ticket in (
        desk.ticket(email, Purpose.CREATE),
        "A" * 43,
        desk.create().desk.confirmed(desk.create().email, Purpose.RECOVER),
    ):
        assert is_refused(desk.send_creation(ticket, update), Problem.TICKET_ENDED, 401)
    old = desk.confirmed(email, Purpose.CREATE)
    desk.broker.sql("UPDATE broker_ticket SET expires = datetime(expires, '-61 minutes') WHERE email = ?", email)
    assert is_refused(desk.send_creation(old, update), Problem.TICKET_ENDED, 401)


def test_of_two_confirmed_tickets_for_one_address_only_one_makes_an_account(desk: Desk) -> None:
    email = new_address()
    first, second = desk.confirmed(email, Purpose.CREATE), desk.confirmed(email, Purpose.CREATE)
    assert desk.send_creation(first, creation(email)).status_code == 201
    assert is_refused(desk.send_creation(second, creation(email)), Problem.TICKET_ENDED, 401)


def test_nobody_takes_the_id_of_another_account(desk: Desk) -> None:
    victim = desk.create()
    email = new_address()
    ticket = desk.confirmed(email, Purpose.CREATE)
    assert is_refused(desk.send_creation(ticket, victim.created.update), Problem.UPDATE_REFUSED, 422)
    assert desk.account(victim.session()).email == victim.email


def shortened(bundle: SealedBundle) -> SealedBundle:
    return SealedBundle(bundle.by_password[:20], bundle.by_recovery[:20])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda update: replace(update, expected=1, revision=2),
        lambda update: replace(update, position=1),
        lambda update: replace(update, entries=()),
        lambda update: replace(update, entries=update.entries[:-1]),
        lambda update: replace(update, entries=update.entries[::-1]),
        lambda update: replace(update, entries=(update.entries[0][:-1] + b"x", *update.entries[1:])),
        lambda update: replace(update, account=bytes(16)),
        lambda update: replace(update, bundle=shortened(update.bundle)),
        lambda update: replace(
            update, bundle=SealedBundle(update.bundle.by_password, creation("a@example.com").bundle.by_recovery)
        ),
    ],
)
def test_a_creation_against_the_rules_makes_nothing(desk: Desk, spoil: object) -> None:
    assert callable(spoil)
    email = new_address()
    ticket, update = desk.confirmed(email, Purpose.CREATE), creation(email)
    assert is_refused(desk.send_creation(ticket, spoil(update)), Problem.UPDATE_REFUSED, 422)
    assert desk.send_creation(ticket, update).status_code == 201


def test_a_device_joins(desk: Desk) -> None:
    person = desk.create()
    joined = person.join()
    state = desk.account(desk.session(person.account, joined.device))
    assert [device.id for device in state.devices] == [person.device.id, joined.device.id]
    assert (state.revision, state.n) == (2, 3)


def test_an_update_for_an_older_state_is_told_the_newer_revision(desk: Desk) -> None:
    person = desk.create()
    token, before = person.unlock()
    first, second = flows.add_device(before, "A", EVERY_ROLE), flows.add_device(before, "B", EVERY_ROLE)
    assert desk.update(first.update, token).status_code == 200
    answer = desk.update(second.update, token)
    assert is_refused(answer, Problem.CONFLICT, 409)
    assert answer.json()["revision"] == 2
    assert [device.id for device in desk.account(token).devices] == [person.device.id, first.device.id]


def test_of_updates_that_come_at_once_exactly_one_wins(desk: Desk) -> None:
    person = desk.create()
    token, before = person.unlock()
    updates = [flows.add_device(before, f"Device {number}", EVERY_ROLE).update for number in range(6)]
    together = threading.Barrier(len(updates))

    def send(update: AccountUpdate) -> httpx.Response:
        together.wait()
        return desk.update(update, token)

    with ThreadPoolExecutor(len(updates)) as threads:
        answers = list(threads.map(send, updates))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]
    state = desk.account(token)
    assert (state.revision, state.n, len(state.devices)) == (2, 3, 2)
    won = next(update for update, answer in zip(updates, answers, strict=True) if answer.status_code == 200)
    kept = desk.broker.sql("SELECT by_password FROM broker_account WHERE id = ?", person.account.hex())
    assert kept == [(won.bundle.by_password,)]
    assert person.unlock()[1].log.n == 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda update, other: replace(update, account=other.account),
        lambda update, other: replace(update, position=update.position + 1),
        lambda update, other: replace(update, revision=update.revision + 1),
        lambda update, other: replace(update, entries=()),
        lambda update, other: replace(update, entries=(*update.entries, *update.entries)),
        lambda update, other: replace(update, entries=other.created.update.entries),
        lambda update, other: replace(update, bundle=other.created.update.bundle),
    ],
)
def test_an_update_against_the_rules_changes_nothing(desk: Desk, spoil: object) -> None:
    assert callable(spoil)
    person, other = desk.create(), desk.create()
    token, before = person.unlock()
    update = flows.revoke_devices(before, [person.device.id]).update
    spoiled = spoil(update, other)
    if spoiled.entries == ():
        # Revoked devices and a new epoch, said in the bundle only.
        assert spoiled.bundle.header.epoch == 1
    assert is_refused(desk.update(spoiled, token), Problem.UPDATE_REFUSED, 422)
    assert desk.account(token).revision == 1
    assert desk.update(update, token).status_code == 200


def test_a_new_password_opens_ends_all_other_tokens_and_the_old_one_opens_nothing(desk: Desk) -> None:
    person = desk.create()
    session, (other, _), (token, before) = person.session(), person.unlock(), person.unlock()
    changed = flows.change_password(before, person.email, Secret(NEW_PASSWORD))
    assert desk.update(changed.update, token).status_code == 200
    assert desk.account(token).revision == 2
    for ended in (session, other):
        assert is_refused(desk.ask("GET", "account", token=ended), Problem.TOKEN_ENDED, 401)
    assert is_refused(desk.log_in(person.email, PASSWORD), Problem.WRONG_LOGIN, 401)
    assert desk.log_in(person.email, NEW_PASSWORD).status_code == 200
    assert desk.prove(person.account, person.device).status_code == 201


def test_another_salt_needs_another_key(desk: Desk) -> None:
    person = desk.create()
    token, before = person.unlock()
    changed = flows.change_password(before, person.email, Secret(NEW_PASSWORD)).update
    assert is_refused(desk.update(replace(changed, auth=None), token), Problem.UPDATE_REFUSED, 422)
    assert desk.log_in(person.email).status_code == 200


def test_a_new_signing_key_needs_a_new_password_and_recovery_key(desk: Desk) -> None:
    person = desk.create()
    token, before = person.unlock()
    rekeyed = flows.rekey(before, person.email, Secret(NEW_PASSWORD), [person.device.id]).update
    for less in (replace(rekeyed, recovery=None), replace(rekeyed, auth=None)):
        assert is_refused(desk.update(less, token), Problem.UPDATE_REFUSED, 422)
    assert desk.update(rekeyed, token).status_code == 200
    assert person.unlock(NEW_PASSWORD)[1].log.signing_key == rekeyed_key(rekeyed)


def rekeyed_key(update: AccountUpdate) -> bytes:
    """The key in the first entry of an update that only renews it."""
    return update.entries[0][44:76]


def test_a_removed_device_loses_its_session_and_its_right_to_prove_itself(desk: Desk) -> None:
    person = desk.create()
    joined = person.join()
    session = desk.session(person.account, joined.device)
    token, before = person.unlock()
    assert desk.update(flows.revoke_devices(before, [joined.device.id]).update, token).status_code == 200
    assert is_refused(desk.ask("GET", "account", token=session), Problem.TOKEN_ENDED, 401)
    assert is_refused(desk.prove(person.account, joined.device), Problem.DEVICE_REFUSED, 401)
    state = desk.account(person.session())
    assert [device.id for device in state.devices] == [person.device.id]


def test_a_plan_has_room_for_so_many_devices_and_signed_out_ones_take_none(desk: Desk) -> None:
    person = desk.create()
    second, third = person.join(), person.join()
    token, before = person.unlock()
    fourth = flows.add_device(before, "Fourth", EVERY_ROLE)
    assert is_refused(desk.update(fourth.update, token), Problem.PLAN_DEVICES, 403)
    assert (desk.account(token).revision, len(desk.account(token).devices)) == (3, 3)
    leaving = desk.session(person.account, second.device)
    assert desk.post("sign-out", token=leaving).status_code == 204
    assert desk.update(fourth.update, token).status_code == 200
    token, before = person.unlock()
    # A revocation needs no room.
    assert desk.update(flows.revoke_devices(before, [third.device.id]).update, token).status_code == 200


def test_a_session_may_read_but_not_change_or_delete(desk: Desk) -> None:
    person = desk.create()
    _, before = person.unlock()
    update = flows.add_device(before, "B", EVERY_ROLE).update
    for token in (person.session(), "A" * 43, None):
        refusals = [desk.post("update", update_to_json(update), token), desk.ask("DELETE", "account", token=token)]
        assert [refused(answer) for answer in refusals] == [(401, Problem.TOKEN_ENDED.value)] * 2
    assert desk.account(person.session()).revision == 1


def test_an_unlocked_account_ends_after_ten_minutes(desk: Desk) -> None:
    person = desk.create()
    token, before = person.unlock()
    [(seconds,)] = desk.broker.sql(
        "SELECT round((julianday(expires) - julianday('now')) * 86400) FROM broker_token "
        "WHERE account_id = ? AND kind = 'unlock'",
        person.account.hex(),
    )
    assert 590 <= seconds <= 600
    desk.broker.sql(
        "UPDATE broker_token SET expires = datetime(expires, '-10 minutes') WHERE account_id = ?",
        person.account.hex(),
    )
    update = flows.add_device(before, "B", EVERY_ROLE).update
    assert is_refused(desk.update(update, token), Problem.TOKEN_ENDED, 401)


def test_a_deleted_account_is_gone_with_all_that_belongs_to_it(desk: Desk) -> None:
    person = desk.create()
    person.join()
    session, (token, _) = person.session(), person.unlock()
    assert desk.ask("DELETE", "account", token=token).status_code == 204
    for each in (session, token):
        assert is_refused(desk.ask("GET", "account", token=each), Problem.TOKEN_ENDED, 401)
    assert is_refused(desk.log_in(person.email), Problem.WRONG_LOGIN, 401)
    for table in ("logentry", "device", "token"):
        rows = desk.broker.sql(f"SELECT count(*) FROM broker_{table} WHERE account_id = ?", person.account.hex())
        assert rows == [(0,)]
    assert desk.create(person.email).account != person.account


def test_who_lost_both_keys_erases_the_account_by_a_code_and_starts_again(desk: Desk) -> None:
    person = desk.create()
    unconfirmed = desk.ticket(person.email, Purpose.ERASE)
    assert is_refused(desk.post("erase", {"ticket": unconfirmed}), Problem.TICKET_ENDED, 401)
    ticket = desk.confirmed(person.email, Purpose.ERASE)
    assert desk.post("erase", {"ticket": ticket}).status_code == 204
    again: Person = desk.create(person.email)
    # The answer was lost: nothing more is erased, and surely not the new account.
    assert desk.post("erase", {"ticket": ticket}).status_code == 204
    assert desk.account(again.session()).account == again.account


def test_a_ticket_for_one_thing_is_no_ticket_for_another(desk: Desk) -> None:
    person = desk.create()
    recover = desk.confirmed(person.email, Purpose.RECOVER)
    assert is_refused(desk.post("erase", {"ticket": recover}), Problem.TICKET_ENDED, 401)
    erase = desk.confirmed(person.email, Purpose.ERASE)
    assert is_refused(person.recover(erase, person.created.recovery_key), Problem.TICKET_ENDED, 401)
