"""Pictures that are there twice: copies of test pictures among those that are learned from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from rayfield.core.check import DataError
from rayfield.data.check.finding import Finding, images
from rayfield.data.check.look import Looked
from rayfield.data.scene import Frame

ALIKE = 1.5  # root mean square of differences of thumbnails, of 255
TOGETHER = 256  # pictures that are compared with those of the test at a time
FLAT = 4.0  # standard deviation under which a thumbnail tells nothing
LIE = "take them out of the training pictures: measured quality would be too good"

Pair = tuple[str, str]


def check_twins(frames: tuple[Frame, ...], looks: Looked) -> list[Finding]:
    """Pictures of training that are, byte for byte or by their looks, also those of the test."""
    train = [frame for frame in frames if frame.split == "train"]
    held = [frame for frame in frames if frame.split != "train"]
    found: list[Finding] = []
    listed = sorted({f.name for f in train} & {f.name for f in held})
    if listed:
        what = f"{images(len(listed))} listed for training and for testing"
        found.append(Finding("error", "copies", what, tuple(listed), LIE))
    pairs = _same_bytes(frames)
    split = {frame.name: frame.split == "train" for frame in frames}
    across = [pair for pair in pairs if split[pair[0]] != split[pair[1]]]
    within = [pair for pair in pairs if split[pair[0]] == split[pair[1]] and split[pair[0]]]
    same = {*across, *within}
    alike = [
        pair
        for pair in look_alike(train, held, looks)
        if pair not in same and pair[::-1] not in same
    ]
    for matches, how in ((across, "copied from"), (alike, "that look just like")):
        if matches:
            what = f"{images(len(matches))} for training {how} pictures for testing"
            where = tuple(f"{a} = {b}" for a, b in matches)
            found.append(Finding("warning", "copies", what, where, LIE))
    if within:
        what = f"{images(len(within))} for training copied from another one"
        where = tuple(f"{a} = {b}" for a, b in within)
        found.append(Finding("warning", "copies", what, where, "keep one of each"))
    return found


def _same_bytes(frames: tuple[Frame, ...]) -> list[Pair]:
    """Different pictures of the same content, training ones first; later ones against the first."""
    sizes: dict[int, dict[str, Frame]] = {}
    for frame in sorted(frames, key=lambda frame: frame.split != "train"):
        sizes.setdefault(frame.path.stat().st_size, {}).setdefault(frame.name, frame)
    pairs = []
    for group in sizes.values():
        first: dict[bytes, str] = {}
        for name, frame in group.items() if len(group) > 1 else ():
            original = first.setdefault(_digest(frame.path), name)
            if original != name:
                pairs.append((original, name))
    return pairs


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise DataError(path, f"cannot be read ({error.strerror})", "check the disk") from None


def look_alike(train: list[Frame], held: list[Frame], looks: Looked) -> list[Pair]:
    """Pictures whose thumbnails are as good as equal."""
    a, b = ([f for f in side if f.name in looks and _tells(looks, f)] for side in (train, held))
    if not a or not b:
        return []
    left, right = (
        np.stack([looks[f.name].tiny.reshape(-1) for f in side]).astype(np.float32)
        for side in (a, b)
    )
    own, pairs = (right**2).sum(1), []
    for first in range(0, len(left), TOGETHER):
        part = left[first : first + TOGETHER]
        squares = (part**2).sum(1)[:, None] + own - 2 * part @ right.T
        for i, j in zip(*np.nonzero(squares / left.shape[1] < ALIKE**2), strict=True):
            pairs.append((a[first + i].name, b[j].name))
    return [pair for pair in pairs if pair[0] != pair[1]]


def _tells(looks: Looked, frame: Frame) -> bool:
    return bool(looks[frame.name].tiny.std() > FLAT)
