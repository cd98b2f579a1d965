"""Where the viewer listens, and what to type."""

from __future__ import annotations

import errno
import socket

import pytest

from rayfield.app.viewer.address import link, listen, tunnel
from rayfield.core.check import RayfieldError, UsageError


def test_a_port_that_is_taken_gives_the_next_one():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with listen("127.0.0.1", port) as second:
            assert port < second.getsockname()[1] < port + 100
            assert second.getsockname()[0] == "127.0.0.1"


def test_names_and_numbers_of_this_machine():
    for host in ("localhost", "127.0.0.1"):
        with listen(host, 0) as found:
            assert found.getsockname()[0] == "127.0.0.1"


def test_a_machine_that_has_only_the_newer_numbers_is_served_too():
    try:
        with listen("::1", 0) as found:
            assert found.getsockname()[0] == "::1"
            assert link("::1", found.getsockname()[1], "t").startswith("http://[::1]:")
    except UsageError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7", "a" * 300, "bad host"])
def test_addresses_of_others_are_refused(host):
    with pytest.raises(UsageError, match="--host"):
        listen(host, 0)


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_ports_that_are_none_are_refused(port):
    with pytest.raises(UsageError, match="out of range"):
        listen("127.0.0.1", port)


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (errno.EACCES, UsageError, "--port 80 needs rights that you do not have"),
        (errno.EADDRINUSE, RayfieldError, "no port from 80 to 179 is free"),
        (errno.EADDRNOTAVAIL, UsageError, "cannot listen there"),
    ],
)
def test_what_the_system_refuses_is_told(monkeypatch, number, kind, said):
    def refuse(*args, **more):
        raise OSError(number, "no")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(kind, match=said):
        listen("127.0.0.1", 80)


def test_links_can_be_clicked():
    assert link("127.0.0.1", 7007, "abc") == "http://127.0.0.1:7007/?token=abc"
    assert link("::1", 80, "t") == "http://[::1]:80/?token=t"
    assert "0.0.0.0" not in link("0.0.0.0", 7007, "abc")


def test_who_comes_by_ssh_is_told_how_to_look():
    there = {"SSH_CONNECTION": "198.51.100.2 51000 203.0.113.9 22"}
    command = tunnel(7007, "127.0.0.1", there)
    assert command.startswith("ssh -L 7007:127.0.0.1:7007 ")
    assert command.endswith("@203.0.113.9")
    other = {"SSH_CONNECTION": "198.51.100.2 51000 203.0.113.9 2222"}
    assert tunnel(7007, "127.0.0.1", other).startswith("ssh -p 2222 -L")
    for nothing in ({}, {"SSH_CONNECTION": ""}, {"SSH_CONNECTION": "odd"}):
        assert tunnel(7007, "127.0.0.1", nothing) is None
