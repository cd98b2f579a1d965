"""What every study gives, and how it tells where it is.

A study is a module whose docstring says what it shows and of which paper, with one function

    run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings

that computes, going on with what `folder` holds already, and writes `folder/figure.png`. `data`
is the user's, where the study can use some; None means what comes with the package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

FIGURE = "figure.png"

Report = Callable[[float, str], None]
"""Called with the part that is done, in [0, 1], and a few words on what goes on."""


class Verdict(NamedTuple):
    """What was published (with its source), what was measured here, and whether that agrees."""

    claim: str
    found: str
    holds: bool


class Findings(NamedTuple):
    """The result of a study: numbers, as JSON takes them, and the verdict."""

    numbers: dict[str, Any]
    verdict: Verdict


def part(report: Report, start: float | int, end: float | int) -> Report:
    """The report of a task that makes up the part [start, end] of a study."""
    return lambda done, what: report(start + (end - start) * done, what)
