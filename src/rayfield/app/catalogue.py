"""The methods there are: a name, the module that holds it, what it is for."""

from __future__ import annotations

import difflib
import importlib
from types import ModuleType
from typing import NamedTuple

from rayfield.core.check import UsageError


class Entry(NamedTuple):
    """A line of the catalogue; `offers` names the verbs that its fields can serve."""

    module: str
    summary: str
    offers: tuple[str, ...]


METHODS: dict[str, Entry] = {
    "instant": Entry(
        "rayfield.methods.instant_ngp",
        "radiance field on a multiresolution hash grid; seconds on a CPU (Instant-NGP, 2022)",
        ("render", "eval", "export"),
    ),
}


def load_method(name: str) -> ModuleType:
    """The module of a method. Raises UsageError, with the nearest name, if there is none."""
    if name not in METHODS:
        raise UsageError(f"there is no method {name!r}{suggestion(name, list(METHODS))}")
    return importlib.import_module(METHODS[name].module)


def suggestion(word: str, known: list[str]) -> str:
    """What to add to "there is no ...": the nearest known word, else all of them."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are: {', '.join(known)}"
