"""Nobody but OpenAI sees the session: a scan of everything a running Lerix writes, shows and logs."""

import json
import re
import time
import uuid
from pathlib import Path

from tests import disk
from tests.serving import LerixProcess
from tests.upstream import RESPONSES, Upstream, faults

PAGES = (
    "/",
    "/settings/general/",
    "/settings/connections/",
    "/settings/connections/codex/models/",
    "/settings/about/",
    "/admin/",
    "/admin/connections/pathmemory/",
    "/admin/chat/message/",
)
#: An answer that is still coming.
ANSWERING = re.compile(r'<article[^>]*aria-busy="true"')


def test_the_tokens_of_a_session_are_in_no_page_log_file_or_error(tmp_path: Path) -> None:
    with Upstream() as up:
        codex = tmp_path / "codex"
        codex.mkdir()
        account = up.sign_in(codex)
        tokens = [account.access_token, account.refresh_token, account.id_token]
        with LerixProcess(tmp_path / "home", up.environment(codex)) as lerix, lerix.client() as client:
            client.headers["sec-fetch-site"] = "same-origin"
            shown = [client.get(page).text for page in PAGES]
            model = re.search(r'hx-vals=\'\{"model": "([^"]+)"', shown[3])
            assert model is not None
            slug = model[1].encode().decode("unicode_escape")
            client.post("/settings/connections/codex/models/switch/", data={"model": slug, "enabled": "on"})
            for fault in (None, faults.unauthorized(), faults.server_error(), faults.html(), faults.cut()):
                if fault is not None:
                    up.fail(RESPONSES, fault, times=None)
                asked = client.post("/chats/", data={"text": "Hi", "key": str(uuid.uuid4())})
                assert asked.status_code == 200, asked.text
                shown.append(asked.text)
                address = asked.headers["hx-push-url"]
                end = time.monotonic() + 60
                while ANSWERING.search(page := client.get(address).text):
                    assert time.monotonic() < end, page
                    time.sleep(0.05)
                shown.append(page)
                up.clear()
            shown += [client.get(page).text for page in PAGES]
            shown.append(lerix.run("doctor", "--json").stdout)
            lerix.terminate()
            shown.append(lerix.stderr)
        # Every renewed or refused token as well.
        tokens += [entry.headers.get("authorization", "").removeprefix("Bearer ") for entry in up.requests]
        written = list(disk.contents(tmp_path / "home").values())
    planted = {token for token in tokens if len(token) > 20}
    assert len(planted) >= 3
    assert json.loads(shown[-2]), "doctor said something"
    for token in planted:
        # The payload of a token says as much as the whole.
        for part in {token, *(part for part in token.split(".") if len(part) > 40)}:
            assert not [text for text in shown if part in text]
            assert not [data for data in written if part.encode() in data]
