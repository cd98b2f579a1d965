"""Photos unlike the others: blurred, or of another exposure; or that cannot be decoded."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from rayfield.data.check.finding import Finding, images
from rayfield.data.check.look import Looked, Troubled
from rayfield.data.check.poses import poses_of
from rayfield.data.scene import Frame

NEIGHBOURS = 5
BLURRED, BLURRED_OF_ALL = 0.35, 0.6  # sharpness over the median of neighbours, and of all
JUMP = 0.5  # log2 of brightness, as stored, against the neighbours': a bit more than one stop
GAMMA = 2.2
BLACK, BURNT = 8, 235  # grey levels that tell little


def neighbours(frames: tuple[Frame, ...]) -> Int[np.ndarray, "N K"]:
    """The frames whose cameras look most alike from nearly the same place, for each frame."""
    poses = poses_of(frames)
    places = poses[:, :3, 3] - poses[:, :3, 3].mean(axis=0)
    places = places / max(float(np.abs(places).max()), 1e-12)
    marks = np.concatenate([places, poses[:, :3, 2]], axis=1)
    count = min(NEIGHBOURS, len(frames) - 1)
    _, near = cKDTree(marks).query(marks, k=np.arange(1, count + 2))
    others = near != np.arange(len(frames))[:, None]  # of equal cameras, itself may be left out
    others[others.all(axis=1), -1] = False
    return near[others].reshape(-1, count)


def _against(values: Float[np.ndarray, " N"], near: Int[np.ndarray, "N K"]) -> np.ndarray:
    """Values over the median of their neighbours'."""
    with np.errstate(all="ignore"):
        return values / np.maximum(_medians(values[near]), 1e-9)


def _medians(rows: Float[np.ndarray, "N K"]) -> Float[np.ndarray, " N"]:
    """The median of each row's finite values; NaN where there are none."""
    return np.array(
        [np.median(r[np.isfinite(r)]) if np.isfinite(r).any() else np.nan for r in rows]
    )


def check_seen(frames: tuple[Frame, ...], looks: Looked, troubles: Troubled) -> list[Finding]:
    """A note where there are so many pictures that not all were looked at."""
    count, seen = len({frame.name for frame in frames}), len(looks) + len(troubles)
    if seen == count:
        return []
    what = f"{seen} of {images(count)}, evenly spread, were looked at; the rest is told by its pose"
    return [Finding("note", "images", what)]


def check_photos(frames: tuple[Frame, ...], looks: Looked, troubles: Troubled) -> list[Finding]:
    """What stands out among the pictures that could be looked at, and those that could not."""
    found = [
        Finding("error", "images", f"cannot be used: {what}", (name,), "replace it or take it out")
        for name, what in troubles.items()
    ]
    seen = tuple(frame for frame in frames if frame.name in looks)
    if len(seen) < 4:
        return found
    near = neighbours(seen)
    return [*found, *_blurred(seen, looks, near), *_jumps(seen, looks, near)]


def blur(frames: tuple[Frame, ...], looks: Looked) -> Float[np.ndarray, " N"]:
    """Sharpness of each frame over the median of its neighbours; NaN where it is not known."""
    values = np.array([looks[frame.name].sharpness for frame in frames])
    return _against(values, neighbours(frames))


def _blurred(frames: tuple[Frame, ...], looks: Looked, near: np.ndarray) -> list[Finding]:
    values = np.array([looks[frame.name].sharpness for frame in frames])
    ratio = _against(values, near)
    typical = np.nanmedian(values) if np.isfinite(values).any() else np.nan
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero((ratio < BLURRED) & (values < BLURRED_OF_ALL * typical))
    bad = bad[np.argsort(ratio[bad])]
    if not len(bad):
        return []
    names = tuple(frames[i].name for i in bad)
    what = f"{images(len(bad))} far more blurred than photos from nearby"
    fix = "leave them out, or take them again"
    return [Finding("warning", "blur", what, names, fix)]


def exposure_steps(
    frames: tuple[Frame, ...], looks: Looked, near: Int[np.ndarray, "N K"]
) -> Float[np.ndarray, " N"]:
    """log2 of how much brighter, as stored, each frame is than its neighbours; 0 if unclear.

    Another exposure moves dark, middling and bright tones alike, which another content seldom does:
    the smallest move of all percentiles counts, and 0 where they do not agree on the direction.
    Those that are black or burnt out in the neighbours tell nothing.
    """
    levels = np.array([looks[frame.name].levels for frame in frames])
    steps = np.full(levels.shape, np.nan)
    for column, values in enumerate(levels.T):
        usual = _medians(values[near])
        with np.errstate(invalid="ignore"):
            told = (usual > BLACK) & (usual < BURNT)
        steps[told, column] = np.log2(np.maximum(values[told], 1.0) / usual[told])
    up = np.nan_to_num(steps, nan=np.inf).min(axis=1)
    down = np.nan_to_num(steps, nan=-np.inf).max(axis=1)
    agreed = np.where(up > 0, up, np.where(down < 0, down, 0.0))
    return np.where(np.isfinite(agreed), agreed, 0.0)


def _jumps(frames: tuple[Frame, ...], looks: Looked, near: np.ndarray) -> list[Finding]:
    steps = exposure_steps(frames, looks, near)
    bad = np.flatnonzero(np.abs(steps) > JUMP)
    bad = bad[np.argsort(-np.abs(steps[bad]))]
    if not len(bad):
        return []
    names = tuple(frames[i].name for i in bad)
    worst = GAMMA * float(steps[bad[0]])
    how = "brighter" if worst > 0 else "darker"
    what = (
        f"{images(len(bad))} of another exposure than photos from nearby (the worst about "
        f"{abs(worst):.1f} stops {how})"
    )
    fix = "lock the exposure, or leave them out"
    return [Finding("warning", "exposure", what, names, fix)]
