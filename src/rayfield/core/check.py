"""Errors a user can act on, and the checks that raise them.

Every message is one sentence: what file or argument, what is wrong and where, what to do.
"""

from __future__ import annotations

from pathlib import Path


class RayfieldError(Exception):
    """A failure whose message is meant for the user, who sees it without a traceback."""

    exit_code = 1


class UsageError(RayfieldError):
    """An argument or option that cannot be used."""

    exit_code = 2


class DataError(RayfieldError):
    """Input files that cannot be used: `DataError(path, what, fix)`."""

    exit_code = 3

    def __init__(self, path: Path | str, what: str, fix: str = "") -> None:
        self.path = Path(path)
        self.what = what
        self.fix = fix
        super().__init__(f"{path}: {what}" + (f"; {fix}" if fix else ""))
