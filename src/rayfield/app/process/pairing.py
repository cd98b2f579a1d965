"""Which pictures are compared with which, and how that escalates when too few find their place.

Pictures are numbers 0 ... N-1 in the order they were taken. What was compared once is never
compared again: a stage adds the pairs that are new in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Literal, NamedTuple

Matching = Literal["auto", "sequential", "exhaustive"]
Stage = Literal["sequential", "missing", "exhaustive"]
Pair = tuple[int, int]

EXHAUSTIVE_PHOTOS = 150  # photos: so many are all compared at once, whatever their order
EXHAUSTIVE_FRAMES = 60  # frames of a video: the sequence would hardly save anything
OVERLAP = 8  # following pictures that each is compared with, and as many at distances 2^k
ANCHORS = 40  # pictures spread over the sequence that are all compared: a way that closes is found
BLOCK = 25  # pictures: pairs are ordered in squares of so many, which keeps their features at hand
PLACED = 0.98  # of the pictures; below it, those without place are compared with all


class Escalated(NamedTuple):
    """How the comparing ended: the stages it took, all pairs compared, what they gave."""

    stages: tuple[Stage, ...]
    compared: frozenset[Pair]
    models: list[set[int]]


def stages(count: int, *, video: bool, matching: Matching) -> tuple[Stage, ...]:
    """What to try one after another."""
    few = count <= (EXHAUSTIVE_FRAMES if video else EXHAUSTIVE_PHOTOS)
    if matching == "exhaustive" or (matching == "auto" and few):
        return ("exhaustive",)
    if matching == "sequential":
        return ("sequential",)
    return ("sequential", "missing", "exhaustive")


def pairs(stage: Stage, count: int, placed: Iterable[int] = ()) -> set[Pair]:
    """All pairs (i, j), i < j, of a stage; `placed` are the pictures that have a pose already."""
    if stage == "exhaustive":
        return set(combinations(range(count), 2))
    if stage == "missing":
        rest = set(range(count)) - set(placed)
        return {(min(i, j), max(i, j)) for i in rest for j in range(count) if i != j}
    steps = {*range(1, OVERLAP + 1), *(2**k for k in range(OVERLAP))}
    found = {(i, i + step) for i in range(count) for step in steps if i + step < count}
    stride = max(1, -(-count // ANCHORS))
    return found | set(combinations(range(0, count, stride), 2))


def ordered(found: Iterable[Pair]) -> list[Pair]:
    """Pairs in an order that asks for the same pictures again soon."""
    return sorted(found, key=lambda pair: (pair[0] // BLOCK, pair[1] // BLOCK, pair))


def escalate(
    plan: tuple[Stage, ...],
    count: int,
    *,
    enough: float,
    match: Callable[[list[Pair]], None],
    place: Callable[[], list[set[int]]],
) -> Escalated:
    """Compare and place pictures stage by stage, until enough have a place.

    `match` compares pairs; `place` gives the models, each the set of its pictures, the largest
    first. Pictures left without a place are compared with all others; everything is compared with
    everything only where the largest model stays below `enough` of all.
    """
    done: set[Pair] = set()
    models: list[set[int]] = []
    taken: list[Stage] = []
    for stage in plan:
        placed = models[0] if models else set()
        if len(placed) >= (enough if stage == "exhaustive" else PLACED) * count > 0 and taken:
            continue
        new = pairs(stage, count, placed) - done
        if not new:
            continue
        match(ordered(new))
        done |= new
        taken.append(stage)
        models = place()
    return Escalated(tuple(taken), frozenset(done), models)
