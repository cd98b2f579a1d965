"""Where the time went."""

from __future__ import annotations

from typing import NamedTuple

from rayfield.app.command.display import duration
from rayfield.app.report.facts import Facts, is_number
from rayfield.app.report.making import Made
from rayfield.app.report.markup import NOTHING, Markup, joined, rows_of, tag

SHORTEST = 0.01  # seconds that are worth telling


class Part(NamedTuple):
    """A share of the time."""

    name: str
    seconds: float


def section(facts: Facts, made: Made) -> Markup:
    """A bar with the shares, and how fast training was."""
    parts = parts_of(facts, made)
    total = sum(part.seconds for part in parts)
    if total <= 0:
        return NOTHING
    pieces = [
        tag(
            "i",
            "",
            {
                "class": f"part k{index}",
                "style": f"flex:{part.seconds / total:.4f} 0 auto",
                "title": f"{part.name}: {part.seconds:.1f} s",
            },
        )
        for index, part in enumerate(parts)
    ]
    keys = [
        tag(
            "span",
            joined(
                (tag("i", "", {"class": f"key k{index}"}), f"{part.name} {clock(part.seconds)}")
            ),
        )
        for index, part in enumerate(parts)
    ]
    bar = tag("div", joined(pieces), {"class": "times"})
    return joined((bar, tag("div", joined(keys), {"class": "legend"}), rows_of(_rates(facts))))


def parts_of(facts: Facts, made: Made) -> list[Part]:
    """The shares that are known: reading the data, training, what was done beside it, this page."""
    last = facts.rows[-1] if facts.rows else {}
    prepared = facts.run.record.get("prepared")
    seconds, wall = last.get("seconds"), last.get("wall_seconds")
    found = []
    if is_number(prepared):
        found.append(Part("reading data, preparing kernels", float(prepared)))
    if is_number(seconds):
        found.append(Part("training steps", float(seconds)))
        if is_number(wall) and wall > seconds:
            found.append(Part("previews, checkpoints, log", wall - seconds))
    found.append(Part("this page", sum(made.seconds.values())))
    return [part for part in found if part.seconds >= SHORTEST]


def clock(seconds: float) -> str:
    """Seconds as they are read: 0.42 s, 12 s, 3:20."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    return f"{seconds:.0f} s" if seconds < 100 else duration(seconds)


def _rates(facts: Facts) -> list[tuple[object, object]]:
    rows = facts.rows
    if not rows:
        return []
    last = rows[-1]
    late = rows[len(rows) // 2 :]

    def mean(key: str) -> float | None:
        values = [row[key] for row in late if is_number(row.get(key))]
        return sum(values) / len(values) if values else None

    rays, samples = mean("rays_per_second"), mean("samples_per_second")
    steps = last["step"] / last["seconds"] if last["seconds"] > 0 else None
    return [
        ("steps", f"{last['step']:,}"),
        ("steps a second", None if steps is None else f"{steps:,.1f}"),
        ("rays a second", None if rays is None else f"{rays:,.0f}"),
        ("samples a second", None if samples is None else f"{samples:,.0f}"),
    ]
