"""The guard, met by the user's browser and by attackers, without a network."""

import re

import pytest

from lerix_web.guard import CSP, LOOPBACK
from tests.web.requests import EVENTS, FOLLOWED, HOST, OWN, OWN_FETCH, OWN_FORM, PORT, TYPED, Door

EVIL = "https://evil.example"
EVIL_FORM = {**FOLLOWED, "origin": EVIL, "content-type": "application/x-www-form-urlencoded"}
EVIL_FETCH = {
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "no-cors",
    "sec-fetch-dest": "empty",
    "accept": "*/*",
}
NEIGHBOUR = {**EVIL_FETCH, "sec-fetch-site": "same-site", "origin": "http://localhost:8000"}


@pytest.fixture
def door() -> Door:
    return Door()


def test_a_browser_that_was_let_in_gets_its_page(door: Door) -> None:
    answer = door.ask(headers={**TYPED, **door.cookie})
    assert (answer.status, answer.body) == (200, b"hello")


@pytest.mark.parametrize("name", LOOPBACK)
def test_every_loopback_name_with_our_port_is_answered(door: Door, name: str) -> None:
    assert door.ask(headers={**TYPED, **door.cookie}, host=f"{name}:{PORT}").status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        f"evil.example:{PORT}",
        f"127.0.0.1.nip.io:{PORT}",
        f"localhost.evil.example:{PORT}",
        "localhost",
        "localhost:80",
        f"localhost:{PORT}0",
        f"LOCALHOST:{PORT}",
        f"localhost.:{PORT}",
        f"localhost:0{PORT}",
        f" localhost:{PORT}",
        f"user@localhost:{PORT}",
        f"localhost:{PORT},evil.example",
        f"127.1:{PORT}",
        f"0.0.0.0:{PORT}",
        f"[::]:{PORT}",
        f"[0:0:0:0:0:0:0:1]:{PORT}",
        "",
        None,
    ],
)
def test_a_host_that_is_not_exactly_ours_is_refused(door: Door, host: str | None) -> None:
    answer = door.ask(headers={**TYPED, **door.cookie}, host=host)
    assert answer.status == 400
    assert door.connect({**door.cookie, "origin": f"http://{host}"}, host=host).socket == "websocket.close"
    assert door.behind.asked == []


def test_two_host_headers_are_refused_even_if_both_are_ours(door: Door) -> None:
    answer = door.ask(headers=[("host", HOST), *TYPED.items(), *door.cookie.items()])
    assert answer.status == 400
    assert door.connect([("host", HOST), ("origin", OWN), *door.cookie.items()]).socket == "websocket.close"


@pytest.mark.parametrize("name", ["origin", "cookie", "sec-fetch-site", "content-length"])
def test_a_header_that_decides_may_not_come_twice(door: Door, name: str) -> None:
    value = {"origin": OWN, "sec-fetch-site": "same-origin", "content-length": "0"}.get(name, "a=b")
    headers = [*{**OWN_FORM, **door.cookie, name: value}.items(), (name, value)]
    assert door.ask("POST", headers=headers).status == 400
    assert door.behind.asked == []


@pytest.mark.parametrize("target", ["http://evil.example/", "*", "evil.example:80", "", "/a\\b", "/a b", "/ä"])
def test_a_target_that_is_no_path_is_refused(door: Door, target: str) -> None:
    assert door.ask(target=target, headers={**TYPED, **door.cookie}).status == 400


# Other sites


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("headers", [EVIL_FORM, EVIL_FETCH, NEIGHBOUR], ids=["form", "fetch", "other port"])
def test_another_site_cannot_write_even_with_the_cookie(door: Door, method: str, headers: dict[str, str]) -> None:
    assert door.ask(method, headers={**headers, **door.cookie}).status == 403
    assert door.behind.asked == []


@pytest.mark.parametrize("dest", ["image", "script", "style", "iframe", "frame", "object", "embed", "empty", "video"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("target", ["/", "/static/0/lerix.js"])
def test_another_site_cannot_load_a_part_of_lerix(door: Door, dest: str, site: str, target: str) -> None:
    mode = "navigate" if "frame" in dest else "no-cors"
    headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest, **door.cookie}
    assert door.ask(target=target, headers=headers).status == 403
    assert door.behind.asked == []


@pytest.mark.parametrize("headers", [FOLLOWED, EVIL_FETCH, NEIGHBOUR, {"origin": EVIL}, {"origin": "null"}, {}])
def test_another_site_cannot_follow_an_event_stream(door: Door, headers: dict[str, str]) -> None:
    assert door.ask(target="/events/", headers={**headers, **EVENTS, **door.cookie}).status == 403
    assert door.behind.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": EVIL},
        {"origin": "null"},
        {"origin": "http://localhost:8000"},
        {"origin": f"https://{HOST}"},
        {"origin": f"{OWN}/"},
        {"origin": f"http://127.0.0.1:{PORT}"},
        {"origin": OWN.upper()},
        {},
        {"sec-fetch-site": "cross-site", "origin": OWN},
        {"sec-fetch-site": "same-site", "origin": "http://localhost:8000"},
        {"sec-fetch-site": "same-origin", "origin": EVIL},
        {"sec-fetch-site": "Same-Origin"},
    ],
)
def test_another_site_cannot_open_a_socket_nor_post(door: Door, headers: dict[str, str]) -> None:
    assert door.connect({**headers, **door.cookie}).socket == "websocket.close"
    assert door.ask("POST", headers={**headers, **door.cookie}).status == 403
    assert door.behind.asked == []


@pytest.mark.parametrize("headers", [{"origin": OWN}, {"sec-fetch-site": "same-origin", "origin": OWN}])
def test_our_own_page_opens_a_socket_and_posts(door: Door, headers: dict[str, str]) -> None:
    assert door.connect({**headers, **door.cookie}).socket == "websocket.accept"
    assert door.ask("POST", headers={**headers, **door.cookie}).status == 200


def test_our_own_page_follows_an_event_stream(door: Door) -> None:
    assert door.ask(headers={**OWN_FETCH, **EVENTS, **door.cookie}).status == 200
    older = {"referer": f"{OWN}/chat/1/", **EVENTS, **door.cookie}
    assert door.ask(headers=older).status == 200
    assert door.ask(headers={**older, "referer": f"{OWN}.evil.example/"}).status == 403


def test_a_form_on_a_page_without_referrer_still_posts(door: Door) -> None:
    assert door.ask("POST", headers={**OWN_FORM, "origin": "null", **door.cookie}).status == 200


def test_a_link_on_another_site_asks_again_from_our_own_origin(door: Door) -> None:
    answer = door.ask(target='/chat/7/?q="><script>', headers=FOLLOWED)
    assert answer.status == 200
    assert f'content="0;url={OWN}/chat/7/?q=&quot;&gt;&lt;script&gt;"' in answer.text
    assert "<script" not in answer.text
    assert door.behind.asked == []
    assert door.ask(headers={**TYPED, "sec-fetch-site": "same-origin"}).status == 403  # no loop: locked


def test_a_bounce_never_leads_to_another_host(door: Door) -> None:
    answer = door.ask(target="//evil.example/", headers=FOLLOWED)
    assert re.findall(r"url=([^\"]*)", answer.text) == [f"{OWN}//evil.example/"]
    token = door.keeper.mint()
    moved = door.ask(target=f"//evil.example/?token={token}", headers=TYPED)
    assert moved.headers["location"] == f"{OWN}//evil.example/"


def test_unknown_methods_are_refused(door: Door) -> None:
    for method in ("TRACE", "CONNECT", "PROPFIND", "get"):
        assert door.ask(method, headers={**OWN_FORM, **door.cookie}).status == 405


# The launch link and the cookie


def test_a_launch_link_is_exchanged_for_a_cookie_and_a_clean_address(door: Door) -> None:
    token = door.keeper.mint()
    answer = door.ask(target=f"/chat/3/?a=1&token={token}&b=x%20y", headers=TYPED)
    assert answer.status == 303
    assert answer.headers["location"] == f"{OWN}/chat/3/?a=1&b=x+y"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert attributes == ["Max-Age=31536000", "Path=/", "HttpOnly", "SameSite=Strict"]
    assert cookie.startswith("lerix_session_local_")
    assert token not in str(answer)
    assert door.ask(headers={**TYPED, "cookie": cookie}).status == 200


def test_a_launch_link_works_from_a_file_and_from_another_site(door: Door) -> None:
    answer = door.ask(target=f"/?token={door.keeper.mint()}", headers=FOLLOWED)
    assert answer.status == 303


def test_a_replayed_launch_link_is_refused(door: Door) -> None:
    target = f"/?token={door.keeper.mint()}"
    assert door.ask(target=target, headers=TYPED).status == 303
    again = door.ask(target=target, headers=TYPED)
    assert again.status == 403
    assert "set-cookie" not in again.headers
    assert "lerix open" in again.text


def test_a_used_link_just_leads_on_for_a_browser_that_was_let_in(door: Door) -> None:
    answer = door.ask(target="/?token=used", headers={**TYPED, **door.cookie})
    assert (answer.status, answer.headers["location"]) == (303, f"{OWN}/")
    assert "set-cookie" not in answer.headers


def test_an_old_link_on_another_site_does_not_lock_out_who_was_let_in(door: Door) -> None:
    bounced = door.ask(target="/?token=used", headers=FOLLOWED)
    assert f"url={OWN}/?token=used" in bounced.text
    own = {**TYPED, "sec-fetch-site": "same-origin"}
    assert door.ask(target="/?token=used", headers={**own, **door.cookie}).status == 303
    assert door.ask(target="/?token=used", headers=own).status == 403


def test_two_tokens_at_once_are_no_token(door: Door) -> None:
    good = door.keeper.mint()
    assert door.ask(target=f"/?token=wrong&token={good}", headers=TYPED).status == 403
    assert door.keeper.redeem(good)


def test_loading_ahead_does_not_use_the_link_up(door: Door) -> None:
    target = f"/?token={door.keeper.mint()}"
    assert door.ask(target=target, headers={**TYPED, "sec-purpose": "prefetch;prerender"}).status == 503
    assert door.ask(target=target, headers=TYPED).status == 303


def test_a_token_counts_in_the_address_of_a_get_only(door: Door) -> None:
    token = door.keeper.mint()
    assert door.ask("POST", f"/?token={token}", headers=OWN_FORM).status == 403
    assert door.ask("HEAD", f"/?token={token}", headers=TYPED).status == 403
    assert door.keeper.redeem(token)


def test_without_a_cookie_the_locked_page_names_the_command(door: Door) -> None:
    door.guard.open_command = "python3 manage.py open"
    answer = door.ask(headers=TYPED)
    assert answer.status == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert "Lerix is locked" in answer.text
    assert "python3 manage.py open" in answer.text
    assert "<script" not in answer.text
    assert door.behind.asked == []


def test_another_local_user_without_the_cookie_gets_nothing(door: Door) -> None:
    for headers in ({}, {"origin": OWN}, OWN_FORM, OWN_FETCH, {**OWN_FETCH, **EVENTS}, TYPED):
        for method in ("GET", "HEAD", "POST", "DELETE"):
            assert door.ask(method, "/chat/1/", headers=headers).status == 403
        assert door.connect(headers).socket == "websocket.close"
    assert door.behind.asked == []


@pytest.mark.parametrize("value", ["", "x", "1.2.3", "9999999999.00.00", "..", "\xff\xfe", '"', "a" * 5000])
def test_a_made_up_cookie_is_worth_nothing(door: Door, value: str) -> None:
    assert door.ask(headers={**TYPED, "cookie": f"{door.keeper.cookie_name}={value}"}).status == 403


def test_htmx_without_a_cookie_is_told_to_load_the_page_again(door: Door) -> None:
    answer = door.ask("POST", "/send/", headers={**OWN_FETCH, "hx-request": "true"})
    assert (answer.status, answer.headers["hx-refresh"]) == (403, "true")
    assert answer.headers["content-type"].startswith("text/plain")


def test_static_files_need_no_cookie_but_our_host(door: Door) -> None:
    style = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "style"}
    assert door.ask(target="/static/0/locked.css", headers=style).status == 200
    assert door.ask(target="/static/0/locked.css", headers=style, host=f"evil.example:{PORT}").status == 400
    assert door.ask("POST", "/static/0/locked.css", headers=EVIL_FORM).status == 403


# Every answer


@pytest.mark.parametrize("status", [200, 303, 400, 403, 405])
def test_every_answer_carries_the_protective_headers(door: Door, status: int) -> None:
    answers = {
        200: door.ask(headers={**TYPED, **door.cookie}),
        303: door.ask(target=f"/?token={door.keeper.mint()}", headers=TYPED),
        400: door.ask(host="evil.example"),
        403: door.ask(headers=TYPED),
        405: door.ask("TRACE"),
    }
    headers = answers[status].headers
    assert answers[status].status == status
    assert headers["content-security-policy"] == CSP
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == ("no-referrer" if status == 303 else "same-origin")
    assert headers["cache-control"] == "no-store"
    assert "camera=()" in headers["permissions-policy"]
    assert "access-control-allow-origin" not in headers


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    assert "unsafe" not in CSP
    assert "http" not in CSP
    assert CSP.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in CSP


def test_a_body_over_the_limit_is_refused_by_its_length(door: Door) -> None:
    headers = {**OWN_FORM, **door.cookie, "content-length": "1001"}
    assert door.ask("POST", headers=headers).status == 413
    assert door.behind.asked == []


def test_a_body_over_the_limit_is_refused_as_it_comes(door: Door) -> None:
    answer = door.ask("POST", headers={**OWN_FORM, **door.cookie}, chunks=[b"x" * 600, b"x" * 600])
    assert answer.status == 413
    assert answer.headers["content-security-policy"] == CSP


def test_a_body_up_to_the_limit_arrives_whole(door: Door) -> None:
    answer = door.ask("POST", headers={**OWN_FORM, **door.cookie}, chunks=[b"x" * 500, b"x" * 500])
    assert answer.status == 200
    assert len(door.behind.body) == 1000
