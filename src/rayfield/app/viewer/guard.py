"""Who may come in: requests are judged by the name they were sent to, their origin and a token.

Another web page in the user's browser can send requests to this machine, and a domain can be made
to point at it (DNS rebinding). Such requests carry a foreign Host or Origin; nobody else's page
knows the token.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Guard:
    """Judges requests to a server that listens at `host`; `port` names its cookie."""

    host: str
    port: int
    token: str = field(default_factory=new_token, repr=False)

    @property
    def cookie(self) -> str:
        """Its name: cookies do not tell ports apart."""
        return f"rayfield-{self.port}"

    def refusal(
        self, headers: Mapping[str, list[str]], target: str, *, local: str, upgrade: bool
    ) -> HTTPStatus | None:
        """Why a request is refused; None if it is not.

        `headers` by lower-case name; `target` as in the request line; `local` the address of ours
        that it reached; `upgrade`: it asks for a WebSocket.
        """
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not self._is_ours(hosts[0], local):
            return HTTPStatus.FORBIDDEN
        origins = headers.get("origin", [])
        if (upgrade or origins) and not _is_same(origins, hosts[0]):
            return HTTPStatus.FORBIDDEN
        if not self._knows_token(headers.get("cookie", []), target):
            return HTTPStatus.UNAUTHORIZED
        return None

    def _is_ours(self, header: str, local: str) -> bool:
        """Whether a Host header names this server. A number cannot be re-bound: that of the
        address which was reached is as good as the name."""
        name = _name(header)
        if name is None:
            return False
        if is_loopback(self.host):
            return name in LOOPBACK or name == self.host.lower()
        own = {self.host.lower(), socket.gethostname().lower(), socket.getfqdn().lower(), local}
        return name in LOOPBACK or name in own - EVERYWHERE

    def _knows_token(self, cookies: list[str], target: str) -> bool:
        offered = _tokens(target)
        for pair in ";".join(cookies).split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self.cookie:
                offered.append(value)
        known = self.token.encode()
        return any(secrets.compare_digest(each.encode(errors="replace"), known) for each in offered)


def _tokens(target: str) -> list[str]:
    """The values of `token` in the query of a request."""
    try:
        return parse_qs(urlsplit(target).query, max_num_fields=8).get("token", [])
    except ValueError:
        return []


def _name(header: str) -> str | None:
    """The host of a Host header, without port and brackets; None if it is none."""
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port
    except ValueError:
        return None
    plain = parts.netloc == header and "@" not in header
    return parts.hostname if plain else None


def _is_same(origins: list[str], host: str) -> bool:
    """Whether the origin is the page that this server gave out; https where a proxy adds it."""
    allowed = {f"{scheme}://{host}".lower() for scheme in ("http", "https")}
    return len(origins) == 1 and origins[0].lower() in allowed
