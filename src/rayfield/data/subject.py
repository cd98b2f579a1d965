"""Where the subject of a data set is: the ball that formats want which name one."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from rayfield.data.hull import alpha_views, hull_box
from rayfield.data.normalise import normalise
from rayfield.data.scene import Ball, Capture


class Subject(NamedTuple):
    """The ball, whether the subject is cut out, and how far from the middle the cameras are."""

    ball: Ball
    cut_out: bool
    reach: float


def find_subject(capture: Capture) -> Subject:
    """The ball that the files name; else that about the visual hull of cut-out subjects, or about
    what all cameras look at, as far as it can reach. World units.

    Raises DataError as `normalise` does.
    """
    scene = normalise(capture)
    centre = scene.world_from_scene[:3, 3]
    unit = float(np.cbrt(np.linalg.det(scene.world_from_scene[:3, :3])))
    ball = capture.ball or Ball(centre, unit * scene.traits.ball)
    if capture.ball is None and scene.traits.bounded:
        frames = tuple(frame for frame in capture.frames if frame.split == "train")
        box = hull_box(alpha_views(frames), centre, math.sqrt(3) * unit)
        lower, upper = (centre - unit, centre + unit) if box is None else box
        ball = Ball(0.5 * (lower + upper), 0.5 * float(np.linalg.norm(upper - lower)))
    places = np.stack([frame.camera.pose[:3, 3] for frame in capture.frames])
    reach = float(np.linalg.norm(places - ball.centre, axis=1).max())
    return Subject(ball, scene.traits.bounded, reach)
