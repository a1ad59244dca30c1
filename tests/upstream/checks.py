"""What the Codex backend refuses in ``POST /codex/responses``, as reported by its other clients.

Texts marked "ours" were not reported by anyone: there the stand-in holds the client to the form that the CLI
sends.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

from tests.upstream.accounts import Account, sealed_for
from tests.upstream.catalogue import Entry, Models
from tests.upstream.parts import check_file, check_image, check_keys
from tests.upstream.refusal import detail, error
from tests.upstream.wire import Exchange

LITE = "x-openai-internal-codex-responses-lite"
LITE_NAME = "X-OpenAI-Internal-Codex-Responses-Lite"
PARAMETERS = frozenset(
    "model stream input tools tool_choice parallel_tool_calls reasoning store include prompt_cache_key text "
    "client_metadata service_tier instructions".split()
)
LITE_TOOLS = frozenset({"function", "custom", "tool_search"})
ITEMS = frozenset(
    "message reasoning function_call function_call_output custom_tool_call custom_tool_call_output "
    "additional_tools compaction".split()
)
_ZSTD: ModuleType | None = importlib.import_module("zstandard") if importlib.util.find_spec("zstandard") else None


@dataclass(slots=True)
class Rules:
    """Where reports differ or a real CLI needs leave. The defaults are the strictest reading."""

    #: False lets the CLI's own full form pass, which has no ``instructions``.
    instructions_required: bool = True
    #: One report says that Lite models are not found without ``version`` and ``session-id`` (osaurus #1983).
    lite_headers_required: bool = True
    #: ``input_file`` is in the public API and was never seen here.
    files_allowed: bool = False
    #: Whether an id token can be exchanged for an API key; for most accounts it cannot.
    token_exchange: bool = False
    #: What a renewal answers with; each is optional on the wire.
    refresh_returns: frozenset[str] = frozenset({"id_token", "access_token", "refresh_token"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that passed."""

    body: Mapping[str, object]
    model: str
    question: str
    summary: bool
    sealed: bool


def json_body(exchange: Exchange) -> dict[str, object]:
    """The JSON object of a request; raises `Refusal` 415 or 400."""
    headers = exchange.request.headers
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise detail(415, "Unsupported content type")
    encoding = headers.get("content-encoding", "identity").lower()
    body = exchange.request.body
    if encoding == "zstd" and _ZSTD is not None:
        body = _ZSTD.ZstdDecompressor().decompressobj().decompress(body)
    elif encoding != "identity":
        raise detail(415, f"Unsupported content encoding: {encoding}. The stand-in takes plain JSON.")  # ours
    try:
        payload = json.loads(body)
    except ValueError:
        raise detail(400, "Request body is not valid JSON") from None  # ours
    if not isinstance(payload, dict):
        raise detail(400, "Request body must be a JSON object")  # ours
    return payload


def check_backend(exchange: Exchange, account: Account, models: Models, rules: Rules) -> Asked:
    """Pass a request of the Codex backend or raise the `Refusal` that the real one answers with."""
    headers = exchange.request.headers
    named = headers.get("chatgpt-account-id")
    if named is not None and named != account.account_id:
        raise detail(401, "Unauthorized")  # status reported for foreign workspaces; the text is ours
    body = json_body(exchange)
    if "text/event-stream" not in headers.get("accept", ""):
        raise detail(406, "Accept must allow text/event-stream")  # ours
    for name in body:
        if name not in PARAMETERS:
            raise detail(400, f"Unsupported parameter: {name}")
    slug = body.get("model")
    model = models.get(slug, account.plan)
    if model is None:
        raise detail(400, f"The '{slug}' model is not supported when using Codex with a ChatGPT account.")
    if body.get("stream") is not True:
        raise detail(400, "Stream must be set to true")
    if body.get("store") is not False:
        raise detail(400, "Store must be set to false")
    if headers.get(LITE) == "true":
        _check_lite(body, model)
        if rules.lite_headers_required and not {"version", "session-id"} <= headers.keys():
            raise detail(404, f"Model not found {slug}")
    else:
        _check_full(body, model, rules)
    summary = _check_reasoning(body.get("reasoning"), model)
    _check_text(body.get("text"), model)
    question = check_input(body.get("input"), account.account_id, rules.files_allowed, lite=headers.get(LITE) == "true")
    include = body.get("include")
    sealed = isinstance(include, list) and "reasoning.encrypted_content" in include
    return Asked(body, model.slug, question, summary, sealed)


def _check_full(body: Mapping[str, object], model: Entry, rules: Rules) -> None:
    if model.lite:
        raise detail(404, f"Model not found {model.slug}")
    instructions = body.get("instructions")
    if rules.instructions_required and not (isinstance(instructions, str) and instructions.strip()):
        raise detail(400, "Instructions are required")


def _check_lite(body: Mapping[str, object], model: Entry) -> None:
    if not model.lite:
        raise error(400, f"This model is not supported when using {LITE_NAME}.", param="model")
    reasoning = body.get("reasoning")
    if not isinstance(reasoning, dict) or reasoning.get("context") != "all_turns":
        message = f"{LITE_NAME} requires `reasoning.context` to be `all_turns`."
        raise error(400, message, code="unsupported_value", param="reasoning.context")
    if body.get("parallel_tool_calls") is not False:
        message = f"{LITE_NAME} requires `parallel_tool_calls` to be false."
        raise error(400, message, code="unsupported_value", param="parallel_tool_calls")
    items = body.get("input")
    carriers = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    for carrier in [body, *(item for item in carriers if item.get("type") == "additional_tools")]:
        for tool in _list(carrier.get("tools")):
            if not isinstance(tool, dict) or tool.get("type") not in LITE_TOOLS:
                kinds = "function tools, custom tools, and client-executed tool search"
                message = f"{LITE_NAME} only supports {kinds}."
                raise error(400, message, param="tools")
    for name in ("instructions", "tools"):
        if name in body:
            # Ours: the CLI never sends it.
            raise error(400, f"{LITE_NAME} does not take `{name}`.", param=name)


def _check_reasoning(reasoning: object, model: Entry) -> bool:
    """Whether a summary is asked for."""
    if reasoning is None:
        return False
    if not isinstance(reasoning, dict):
        raise error(400, "Invalid type for 'reasoning': expected an object.", code="invalid_type", param="reasoning")
    effort = reasoning.get("effort")
    # "ultra" is in the list but is a thing of the client's: it sends "max".
    efforts = [name for name in model.efforts if name != "ultra"]
    if effort is not None and effort not in efforts:
        supported = ", ".join(f"'{name}'" for name in efforts)
        message = (
            f"Unsupported value: '{effort}' is not supported with the '{model.slug}' model. "
            f"Supported values are: {supported}."
        )
        raise error(400, message, code="unsupported_value", param="reasoning.effort")
    context = reasoning.get("context")
    if context is not None and not model.lite:
        message = f"Unsupported value: '{context}' is not supported with the '{model.slug}' model."
        raise error(400, message, code="unsupported_value", param="reasoning.context")
    summary = reasoning.get("summary")
    if summary not in {None, "auto", "concise", "detailed"}:
        message = f"Invalid value: '{summary}'. Supported values are: 'concise', 'detailed', and 'auto'."
        raise error(400, message, code="invalid_value", param="reasoning.summary")
    return summary is not None


def _check_text(text: object, model: Entry) -> None:
    verbosity = text.get("verbosity") if isinstance(text, dict) else None
    if verbosity is None:
        return
    if not model.verbosity:
        message = f"Unsupported parameter: 'text.verbosity' is not supported with the '{model.slug}' model."
        raise error(400, message, code="unsupported_parameter", param="text.verbosity")
    if verbosity not in {"low", "medium", "high"}:
        message = f"Invalid value: '{verbosity}'. Supported values are: 'low', 'medium', and 'high'."
        raise error(400, message, code="invalid_value", param="text.verbosity")


def check_input(
    items: object, owner: str, files_allowed: bool, *, public: bool = False, lite: bool = False
) -> str:
    """Pass the items of a request made by ``owner``; gives the text of the last user message.

    ``public`` allows what only the public API does: system messages and the short form of content. ``lite`` is the
    backend's Lite form.
    """
    if not isinstance(items, list):
        raise detail(400, "Input must be a list")
    question = ""
    for position, item in enumerate(items):
        where = f"input[{position}]"
        if not isinstance(item, dict):
            raise error(400, f"Invalid type for '{where}': expected an object.", code="invalid_type", param=where)
        kind = item.get("type", "message")
        if kind not in ITEMS:
            message = f"Invalid value: '{kind}'. Supported values are: {', '.join(sorted(ITEMS))}."
            raise error(400, message, code="invalid_value", param=where)
        if kind == "reasoning":
            _check_reasoning_item(item, owner)
        elif kind == "message":
            text = _check_message(item, where, files_allowed, public=public, lite=lite)
            if item.get("role") == "user":
                question = text
    return question


def _check_reasoning_item(item: Mapping[str, object], owner: str) -> None:
    sealed = item.get("encrypted_content")
    if not sealed:
        message = (
            f"Item with id '{item.get('id')}' not found. "
            "Items are not persisted when `store` is set to false. "
            "Try again with `store` set to true, or remove this item from your input."
        )
        raise error(404, message, param="input")
    if not isinstance(item.get("summary"), list):
        raise error(400, "Missing required parameter: 'summary'.", code="missing_required_parameter", param="input")
    if not isinstance(sealed, str) or not sealed_for(owner, sealed):
        shown = f"{str(sealed)[:4]}...{str(sealed)[-4:]}"
        message = f"The encrypted content {shown} could not be verified."
        raise error(400, message, code="invalid_encrypted_content")


def _check_message(item: Mapping[str, object], where: str, files_allowed: bool, *, public: bool, lite: bool) -> str:
    role, content = item.get("role"), item.get("content")
    if role == "system" and not public:
        raise detail(400, "System messages are not allowed")
    if role not in {"user", "assistant", "developer", "system"}:
        message = f"Invalid value: '{role}'. Supported values are: 'assistant', 'developer', and 'user'."
        raise error(400, message, code="invalid_value", param=f"{where}.role")
    if isinstance(content, str) and public:
        return content
    if not isinstance(content, list):
        # Ours.
        raise error(400, "Content must be a list of parts.", code="invalid_type", param=f"{where}.content")
    if role == "assistant":
        allowed = ["output_text", "refusal"]
    else:
        allowed = ["input_text", "input_image", *(["input_file"] if files_allowed else [])]
    text = ""
    for position, part in enumerate(content):
        place = f"{where}.content[{position}]"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in allowed:
            values = " and ".join(f"'{name}'" for name in allowed)
            message = f"Invalid value: '{kind}'. Supported values are: {values}."
            raise error(400, message, code="invalid_value", param=place)
        check_keys(part, place, lite=lite)
        if kind == "input_image":
            check_image(part.get("image_url"), f"{place}.image_url")
        elif kind == "input_file":
            check_file(part, place)
        elif kind in {"input_text", "output_text"}:
            if not isinstance(part.get("text"), str):
                message = f"Missing required parameter: '{place}.text'."
                raise error(400, message, code="missing_required_parameter", param=f"{place}.text")
            text += part["text"]
    return text


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
