"""What a reconstruction came to: how many pictures have a pose, and why the others have none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, NamedTuple

from rayfield.app.process.pairing import Pair

FEW_FEATURES = 50
FEW_IMAGES = 3  # no fewer make a data set, whatever is allowed

Kind = Literal["unreadable", "features", "unmatched", "apart", "weak"]
SUMMED: dict[Kind, str] = {
    "unreadable": "cannot be read",
    "features": "too few features",
    "unmatched": "no match with any other",
    "apart": "in another part",
    "weak": "too few matches",
}
ADVICE: dict[Kind, str] = {
    "unreadable": "copy them again",
    "features": "take sharper, brighter photos, of things with texture",
    "unmatched": "take photos that overlap by two thirds with their neighbours",
    "apart": "add photos that lead from one part to the other",
    "weak": "take photos that overlap by two thirds with their neighbours",
}


class Failure(NamedTuple):
    """A picture without a pose: its name, the kind of reason, and the reason in words."""

    name: str
    kind: Kind
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What came out: counts, failures, the sizes of all models (the largest is taken), how it was
    found. `error` is the mean reprojection error in pixels."""

    registered: int
    total: int
    failures: tuple[Failure, ...]
    models: tuple[int, ...]
    points: int
    error: float | None
    stages: tuple[str, ...]
    lenses: tuple[str, ...]

    @property
    def share(self) -> float:
        """How many of the pictures have a pose, in [0, 1]."""
        return self.registered / max(self.total, 1)


def to_values(outcome: Outcome) -> dict[str, Any]:
    """The outcome as values that JSON can hold."""
    failed = [failure._asdict() for failure in outcome.failures]
    return {**asdict(outcome), "failures": failed}


def from_values(values: Mapping[str, Any]) -> Outcome:
    """The outcome that `to_values` took apart, on its way through JSON; other keys are ignored."""
    own = {field.name: values[field.name] for field in fields(Outcome)}
    own |= {key: tuple(values[key]) for key in ("models", "stages", "lenses")}
    return Outcome(**{**own, "failures": tuple(Failure(**each) for each in values["failures"])})


def failures(
    names: Sequence[str],
    features: Sequence[int],
    *,
    verified: Mapping[Pair, int],
    compared: frozenset[Pair],
    models: Sequence[set[int]],
) -> tuple[Failure, ...]:
    """Why each picture that is not in the first model is not.

    `features`: how many each has; `verified`: the points that two views of one rigid thing share,
    for pairs that have enough; `compared`: all pairs that were tried.
    """
    placed = models[0] if models else set()
    tried: Counter[int] = Counter(i for pair in compared for i in pair)
    partners: dict[int, dict[int, int]] = {}
    for (i, j), inliers in verified.items():
        partners.setdefault(i, {})[j] = inliers
        partners.setdefault(j, {})[i] = inliers
    found = []
    for i in range(len(names)):
        if i in placed:
            continue
        apart = next((model for model in models[1:] if i in model), None)
        found.append(_failure(i, names, features[i], tried[i], partners.get(i, {}), apart))
    return tuple(found)


def _failure(
    i: int,
    names: Sequence[str],
    features: int,
    tried: int,
    partners: Mapping[int, int],
    apart: set[int] | None,
) -> Failure:
    if apart is not None:
        reason = f"in a part of {len(apart)} images that shares too little with the largest"
        return Failure(names[i], "apart", reason)
    if features < FEW_FEATURES:
        reason = f"only {features} features (blurred, dark, or without texture)"
        return Failure(names[i], "features", reason)
    if not partners:
        reason = f"none of the {tried} images it was compared with shows the same"
        return Failure(names[i], "unmatched", f"{reason} ({features:,} features)")
    best = max(partners, key=lambda j: partners[j])
    most = f"best: {names[best]}, {partners[best]} points"
    reason = f"matches {len(partners)} of {tried} images ({most}), too little to place it"
    return Failure(names[i], "weak", reason)


def summed(found: Sequence[Failure]) -> str:
    """The failures counted by kind: "no match with any other: 3, too few features: 1"."""
    counts = Counter(failure.kind for failure in found)
    return ", ".join(f"{SUMMED[kind]}: {number}" for kind, number in counts.most_common())


def advice(found: Sequence[Failure]) -> str:
    """What helps against the most common failure."""
    counts = Counter(failure.kind for failure in found)
    return ADVICE[counts.most_common(1)[0][0]] if counts else ""


def shortfall(outcome: Outcome, *, least: float, partial: bool) -> tuple[str, str] | None:
    """What is wrong and what to do where too few pictures have a pose; None if enough have."""
    enough = outcome.registered >= FEW_IMAGES and (partial or outcome.share >= least)
    if enough:
        return None
    share = f"{outcome.registered} of {outcome.total} images found a pose"
    if outcome.registered < FEW_IMAGES:
        what = f"{share}, and at least {FEW_IMAGES} are needed"
    else:
        what = f"{share} ({100 * outcome.share:.0f} %, fewer than {100 * least:.0f} %)"
    keep = "" if outcome.registered < FEW_IMAGES else ", or keep what there is: --allow-partial"
    return f"{what}; {summed(outcome.failures)}", advice(outcome.failures) + keep


def described(outcome: Outcome) -> list[str]:
    """The outcome in a few lines, the failures not among them."""
    points = f"{outcome.points:,} points"
    quality = "" if outcome.error is None else f", mean reprojection error {outcome.error:.2f} px"
    lines = [
        f"registered {outcome.registered} of {outcome.total} images "
        f"({100 * outcome.share:.0f} %), {points}{quality}"
    ]
    if len(outcome.models) > 1:
        sizes = ", ".join(map(str, outcome.models[:6]))
        lines.append(f"{len(outcome.models)} separate parts of {sizes} images: the largest is kept")
    lines += [f"lens: {lens}" for lens in outcome.lenses[:3]]
    if len(outcome.lenses) > 3:
        lines[-1] += f" ... ({len(outcome.lenses)} lenses)"
    return lines
