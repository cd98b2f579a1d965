"""The viewer among strangers: other pages, other machines, and whatever can be sent to a port."""

from __future__ import annotations

import json
import os
import random
import socket
import struct
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from rayfield.app.learned.camera_path import read_path
from rayfield.app.viewer import server as serving
from rayfield.app.viewer.address import Door
from rayfield.app.viewer.messages import MOST_PIXELS
from rayfield.app.viewer.viewing import Viewer


class Stranger:
    """Speaks to a viewer over plain sockets."""

    def __init__(self, viewer: Viewer) -> None:
        parts = urlsplit(viewer.url)
        self.viewer, self.port = viewer, parts.port
        self.host = f"127.0.0.1:{parts.port}"
        self.token = parse_qs(parts.query)["token"][0]
        self.cookie = f"rayfield-{parts.port}={self.token}"

    def raw(self, sent: bytes, patience: float = 5.0) -> bytes:
        """Whatever comes back until the other side closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience) as link:
            link.sendall(sent)
            found = b""
            while True:
                try:
                    part = link.recv(65536)
                except (TimeoutError, ConnectionError):
                    return found
                if not part:
                    return found
                found += part

    def get(self, target: str, *, token: bool = True, **headers: str) -> tuple[int, dict, bytes]:
        """Status, headers and body of a request."""
        lines = {"Host": self.host} | ({"Cookie": self.cookie} if token else {})
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        text = f"GET {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        head, _, body = self.raw(text.encode("latin-1") + b"\r\n").partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        pairs = [line.partition(": ") for line in rest]
        return int(first.split()[1]), {k.lower(): v for k, _, v in pairs}, body

    def window(self, **more) -> ClientConnection:
        """A WebSocket as the page opens it."""
        options = {"origin": f"http://{self.host}", "additional_headers": {"Cookie": self.cookie}}
        options |= {"max_size": None, "close_timeout": 0.5, **more}
        return connect(f"ws://{self.host}/link", **options)


@pytest.fixture
def stranger(viewer) -> Stranger:
    return Stranger(viewer)


def received(viewer: Viewer, link: ClientConnection, kind: type) -> Any:
    """The next message of bytes, or of text, that a window gets."""
    for _ in range(200):
        viewer.engine.work(0.0)
        try:
            message = link.recv(timeout=0.05)
        except TimeoutError:
            continue
        if isinstance(message, kind):
            return message
    raise AssertionError(f"no {kind.__name__} came")


def frame(viewer: Viewer, link: ClientConnection, opened) -> dict:
    """The next picture that a window gets."""
    return opened(received(viewer, link, bytes))[0]


def told(viewer: Viewer, link: ClientConnection) -> dict:
    """The next text that a window gets."""
    return json.loads(received(viewer, link, str))


def alive(stranger: Stranger, words, opened) -> bool:
    """Whether the owner's own page still gets pictures."""
    with stranger.window() as link:
        link.send(words(number=77))
        return frame(stranger.viewer, link, opened)["number"] == 77


# who may come in


def test_only_this_machine_is_listened_to(viewer, stranger):
    assert viewer.url.startswith("http://127.0.0.1:")
    here = {row.split()[1] for row in Path("/proc/net/tcp").read_text().splitlines()[1:]}
    port = f"{stranger.port:04X}"
    assert {address for address in here if address.endswith(f":{port}")} == {f"0100007F:{port}"}


def test_other_hosts_come_with_a_warning_and_the_token(ball):
    notes = []
    with Viewer(ball, Door("0.0.0.0", 0), notes.append) as viewer:
        viewer.announce()
        stranger = Stranger(viewer)
        assert stranger.get("/", token=False)[0] == 401
        assert stranger.get(f"/?token={stranger.token}", token=False)[0] == 200
        assert stranger.get("/", token=False, Host="evil.example")[0] == 403
    assert any("warning: --host 0.0.0.0 lets other machines in" in note for note in notes)
    assert len(stranger.token) >= 32


def test_by_default_nothing_is_warned_of(viewer, ball):
    notes = []
    with Viewer(ball, Door(port=0), notes.append) as other:
        other.announce()
        assert other.url in notes[0]
    assert not any("warning" in note for note in notes)


@pytest.mark.parametrize(
    "target", ["/", "/stage.json", "/thumb/0", "/mesh", "/js/main.js", "/link"]
)
def test_without_the_token_nothing_is_told(stranger, target):
    status, headers, body = stranger.get(target, token=False, Origin=f"http://{stranger.host}")
    assert status == 401
    assert "set-cookie" not in headers
    assert stranger.token.encode() not in body


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7007", "127.0.0.1.nip.io", "[::]"])
def test_a_foreign_host_is_refused(stranger, host):
    """DNS rebinding: the browser believes that this is another site."""
    for target in ("/", f"/?token={stranger.token}", "/stage.json", "/link"):
        assert stranger.get(target, Host=host)[0] == 403


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://127.0.0.1:1", None])
def test_a_foreign_origin_opens_no_socket(stranger, origin):
    with pytest.raises(InvalidStatus) as refusal:
        stranger.window(origin=origin)
    assert refusal.value.response.status_code == 403


def test_a_socket_without_the_token_is_refused(stranger):
    with pytest.raises(InvalidStatus) as refusal:
        stranger.window(additional_headers={"Cookie": f"rayfield-{stranger.port}=wrong"})
    assert refusal.value.response.status_code == 401


def test_the_cookie_is_kept_from_other_sites_and_scripts(stranger):
    _, headers, _ = stranger.get(f"/?token={stranger.token}", token=False)
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=Strict" in headers["set-cookie"]


# what may be asked for


@pytest.mark.parametrize(
    "target",
    [
        "/../../../../etc/passwd",
        "/js/../../viewer/server.py",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/..\\..\\etc\\passwd",
        "/js/..%5c..%5csecret",
        "//etc/passwd",
        "//evil.example/",
        "/js/main.js%00.html",
        "/js/main.js/",
        "/js",
        "/js/",
        "/index.html",
        "/thumb/../../run.json",
        "/thumb/-1",
        "/thumb/1e9",
        "/thumb/99999999999999999999",
        "/photo/",
        "/run.json",
        "/log.jsonl",
        "/" + "a" * 3000,
    ],
)
def test_nothing_outside_is_given_out(stranger, target):
    status, _, body = stranger.get(target)
    assert status == 404
    assert len(body) < 100


def test_every_answer_carries_the_headers_of_caution(stranger):
    answers = [
        stranger.get("/"),
        stranger.get("/js/main.js"),
        stranger.get("/stage.json"),
        stranger.get("/nothing"),
        stranger.get("/", token=False),
        stranger.get("/", Host="evil.example"),
    ]
    assert [status for status, _, _ in answers] == [200, 200, 200, 404, 401, 403]
    for _, headers, _ in answers:
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_names_travel_as_data_never_as_markup(stranger):
    """The page puts them in as text: tests/e2e/test_view.py looks at it."""
    _, headers, body = stranger.get("/stage.json")
    assert headers["content-type"] == "application/json"
    assert json.loads(body)["cameras"][0]["name"] == "<img src=x onerror=alert(1)>.png"
    for target in ("/", "/<img/src=x/onerror=alert(1)>"):
        assert b"onerror" not in stranger.get(target)[2]


# what may be sent


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nhello",
        b"DELETE /run.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET " + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff\xfe\x00\r\n\r\n",
        bytes(range(256)) * 40,
    ],
)
def test_what_is_no_request_is_dropped(stranger, words, opened, sent, monkeypatch):
    answer = stranger.raw(sent, patience=0.4)
    assert not answer.startswith(b"HTTP/1.1 2")
    assert stranger.token.encode() not in answer
    assert alive(stranger, words, opened)


def ws_frame(first: int, payload: bytes, *, claim: int | None = None, mask: bool = True) -> bytes:
    """One frame of a WebSocket, as hostile as wanted."""
    size = len(payload) if claim is None else claim
    key = b"\x01\x02\x03\x04" if mask else b""
    bit = 0x80 if mask else 0
    head = bytes([first])
    head += bytes([bit | size]) if size < 126 else bytes([bit | 127]) + struct.pack(">Q", size)
    return (
        head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))
        if mask
        else head + payload
    )


@pytest.mark.parametrize(
    "sent",
    [
        ws_frame(0x81, b"{", mask=False),  # unmasked
        ws_frame(0x83, b"reserved opcode"),
        ws_frame(0xF1, b"reserved bits"),
        ws_frame(0x80, b"a continuation of nothing"),
        ws_frame(0x89, b"p" * 200),  # a ping too long
        ws_frame(0x81, b"\xff\xfe not utf-8"),
        ws_frame(0x81, b"x", claim=2**30),  # a gigabyte
        ws_frame(0x81, b"x", claim=2**63),
        ws_frame(0x82, os.urandom(600)),
        ws_frame(0x81, b"[" * 500_000),
        os.urandom(4000),
    ],
)
def test_malformed_and_huge_messages_close_the_connection(stranger, words, opened, sent):
    with stranger.window() as link:
        link.socket.sendall(sent)
        with pytest.raises((ConnectionClosed, EOFError)):
            link.recv(timeout=5)
    assert alive(stranger, words, opened)


@pytest.mark.parametrize(
    "text", ["", "{}", "null", '{"kind": "export"}', '{"kind": "look"}', "x" * 999]
)
def test_what_is_no_message_closes_the_connection(stranger, words, opened, text):
    with stranger.window() as link:
        link.send(text)
        with pytest.raises(ConnectionClosed) as closed:
            link.recv(timeout=5)
        assert closed.value.rcvd.code == 1008
    assert alive(stranger, words, opened)


def test_random_messages_end_connections_and_nothing_else(stranger, words, opened):
    rng = random.Random(0)
    whole = words(crop=[0, 0, 0, 1, 1, 1])
    for _ in range(60):
        broken = bytearray(whole.encode())
        for _ in range(rng.randrange(1, 6)):
            broken[rng.randrange(len(broken))] = rng.randrange(32, 127)
        with stranger.window() as link:
            try:
                link.send(broken.decode())
                stranger.viewer.engine.work(0.0)
            except ConnectionClosed:
                pass
    assert alive(stranger, words, opened)


@pytest.mark.parametrize(
    "given",
    [
        {"fov": 0},
        {"fov": float("nan")},
        {"pose": [float("nan")] * 12},
        {"pose": [0.0] * 12},
        {"width": 100_000, "height": 100_000},
        {"width": float("inf"), "height": -3},
        {"crop": [float("nan"), 1e300, -1e300, 0, 0, 0]},
    ],
)
def test_looks_out_of_range_are_clamped_and_answered(viewer, stranger, opened, words, given):
    with stranger.window() as link:
        link.send(words(**given))
        about = frame(viewer, link, opened)
    width, height = about["size"]
    assert 1 <= width * height <= MOST_PIXELS
    assert 1 <= about["fov"] <= 150
    assert all(abs(x) < 1e7 for x in about["pose"])


def test_a_crowd_leaves_room_for_the_owner(stranger, words, opened, monkeypatch):
    """Connections that say nothing: dropped where there are too many, given up after a while."""
    monkeypatch.setattr(serving, "MOST_CONNECTIONS", 20)
    files = len(list(Path("/proc/self/fd").iterdir()))
    with ExitStack() as stack:
        crowd = []
        for _ in range(150):
            link = stack.enter_context(socket.create_connection(("127.0.0.1", stranger.port)))
            link.settimeout(5)
            crowd.append(link)
        end = time.monotonic() + 5
        while dropped(crowd) < 120 and time.monotonic() < end:
            time.sleep(0.05)
        assert dropped(crowd) >= 120
        ours = len(list(Path("/proc/self/fd").iterdir())) - files - len(crowd)
        assert ours < 40
    end = time.monotonic() + 5
    while time.monotonic() < end and not answered(stranger):
        time.sleep(0.1)
    assert alive(stranger, words, opened)


def dropped(links: list[socket.socket]) -> int:
    """How many of them the other side has closed."""
    found = 0
    for link in links:
        link.setblocking(False)
        try:
            found += link.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            pass
        except OSError:
            found += 1
    return found


def answered(stranger: Stranger) -> bool:
    try:
        return stranger.get("/nothing")[0] == 404
    except (OSError, IndexError, ValueError):
        return False


def test_a_request_that_never_ends_is_given_up(ball, words, opened, monkeypatch):
    monkeypatch.setattr(serving, "PATIENCE", 0.3)
    with Viewer(ball, Door(port=0), lambda text: None) as viewer:
        stranger = Stranger(viewer)
        started = time.monotonic()
        assert b"200" not in stranger.raw(b"GET / HTTP/1.1\r\nHost: 127", patience=5)
        assert time.monotonic() - started < 3
        assert alive(stranger, words, opened)


def test_more_windows_than_can_be_served_are_refused(stranger, monkeypatch):
    monkeypatch.setattr(serving, "MOST_WINDOWS", 2)
    with stranger.window(), stranger.window():
        with pytest.raises(InvalidStatus) as refusal:
            stranger.window()
        assert refusal.value.response.status_code == 503


def test_windows_that_leave_amid_a_picture_are_forgotten(viewer, stranger, words, opened):
    for _ in range(5):
        with stranger.window() as link:
            link.send(words(width=1600, height=1000))
            frame(viewer, link, opened)
            link.socket.shutdown(socket.SHUT_RDWR)  # without a word
    end = time.monotonic() + 5
    while viewer.engine.watched and time.monotonic() < end:
        viewer.engine.work(0.0)
        time.sleep(0.02)
    assert not viewer.engine.watched
    assert alive(stranger, words, opened)


def test_a_window_that_takes_nothing_is_not_waited_for(viewer, stranger, words, opened):
    with stranger.window(max_queue=1) as slow:
        for number in range(80):
            slow.send(words(number=number))
            viewer.engine.work(0.0)
        started = time.monotonic()
        assert alive(stranger, words, opened)
        assert time.monotonic() - started < 5


def test_paths_are_written_into_the_run_alone(viewer, stranger, words, ball):
    """The page names no file; what it sends is checked before it is written."""
    keys = [{"seconds": s, "pose": json.loads(words())["pose"], "fov": 40} for s in (0, 1, 1)]
    message = {"kind": "path", "keys": keys, "file": "../../evil.json", "name": "/etc/passwd"}
    with stranger.window() as link:
        link.send(json.dumps(message))
        answer = told(viewer, link)
    written = Path(answer["file"])
    assert written == ball.run.path / "paths" / "path-1.json"
    assert len(read_path(written).keys) == 2
    assert {p.name for p in ball.run.path.iterdir()} == {"log.jsonl", "paths"}


def test_a_full_disk_is_told_and_the_viewer_goes_on(viewer, stranger, words, opened, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rayfield.app.learned.camera_path.write_json", full)
    keys = [{"seconds": 0, "pose": json.loads(words())["pose"]}]
    with stranger.window() as link:
        link.send(json.dumps({"kind": "path", "keys": keys}))
        assert "No space left" in told(viewer, link)["trouble"]
    assert alive(stranger, words, opened)
