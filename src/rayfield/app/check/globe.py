"""The directions around a subject as a globe: where photos were taken, and where none was."""

from __future__ import annotations

from typing import Any

import matplotlib.patheffects as effects
import numpy as np
from jaxtyping import Float, UInt8

from rayfield.core.drawing import INK
from rayfield.data.check.coverage import GUESSES, REACH, Coverage, nearest

PIXELS = 260
NEAR, FAR, BARE, LINES = (
    np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], np.float64)
    for code in ("#2563b0", "#d3e2f4", "#f3c9a4", "#ffffff")
)
LIFT = 25.0  # degrees above the level plane from which the first side is looked at
WIDE = 0.06  # of the sphere: gaps of that size are labelled

Frame = Float[np.ndarray, "3 3"]


def sides(coverage: Coverage) -> tuple[Frame, Frame]:
    """Two opposite views of the globe: rows right, up, and towards the eye, in the world.

    The first one is from where most photos are.
    """
    up = coverage.subject.world_from_level[:, 2]
    mean = coverage.directions.mean(axis=0)
    flat = mean - (mean @ up) * up
    if np.linalg.norm(flat) < 0.1:
        flat = coverage.subject.world_from_level[:, 0]
    flat = flat / np.linalg.norm(flat)
    lift = np.radians(LIFT)
    eye = np.cos(lift) * flat + np.sin(lift) * up
    return _facing(eye, up), _facing(-eye, up)


def _facing(eye: Float[np.ndarray, " 3"], up: Float[np.ndarray, " 3"]) -> Frame:
    right = np.cross(up, eye)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(eye, right), eye])


def picture(coverage: Coverage, view: Frame) -> UInt8[np.ndarray, "P P 4"]:
    """The globe: blue where a photo is within REACH, orange where none is; a grid every 30."""
    steps = (np.arange(PIXELS) + 0.5) / PIXELS * 2 - 1
    x, y = np.meshgrid(steps, -steps)
    inside = x * x + y * y < 1
    around = np.stack([x, y, np.sqrt((1 - x * x - y * y).clip(0))], axis=-1)[inside] @ view
    angle = nearest(around, coverage.directions)[0][:, None]
    colour = np.where(angle < REACH, NEAR + (FAR - NEAR) * (angle / REACH).clip(0, 1), BARE)
    level = around @ coverage.subject.world_from_level
    height = np.degrees(np.arcsin(level[:, 2].clip(-1, 1)))
    turn = np.degrees(np.arctan2(level[:, 1], level[:, 0]))
    aside = np.cos(np.radians(height))
    grid = (np.abs((height + 15) % 30 - 15) < 0.5) | (
        (np.abs((turn + 15) % 30 - 15) * aside < 0.5) & (np.abs(height) < 85)
    )
    colour[grid] = 0.5 * colour[grid] + 0.5 * LINES
    shade = 0.82 + 0.18 * np.sqrt((1 - (x * x + y * y)[inside]).clip(0))
    image = np.zeros((PIXELS, PIXELS, 4), np.uint8)
    image[inside, :3] = (colour * shade[:, None] + 0.5).astype(np.uint8)
    image[inside, 3] = 255
    return image


def draw(axes: Any, coverage: Coverage, view: Frame, *, title: str) -> None:
    """The globe with a dot for each photo, the world's axes, and a word in each gap."""
    axes.imshow(picture(coverage, view), extent=(-1, 1, -1, 1), interpolation="antialiased")
    shown = coverage.directions @ view.T
    shown = shown[shown[:, 2] > 0]
    axes.scatter(shown[:, 0], shown[:, 1], s=9, color=INK, edgecolors="white", linewidths=0.4)
    halo = [effects.withStroke(linewidth=2.5, foreground="white")]
    for axis, name in enumerate("xyz"):
        for sign in (1, -1):
            x, y, depth = sign * view[:, axis]
            if depth > -0.05:
                label = f"{'+' if sign > 0 else '-'}{name}"
                place = 1.1 * np.array([x, y]) if np.hypot(x, y) > 0.9 else np.array([x, y])
                axes.text(*place, label, ha="center", va="center", fontsize=9, path_effects=halo)
    for gap in coverage.gaps:
        x, y, depth = view @ gap.centre
        if depth > 0.2 and gap.share >= WIDE:
            words = GUESSES.replace("here ", "here\n")
            axes.text(
                0.7 * x, 0.7 * y - 0.1, words, ha="center", fontsize=9, weight="bold",
                color="#8a3b00", path_effects=halo,
            )  # fmt: skip
    axes.set(xlim=(-1.15, 1.15), ylim=(-1.15, 1.15), aspect="equal")
    axes.set_axis_off()
    axes.set_title(title, fontsize=10)
