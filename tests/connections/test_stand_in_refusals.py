"""The stand-in's Codex backend refuses the request bodies that the real one refuses, in its words."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.connections.test_stand_in import (  # noqa: F401  fixtures are found by their names
    LITE_HEADER,
    PIXEL,
    ada,
    client,
    full,
    headers,
    lite,
    up,
    user,
)
from tests.upstream import RESPONSES, Account, Upstream
