"""What a check finds: how bad it is, what, in which pictures, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

# "error": training is refused, or would learn nothing; "warning": it would learn less than it
# could; "note": worth knowing.
Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")


class Finding(NamedTuple):
    """One thing found. `kind` is what it is about, `where` the names of pictures or files."""

    level: Level
    kind: str
    what: str
    where: tuple[str, ...] = ()
    fix: str = ""


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, then warnings, then notes; otherwise in the order they were found."""
    return tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level)))


def images(count: int) -> str:
    """ "1 image", "7 images"."""
    return f"{count} image{'s' * (count != 1)}"
