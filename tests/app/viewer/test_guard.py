"""Who may come in."""

from __future__ import annotations

import pytest

from rayfield.app.viewer.guard import Guard, is_loopback, new_token

GUARD = Guard("127.0.0.1", 7007, "the-token")
HOST = "127.0.0.1:7007"


def judged(guard=GUARD, *, target="/?token=the-token", local="127.0.0.1", upgrade=False, **headers):
    found = {name.replace("_", "-"): [value] for name, value in headers.items()}
    return guard.refusal(found, target, local=local, upgrade=upgrade)


def test_the_whole_link_opens_the_page():
    assert judged(host=HOST) is None
    assert judged(host="localhost:9000") is None  # the other end of a tunnel
    assert judged(host="[::1]:7007") is None


def test_the_cookie_is_as_good_as_the_token():
    assert judged(host=HOST, target="/style.css", cookie="a=b; rayfield-7007=the-token") is None
    assert judged(host=HOST, target="/style.css", cookie="rayfield-7008=the-token") == 401


@pytest.mark.parametrize(
    "target",
    ["/", "/?token=", "/?token=wrong", "/?token=the-toke", "/?Token=the-token", "/?token=ü",
     "/?" + "&".join(f"a{i}=1" for i in range(50))],
)  # fmt: skip
def test_without_the_token_nobody_comes_in(target):
    assert judged(host=HOST, target=target) == 401


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7007", "127.0.0.1.evil.example", "8.8.8.8", "0.0.0.0:7007",
     "user@127.0.0.1:7007", "127.0.0.1:7007/x", "127.0.0.1:x", "[::1", "", " ", "localhost.:7007"],
)  # fmt: skip
def test_a_foreign_host_is_refused_even_with_the_token(host):
    assert judged(host=host) == 403


def test_a_request_without_host_or_with_two_is_refused():
    assert judged() == 403
    assert GUARD.refusal({"host": [HOST, HOST]}, "/", local="", upgrade=False) == 403


@pytest.mark.parametrize(
    "origin",
    ["null", "http://evil.example", "http://127.0.0.1:8888", "http://localhost:7007", "file://",
     "https://127.0.0.1", "", HOST],
)  # fmt: skip
def test_a_foreign_origin_opens_no_socket(origin):
    assert judged(host=HOST, origin=origin, target="/link?token=the-token", upgrade=True) == 403


def test_a_socket_needs_an_origin():
    assert judged(host=HOST, target="/link?token=the-token", upgrade=True) == 403
    link = {"target": "/link", "cookie": "rayfield-7007=the-token", "upgrade": True}
    assert judged(host=HOST, origin=f"http://{HOST}", **link) is None
    assert judged(host="localhost:1", origin="http://LOCALHOST:1", **link) is None


def test_other_machines_come_by_name_or_number_of_this_one():
    guard = Guard("0.0.0.0", 7007, "the-token")
    assert judged(guard, host="192.168.1.5:7007", local="192.168.1.5") is None
    assert judged(guard, host="evil.example:7007", local="192.168.1.5") == 403
    assert judged(guard, host="0.0.0.0:7007", local="192.168.1.5") == 403
    named = Guard("gpu.example", 7007, "the-token")
    assert judged(named, host="gpu.example", local="10.0.0.2") is None


def test_tokens_are_long_and_new_each_time():
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) >= 32
    assert "the-token" not in repr(GUARD)


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("192.168.0.1", False), ("example.org", False)],
)  # fmt: skip
def test_loopback_is_known(host, own):
    assert is_loopback(host) == own
