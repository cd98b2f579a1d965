"""The command that does a run again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from rayfield.app.catalogue import find_method
from rayfield.app.report.facts import Facts
from rayfield.app.report.markup import Markup, joined, tag


def section(facts: Facts) -> Markup:
    """The command, a button that copies it, and what to know of it."""
    text = tag("code", command(facts), {"id": "command"})
    copy = tag("button", "copy", {"type": "button", "data-copy": "command"})
    remarks = "The same seed and the same number of steps give the same bits on the same machine."
    if facts.run.record["budget"].get("seconds") is not None:
        remarks += (
            " This run was given seconds, of which another machine, or a busier one, makes another "
            "number of steps."
        )
    return joined((tag("pre", joined((text, copy))), tag("p", remarks, {"class": "hint"})))


def command(facts: Facts) -> str:
    """What to type to train this again, into a folder beside the run."""
    record = facts.run.record
    data = record["data"]
    asked: Mapping[str, Any] = record.get("asked") or {}
    out = facts.run.path.with_name(f"{facts.run.path.absolute().name}-again")
    words = ["rayfield", "train", record["method"], data["given"], "-o", str(out)]
    if asked.get("preset") is not None:
        words += ["--preset", str(asked["preset"])]
    budget = record["budget"]
    if budget.get("seconds") is not None:
        words += ["--seconds", f"{budget['seconds']:g}"]
    computed = find_method(record["method"]).learns == "solid"
    if budget.get("steps") is not None and not computed:
        words += ["--steps", str(budget["steps"])]
    if data["downscale"] != 1:
        words += ["--downscale", str(data["downscale"])]
    if record["seed"]:
        words += ["--seed", str(record["seed"])]
    if data.get("masks") is not None:
        words += ["--masks", str(data["masks"])]
    if data.get("drop_invalid"):
        words.append("--drop-invalid")
    for setting in _settings(asked):
        words += ["--set", setting]
    return " ".join(map(shlex.quote, words))


def _settings(asked: Mapping[str, Any]) -> list[str]:
    found = asked.get("settings")
    return [str(text) for text in found] if isinstance(found, list) else []
