"""Where the viewer listens: a free port, and the links to type."""

from __future__ import annotations

import errno
import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rayfield.app.command.options import HOST, PORT
from rayfield.app.viewer.guard import EVERYWHERE
from rayfield.core.check import RayfieldError, UsageError

TRIED = 100  # ports from the one wished for


@dataclass(frozen=True)
class Door:
    """Where the viewer listens, whether it opens the browser itself, and a mesh to show too."""

    host: str = HOST
    port: int = PORT
    browser: bool = False
    mesh: Path | None = None


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at `port`, or at the next one that is free; 0: any.

    Raises UsageError for a host or port that this machine does not let us use.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port} is out of range; give 0 to 65535")
    family, address = _address(host)
    for each in range(port, min(port + TRIED, 65536)) if port else (0,):
        try:
            return socket.create_server((address, each), family=family, backlog=64)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            if error.errno in (errno.EACCES, errno.EPERM):
                raise UsageError(
                    f"--port {each} needs rights that you do not have; give 1024 or more"
                ) from None
            raise UsageError(f"--host {host}: cannot listen there ({error.strerror})") from None
    raise RayfieldError(f"no port from {port} to {port + TRIED - 1} is free; give another --port")


def _address(host: str) -> tuple[socket.AddressFamily, str]:
    if host.lower() == "localhost":
        return socket.AF_INET, "127.0.0.1"
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:  # names of this machine, or not
        raise UsageError(f"--host {host}: no such address ({error.strerror})") from None
    except UnicodeError:
        raise UsageError(f"--host {host!r:.80}: no such address") from None
    family, _, _, _, address = found[0]
    return family, str(address[0])


def link(host: str, port: int, token: str) -> str:
    """The link to open: with a name that a browser reaches."""
    if host in EVERYWHERE:
        host = socket.gethostname()
    return f"http://{_bracketed(host)}:{port}/?token={token}"


def tunnel(port: int, host: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The command that brings the viewer to the machine one has come from by ssh; None if one
    has not."""
    words = environment.get("SSH_CONNECTION", "").split()
    if len(words) != 4:
        return None
    _, _, server, door = words
    extra = "" if door == "22" else f"-p {door} "
    return f"ssh {extra}-L {port}:{_bracketed(host)}:{port} {_user()}@{server}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name for the number
        return "USER"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
