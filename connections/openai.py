"""The access path of one OpenAI API key: requests go straight to the platform API."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Final

import httpx

from connections.catalogue import Catalogue, Model
from connections.client import Limits, ModelAPI
from connections.codex.auth import plain_address
from connections.codex.watch import Broadcast, Sleep, utc_now
from connections.errors import (
    AccessError,
    CatalogueUnreadable,
    ConnectTimedOut,
    ForeignAddress,
    RateLimited,
    RegionRefused,
    RequestRefused,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from connections.key_errors import (
    CreditUsedUp,
    KeyNotAllowed,
    KeyRefused,
    KeyUnreadable,
    SealedKeyDamaged,
    SealingKeyAway,
    SealingKeyGone,
    for_key,
)
from connections.openai_models import decode_models
from connections.responses import AnswerEvent, Ask, RequestForm, build_request
from connections.secrets import Secret
from connections.status import NextStep, Status

#: Gives the key. Raises KeyUnreadable when it cannot be opened.
Credential = Callable[[], Awaitable[Secret]]

# Seconds for the whole list of models: somebody waits for it at a dialog.
LIST_SECONDS: Final = 20.0

_READY = ("Ready", "OpenAI accepts this API key.")
# Pill, sentence and next step of each state that is not ready, by its code.
_STATES: Final[Mapping[str, tuple[str, str, NextStep]]] = {
    KeyRefused.code: (
        "Key refused",
        "OpenAI no longer accepts this API key. Replace it with a new one.",
        NextStep.REPLACE_KEY,
    ),
    KeyNotAllowed.code: (
        "Not allowed",
        (
            "OpenAI does not allow this API key to list models or to answer. "
            "Check its permissions at platform.openai.com, then check again."
        ),
        NextStep.REPLACE_KEY,
    ),
    CreditUsedUp.code: (
        "No credit left",
        "The OpenAI account of this key has no credit left. Add credit at platform.openai.com, then check again.",
        NextStep.ADD_CREDIT,
    ),
    RegionRefused.code: (
        "Not served here",
        "OpenAI does not serve the country this connection comes from.",
        NextStep.RETRY,
    ),
    SealingKeyGone.code: (
        "Enter the key again",
        (
            "The key that opens this stored API key is gone, so Lerix cannot read it. Nothing was deleted. "
            "Enter the API key again."
        ),
        NextStep.REPLACE_KEY,
    ),
    SealedKeyDamaged.code: (
        "Enter the key again",
        "What is stored of this API key is damaged, so Lerix cannot read it. Enter the API key again.",
        NextStep.REPLACE_KEY,
    ),
    SealingKeyAway.code: (
        "Locked",
        "The place that keeps the key to this API key does not answer. Unlock the system keyring, then check again.",
        # Not RETRY, which is tried by itself: the person would be asked to unlock it again and again.
        NextStep.UNLOCK,
    ),
    UnexpectedAnswer.code: (
        "Service changed",
        (
            "OpenAI's API answered in a way this version of Lerix does not know. "
            "If checking again does not help, update Lerix."
        ),
        NextStep.RETRY,
    ),
    Unreachable.code: (
        "Not reachable",
        "OpenAI's API could not be reached. Check the network, then check again.",
        NextStep.RETRY,
    ),
}
#: What stays true over a restart; the rest is found out anew.
LASTING: Final = frozenset({KeyRefused.code, KeyNotAllowed.code, CreditUsedUp.code})
# OpenAI gives summaries of reasoning to verified organizations only, and by some models not at all.
_NO_SUMMARY = ("reasoning summar", "reasoning.summary")


class KeyAuth(httpx.Auth):
    """The key on each request under `base_url`, and on no other."""

    def __init__(self, base_url: httpx.URL, credential: Credential) -> None:
        self._base_url = base_url
        self._credential = credential

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Raises ForeignAddress before anything is sent elsewhere, and what `credential` raises."""
        base, url = self._base_url, request.url
        same_origin = (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)
        if not same_origin or not url.path.startswith(base.path) or url.userinfo or ".." in url.path:
            raise ForeignAddress("a request for another address would have carried the API key")
        key = await self._credential()
        request.headers["Authorization"] = f"Bearer {key.reveal()}"
        yield request


class OpenAIPath:
    """ChatGPT's models through the platform API, with one key.

    `key` and `name` are the path's key and what the user calls it, `revision` counts how often the API key was
    replaced, `trouble` is the code of a lasting state that an earlier process found. Raises ValueError for an
    address that no key may be sent to. To be used on one event loop.
    """

    provider = "ChatGPT"
    runs = "Requests go straight from this Lerix to OpenAI's API and are billed to the key's OpenAI account."
    keeps_messages = False
    usage = None
    models_etag = None

    def __init__(
        self,
        key: str,
        name: str,
        base_url: str,
        credential: Credential,
        user_agent: str,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        revision: int = 0,
        trouble: str = "",
        limits: Limits | None = None,
        now: Callable[[], datetime] = utc_now,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.key = key
        self.name = name
        self._credential = credential
        self._revision = revision
        self._now = now
        url = plain_address(base_url.rstrip("/") + "/")
        self._api = ModelAPI(
            url, KeyAuth(url, self._open), user_agent, transport=transport, limits=limits, now=now, sleep=sleep
        )
        self._trouble = trouble if trouble in LASTING else ""
        self._since = now()
        # When OpenAI last accepted the key, as far as this process knows.
        self.accepted: datetime | None = None
        # A limit on requests or tokens a minute belongs to one model; the others go on.
        self._limited: dict[str, datetime] = {}
        self._unsummarized: set[str] = set()
        self._statuses: Broadcast[Status] | None = None
        self._answering = 0
        self._retired = False

    @property
    def label(self) -> str:
        """What the model menu shows."""
        return f"API key · {self.name}"

    def status(self) -> Status:
        """The state at this moment, ready to show."""
        if self._trouble:
            title, sentence, step = _STATES[self._trouble]
            return Status(False, self._trouble, title, sentence, step, self._since)
        until = max((end for end in self._limited.values() if end > self._now()), default=None)
        if until is not None:
            return Status(
                ready=False,
                code=RateLimited.code,
                title="Rate limit",
                sentence="OpenAI asks this API key to wait before its next request. Wait, or choose another model.",
                next_step=NextStep.WAIT,
                since=self._since,
                until=until,
            )
        return Status(True, "ready", *_READY, None, self._since)

    def changes(self) -> AsyncGenerator[Status, None]:
        """The present status, then each newer one; a slow reader gets the newest only."""
        return self._publish().changes()

    async def models(self) -> Catalogue:
        """The chat models that the key may list. Raises AccessError."""
        try:
            async with asyncio.timeout(LIST_SECONDS):
                _, content = await self._api.document("models", {})
            catalogue = decode_models(content)
        except ValueError:
            self._failed(CatalogueUnreadable())
            raise CatalogueUnreadable from None
        except TimeoutError:
            self._failed(ConnectTimedOut())
            raise ConnectTimedOut from None
        except AccessError as refusal:
            error = for_key(refusal)
            self._failed(error)
            raise error from None
        self.accepted = self._now()
        # A list costs nothing, so that it says nothing of the account's credit.
        if self._trouble != CreditUsedUp.code:
            self._become("")
        return catalogue

    async def answer(self, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        """The answer as it comes, ending with Completed. Raises AccessError.

        Nothing is sent with a key that OpenAI refused, nor to a model whose rate limit is known to last.
        """
        if self._trouble == KeyRefused.code:
            raise Unavailable(self.status())
        until = self._limited.get(ask.model.slug)
        if until is not None and until > self._now():
            raise RateLimited(until=until)
        self._answering += 1
        try:
            try:
                async with aclosing(self._events(ask)) as events:
                    async for event in events:
                        yield event
            except RequestRefused as refusal:
                # Refused before anything was answered or billed: asked once more, without a summary.
                if not self._wants_no_summary(ask, refusal):
                    raise
                async with aclosing(self._events(ask)) as events:
                    async for event in events:
                        yield event
        except AccessError as refusal:
            error = for_key(refusal)
            self._failed(error, ask.model)
            raise error from None
        finally:
            self._answering -= 1
            if self._retired and not self._answering:
                await self._api.aclose()

    async def _events(self, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        if ask.model.slug in self._unsummarized:
            ask = replace(ask, model=replace(ask.model, summaries=False))
        headers, body = build_request(ask, RequestForm.PLATFORM)
        begun = False
        async with aclosing(self._api.answer("responses", headers, body)) as events:
            async for event in events:
                if not begun:
                    begun = True
                    self.accepted = self._now()
                    self._limited.pop(ask.model.slug, None)
                    self._become("")
                yield event

    def _wants_no_summary(self, ask: Ask, refusal: RequestRefused) -> bool:
        slug = ask.model.slug
        if not ask.model.summaries or slug in self._unsummarized:
            return False
        if not any(part in refusal.detail.lower() for part in _NO_SUMMARY):
            return False
        self._unsummarized.add(slug)
        return True

    def replay_key(self, model: Model) -> str:
        """Reasoning items are sealed for the organization behind a key; another key may be another's."""
        return f"{self.key}:{self._revision}:{model.slug}"

    async def look(self) -> Status:
        """Open the stored key now, so that the card tells at once where that is not possible."""
        try:
            await self._open()
        except KeyUnreadable as error:
            self._failed(error)
        else:
            if self._trouble in {SealingKeyGone.code, SealedKeyDamaged.code, SealingKeyAway.code}:
                self._become("")
        return self.status()

    def forgive(self) -> None:
        """Forget what only an answer could clear, because somebody says that it is mended."""
        if self._trouble == CreditUsedUp.code:
            self._become("")

    def rename(self, name: str) -> None:
        """Take another name."""
        self.name = name

    def take(self, credential: Credential, revision: int) -> None:
        """Use another API key from here on."""
        self._credential, self._revision = credential, revision
        self._limited.clear()
        self._unsummarized.clear()
        self._become("")

    async def retire(self) -> None:
        """Close the connections, those of answers that are coming when these have ended."""
        self._retired = True
        if not self._answering:
            await self._api.aclose()

    def resume(self) -> None:
        """Be used again after all."""
        self._retired = False

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _open(self) -> Secret:
        return await self._credential()

    # Outcomes

    def _failed(self, error: AccessError, model: Model | None = None) -> None:
        match error:
            case RateLimited() if error.until is not None and model is not None:
                self._limited[model.slug] = error.until
                # The limit ends without anybody's doing, and the pages shall say so.
                wait = (error.until - self._now()).total_seconds()
                asyncio.get_running_loop().call_later(max(0.0, wait) + 0.01, self._publish)
                self._publish()
            case KeyRefused() | KeyNotAllowed() | CreditUsedUp() | RegionRefused() | KeyUnreadable():
                self._become(error.code)
            case Unreachable():
                self._become(Unreachable.code)
            case UnexpectedAnswer():
                self._become(UnexpectedAnswer.code)

    def _become(self, trouble: str) -> None:
        """Be in the state of that code, since now or since it began; "" is no trouble."""
        if trouble != self._trouble:
            self._trouble, self._since = trouble, self._now()
        self._publish()

    def _publish(self) -> Broadcast[Status]:
        status = self.status()
        if self._statuses is None:
            self._statuses = Broadcast(status)
        self._statuses.publish(status)
        return self._statuses
