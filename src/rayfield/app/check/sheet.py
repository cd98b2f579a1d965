"""The picture of a check: where photos were taken, what was found, and the photos to look at."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from rayfield.app.check import globe
from rayfield.app.check.examine import Examination
from rayfield.app.check.words import verdict
from rayfield.app.drawing.plots import draw_cameras
from rayfield.app.learned.cameras import NamedCamera
from rayfield.core.drawing import (
    BLUE,
    FAINT,
    INK,
    ORANGE,
    headline,
    new_figure,
    save,
    show,
    style,
)
from rayfield.data.check.coverage import GUESSES, REACH
from rayfield.data.check.look import Look
from rayfield.data.check.photos import blur
from rayfield.data.normalise import similarity
from rayfield.data.scene import SPLITS

WIDTH, HEIGHT = 12.0, 8.0  # inches
PHOTOS = 5
LINES = 13
TITLE = 66  # letters that the title has room for, beside the one of the cameras
RED = "#b3261e"
COLOURS = {"error": RED, "warning": ORANGE, "note": FAINT}
PER_PICTURE = ("images", "blur", "exposure", "copies", "masks", "sizes", "intrinsics")
SHORT = {"images": "unreadable", "blur": "blurred", "exposure": "exposure", "copies": "copy"}


class Shown(NamedTuple):
    """A thumbnail and what is to be seen in it."""

    pixels: UInt8[np.ndarray, "h w 3"]
    label: str
    colour: str


def draw(path: Path, found: Examination) -> None:
    """Write the PNG. Raises OSError."""
    with style():
        figure = new_figure(WIDTH, HEIGHT)
        name = _short(found.path.resolve().name)
        counts = [(sum(f.split == s for f in found.frames), s) for s in SPLITS]
        told = " + ".join(f"{count} {split}" for count, split in counts if count)
        title, below = f"{name}, {verdict(found)}", f"{told or 'no usable'} images"
        if len(title) > TITLE:
            title, below = name, f"{verdict(found)}; {below}"
        headline(figure, title, below=below)
        _globes(figure, found)
        _cameras(figure, found)
        _words(figure, found)
        _photos(figure, found)
    save(figure, path)


def _box(x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    """A place on the figure, in inches from its upper left corner."""
    return x / WIDTH, 1 - (y + height) / HEIGHT, width / WIDTH, height / HEIGHT


def _globes(figure: Any, found: Examination) -> None:
    if found.coverage is None:
        figure.text(0.03, 0.72, "from where around the subject: not known", color=FAINT)
        return
    first, second = globe.sides(found.coverage)
    titles = (
        "the side with most photos, from a little above",
        "the opposite side, from a little below",
    )
    for x, view, title in ((0.1, first, titles[0]), (4.0, second, titles[1])):
        globe.draw(figure.add_axes(_box(x, 1.0, 3.8, 3.5)), found.coverage, view, title=title)
    legend = (
        f"each dot is a training photo;  blue: a photo within {REACH:.0f} degrees "
        f"({found.coverage.share:.0%} of all directions);  orange: none, {GUESSES}"
    )
    figure.text(4.0 / WIDTH, 1 - 4.72 / HEIGHT, legend, ha="center", fontsize=8.5)


def _cameras(figure: Any, found: Examination) -> None:
    if found.subject is None or not found.frames:
        return
    cameras = [NamedCamera(f.name, f.split, f.camera) for f in found.frames]
    axes = figure.add_axes(_box(7.9, 1.05, 4.0, 3.7), projection="3d")
    subject = found.subject
    box = similarity(np.eye(3), subject.centre, subject.half)
    draw_cameras(axes, cameras, box, bounded=subject.bounded)
    axes.view_init(20, -60)
    mended = f", read {found.reading_as}," if found.reading_as else ""
    what = "the subject's box" if subject.bounded else "where the subject is looked for"
    title = textwrap.fill(f"the cameras{mended} and {what}", 46)
    figure.text(9.9 / WIDTH, 1 - 0.7 / HEIGHT, title, ha="center", fontsize=10)
    at = 1 - 0.9 / HEIGHT
    figure.text(9.85 / WIDTH, at, "blue: train", ha="right", color=BLUE, fontsize=8.5)
    figure.text(9.95 / WIDTH, at, "orange: test", color=ORANGE, fontsize=8.5)


def _words(figure: Any, found: Examination) -> None:
    """The findings, worst first, as far as there is room."""
    y = 5.1
    figure.text(0.15 / WIDTH, 1 - y / HEIGHT, "what was found", fontsize=10.5, weight="bold")
    key = "red: training would be pointless, orange: warning, grey: note"
    figure.text(1.6 / WIDTH, 1 - y / HEIGHT, key, fontsize=8, color=FAINT)
    line = 0
    for index, finding in enumerate(found.findings):
        rows = textwrap.wrap(f"{finding.kind}: {finding.what}", 76)[:4]
        if line + len(rows) > LINES:
            rest = f"... and {len(found.findings) - index} more"
            figure.text(0.55 / WIDTH, 1 - (y + 0.26 + 0.19 * line) / HEIGHT, rest, fontsize=8.5)
            break
        colour = COLOURS[finding.level]
        for number, row in enumerate(rows):
            at = 1 - (y + 0.26 + 0.19 * line) / HEIGHT
            if number == 0:
                figure.text(0.2 / WIDTH, at, "●", fontsize=8, color=colour)
            figure.text(0.4 / WIDTH, at, row, fontsize=8.5, color=INK)
            line += 1


def _photos(figure: Any, found: Examination) -> None:
    """The photos that findings name, or the least sharp ones where they name none."""
    shown, title = _chosen(found)
    if not shown:
        return
    figure.text(6.0 / WIDTH, 1 - 5.1 / HEIGHT, title, fontsize=10.5, weight="bold")
    for index, photo in enumerate(shown):
        x, y = 6.0 + 1.98 * (index % 3), 5.22 + 1.34 * (index // 3)
        show(figure.add_axes(_box(x, y, 1.88, 1.04)), photo.pixels)
        at = (x + 0.94) / WIDTH, 1 - (y + 1.19) / HEIGHT
        figure.text(*at, photo.label, ha="center", fontsize=7.5, color=photo.colour)


def _chosen(found: Examination) -> tuple[list[Shown], str]:
    bad: dict[str, Shown] = {}
    for finding in found.findings:
        if finding.kind not in PER_PICTURE or finding.level == "note":
            continue
        for where in finding.where[: PHOTOS + 1]:
            name = where.split(" = ")[0]
            if name in found.looks and name not in bad:
                label = f"{SHORT.get(finding.kind, finding.kind)}: {_short(where)}"
                bad[name] = Shown(over_white(found.looks[name]), label, COLOURS[finding.level])
    if bad:
        return list(bad.values())[: PHOTOS + 1], "photos to look at"
    seen = tuple(frame for frame in found.frames if frame.name in found.looks)
    if len(seen) < 4:
        return [], ""
    order = np.argsort(np.nan_to_num(blur(seen, found.looks), nan=np.inf))[: PHOTOS + 1]
    usual = [Shown(over_white(found.looks[seen[i].name]), _short(seen[i].name), INK) for i in order]
    return usual, "the least sharp photos, none of them unusual"


def over_white(look: Look) -> UInt8[np.ndarray, "h w 3"]:
    """The thumbnail, with what alpha or mask leaves out in white."""
    if look.kept is None:
        return look.small
    part = look.kept[..., None] / 255.0
    return (look.small * part + 255 * (1 - part) + 0.5).astype(np.uint8)


def _short(name: str) -> str:
    return name if len(name) <= 36 else f"...{name[-33:]}"
