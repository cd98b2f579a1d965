"""What the server gives out over HTTP: files known by name from the start, and nothing else."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from rayfield.core.check import RayfieldError

ROOT = Path(__file__).resolve().parents[2] / "assets" / "viewer"
PAGE = "/"
# Kinds by a table of our own: what the system has registered may be wrong.
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
WORDS = {
    HTTPStatus.UNAUTHORIZED: "Open the whole link that rayfield printed: the token is missing.",
    HTTPStatus.FORBIDDEN: "This page is not served under this name, or to another site.",
    HTTPStatus.NOT_FOUND: "There is nothing here.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Too many look on already.",
}


class Answer(NamedTuple):
    """A response: a status, its kind and body, and whether the browser may keep it for a while."""

    status: HTTPStatus
    kind: str
    body: bytes
    keep: bool = False


def load_site(root: Path = ROOT) -> dict[str, Answer]:
    """Every file below `root` that a page may need, by its path in the URL; links are left out.

    Raises RayfieldError if there is no page.
    """
    found = {}
    for path in sorted(root.rglob("*")):
        kind = KINDS.get(path.suffix)
        inside = path.resolve().is_relative_to(root.resolve()) and not path.is_symlink()
        if kind is not None and inside and path.is_file():
            name = PAGE + path.relative_to(root).as_posix()
            found[name] = Answer(HTTPStatus.OK, kind, path.read_bytes())
    page = found.pop(PAGE + "index.html", None)
    if page is None:
        raise RayfieldError(f"{root}: the viewer's page is missing; install rayfield again")
    return {PAGE: page, **found}


def refused(status: HTTPStatus) -> Answer:
    """A response that says no, in words of ours alone."""
    words = WORDS.get(status, status.phrase)
    return Answer(status, "text/plain; charset=utf-8", f"{status.value} {words}\n".encode())
