"""Tokens: given out once, kept as digests, ended by time, by the account's changes and by sign-out."""

from datetime import timedelta
from typing import Final

from django.db.models import Q

from relay.api import SESSION_SECONDS, UNLOCK_SECONDS, Problem
from relay.api.fields import MessageMalformed
from relay.api.messages import Session
from relay.broker.digests import new_token, of_token
from relay.broker.models import Account, Device, Token, TokenKind, now
from relay.broker.refusals import Refused

#: Tokens of one kind that an account, or a device, has at once; the oldest makes room.
MOST: Final = {TokenKind.UNLOCK: 20, TokenKind.SESSION: 5}
#: How exact a device's last time is.
SEEN_STEP: Final = timedelta(minutes=1)
BEARER: Final = "Bearer "


def unlock(account: Account) -> str:
    """Give out the right to change an account, in a transaction."""
    return _give(account, None, TokenKind.UNLOCK, UNLOCK_SECONDS).token


def session(account: Account, device: Device) -> Session:
    """Give out the right of a device that proved itself, in a transaction."""
    return _give(account, device, TokenKind.SESSION, SESSION_SECONDS)


def find(authorization: str, *kinds: TokenKind) -> Token:
    """Return the token that a request names, with its account and device. Raises Refused(TOKEN_ENDED)."""
    try:
        digest = of_token(authorization.removeprefix(BEARER)) if authorization.startswith(BEARER) else ""
    except MessageMalformed:
        digest = ""
    found = Token.objects.select_related("account", "account__plan", "device").defer(
        "account__by_password", "account__by_recovery"
    )
    token = found.filter(digest=digest, kind__in=kinds, expires__gt=now()).first()
    if token is None:
        raise Refused(Problem.TOKEN_ENDED)
    if token.device is not None:
        _seen(token.device)
    return token


def end_all(account: Account, but: Token) -> None:
    """End every other token of an account."""
    account.tokens.exclude(pk=but.pk).delete()


def _give(account: Account, device: Device | None, kind: TokenKind, seconds: int) -> Session:
    moment = now()
    text, digest = new_token()
    expires = moment + timedelta(seconds=seconds)
    Token.objects.create(
        digest=digest, kind=kind, account=account, device=device, created=moment, expires=expires
    )
    mine = Token.objects.filter(account=account, device=device, kind=kind).order_by("-created", "pk")
    kept = list(mine.values_list("pk", flat=True)[: MOST[kind]])
    mine.exclude(pk__in=kept).delete()
    return Session(text, expires)


def _seen(device: Device) -> None:
    moment = now()
    # One statement that decides for itself: requests of one device come side by side.
    late = Q(seen__isnull=True) | Q(seen__lt=moment - SEEN_STEP)
    if device.seen is None or device.seen < moment - SEEN_STEP:
        Device.objects.filter(late, pk=device.pk).update(seen=moment)
        device.seen = moment
