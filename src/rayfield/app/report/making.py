"""What a page shows that a run folder has not: made small, within a number of seconds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av
import numpy as np

from rayfield.app.drawing import figures, paths
from rayfield.app.drawing.video import Video, find_codec
from rayfield.app.learned import cameras as cams
from rayfield.app.learned.field import TrainedField
from rayfield.app.learned.opened import Learned
from rayfield.app.learned.trained_class import TrainedClass
from rayfield.app.report.facts import Facts
from rayfield.app.report.looking import Look, look
from rayfield.app.report.solid import MeshMade, mesh_made
from rayfield.app.sources.photos import scene_of
from rayfield.core.check import RayfieldError
from rayfield.core.types import Camera
from rayfield.data.scene import Scene

PROBE = 16  # pixels a side of the view that tells how fast views are made
SIDES = (80, 400)  # pixels along the longer side of what is made: fewer are not worth it
LOOKED = (3, 12)  # views of a quick look
FRAMES, SMOOTH = (40, 24, 16), 128  # pictures of a turn; as many as can have so many pixels a side
TURN_SECONDS = 3.0
LARGEST_VIDEO = 12 * 2**20  # bytes that are taken into the page
NATIVE = ("h264", "vp9", "av1")  # that browsers play


@dataclass
class Made:
    """What was made, or taken from the run; sentences about what was left out."""

    looks: list[Look] = field(default_factory=list)
    measured: dict[str, Any] | None = None
    video: bytes | None = None
    video_size: tuple[int, int] = (4, 3)
    mesh: MeshMade | None = None
    left_out: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


class Clock:
    """How much is left of some seconds."""

    def __init__(self, seconds: float) -> None:
        self._end = time.perf_counter() + seconds

    @property
    def left(self) -> float:
        """Seconds until the end, 0 after it."""
        return max(0.0, self._end - time.perf_counter())


def make(
    facts: Facts,
    learned: Learned | None,
    *,
    seconds: float,
    scene: Scene | None = None,
    tell: Callable[[str, float], None] = lambda what, done: None,
) -> Made:
    """The views, the video and the mesh of a page, with about `seconds` for making them.

    `scene`: the photos, if they are at hand.
    """
    made = Made()
    clock = Clock(seconds)
    field_ = learned.scene() if isinstance(learned, TrainedClass) else learned
    pace = _pace(field_) if isinstance(field_, TrainedField) and seconds > 0.3 else None
    steps: dict[str, Callable[[], None]] = {
        "views": lambda: _views(
            facts, field_, made, pace=pace, budget=0.4 * clock.left, scene=scene
        ),
        "video": lambda: _video(facts, field_, made, pace=pace, budget=0.55 * clock.left),
        "mesh": lambda: _mesh(facts, field_, made, budget=clock.left),
    }
    for index, (what, step) in enumerate(steps.items()):
        tell(what, index / len(steps))
        started = time.perf_counter()
        try:
            step()
        except Exception as error:  # the page stands without it
            problem = " ".join(str(error).split()) or type(error).__name__
            facts.problems.append(f"the {what} of this page: {problem[:400]}")
        made.seconds[what] = time.perf_counter() - started
    tell("page", 1.0)
    return made


def _pace(field_: TrainedField) -> float:
    """Rays rendered in a second, by a tiny view of the middle camera."""
    named = field_.cameras[len(field_.cameras) // 2].camera
    camera = cams.limited(named, PROBE)
    camera = replace(camera, pose=cams.to_scene(camera.pose, field_.world_from_scene))
    field_.look(camera)  # the first view may take longer
    for side in (PROBE, 4 * PROBE):
        camera = cams.limited(replace(named, pose=camera.pose), side)
        started = time.perf_counter()
        field_.look(camera)
        seconds = max(time.perf_counter() - started, 1e-6)
        if seconds > 0.05:  # slow enough to be told from what each view costs
            break
    return camera.width * camera.height / seconds


def _views(
    facts: Facts,
    learned: Any,
    made: Made,
    *,
    pace: float | None,
    budget: float,
    scene: Scene | None,
) -> None:
    """A quick look at views that were held out, unless the run's own evaluation is at hand."""
    if not isinstance(learned, TrainedField) or "scene" in learned.run.record["traits"]:
        return
    if facts.metrics is not None and facts.metrics.get("step") == learned.step:
        return
    command = f"rayfield eval {facts.run.path}"
    if pace is None:
        made.left_out.append(f"views beside their photos: {command} makes them")
        return
    started = time.perf_counter()
    scene = scene_of(facts.run) if scene is None else scene
    budget -= time.perf_counter() - started
    frames = scene.split("test") or scene.split("val")
    rays = 0.8 * pace * budget
    photo = learned.cameras[0].camera
    longest = max(photo.width, photo.height)
    count = int(rays / min(160, longest) ** 2)
    count = min(len(frames), max(LOOKED[0], min(LOOKED[1], count)))
    if not frames or rays < count * min(SIDES[0], longest) ** 2 / 2:
        why = "would take long" if frames else "there are none that were held out"
        made.left_out.append(f"views beside their photos ({why}): {command}")
        return
    side = int(min(SIDES[1], (rays / count) ** 0.5))
    chosen = [frames[i] for i in np.linspace(0, len(frames) - 1, count).round().astype(int)]
    made.looks, made.measured = look(learned, scene, chosen, side=side, total=len(frames))


def _video(facts: Facts, learned: Any, made: Made, *, pace: float | None, budget: float) -> None:
    """The turntable video of the run if it is newer than what was learned, else a small one."""
    kept = facts.run.renders / "turntable" / "turntable.mp4"
    if _current(kept, facts) and kept.stat().st_size <= LARGEST_VIDEO:
        size = played(kept)
        if size is not None:
            made.video, made.video_size = kept.read_bytes(), size
            return
    if not isinstance(learned, TrainedField):
        return
    rays = 0 if pace is None else 0.7 * pace * budget
    camera = learned.cameras[0].camera
    small = min(SIDES[0], camera.width, camera.height)
    fine = min(SMOOTH, camera.width, camera.height)
    frames = next((n for n in FRAMES if rays >= n * fine**2), FRAMES[-1])
    if rays < frames * small**2:
        made.left_out.append(f"the turntable video: rayfield render {facts.run.path} makes it")
        return
    if find_codec() == "mpeg4":
        made.left_out.append("the turntable video: the encoder here makes none that browsers play")
        return
    side = int(min(SIDES[1], (rays / frames) ** 0.5))
    made.video, made.video_size = filmed(learned, frames, side)


def filmed(field_: TrainedField, frames: int, side: int) -> tuple[bytes, tuple[int, int]]:
    """A turntable video with pictures of at most `side` pixels, as the bytes of an MP4 file, and
    the width and height of its pictures."""
    matrix = field_.world_from_scene
    named = field_.split("train") or field_.cameras
    photos: list[Camera] = [
        replace(c.camera, pose=cams.to_scene(c.camera.pose, matrix)) for c in named
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "turntable.mp4"
        with Video(file, fps=frames / TURN_SECONDS) as film:
            for camera in paths.turntable(photos, frames):
                small = cams.limited(camera, side // 2 * 2)
                film.add(figures.bytes_of(field_.look(small).color))
        return file.read_bytes(), (small.width, small.height)


def _current(file: Path, facts: Facts) -> bool:
    """Whether a file of the run is there and newer than all of its checkpoints."""
    if not file.is_file():
        return False
    saved = [p.stat().st_mtime for p in facts.run.checkpoints.glob("step-*/manifest.json")]
    return file.stat().st_mtime >= max(saved, default=0.0)


def played(file: Path) -> tuple[int, int] | None:
    """The size of a video that browsers play; None of any other file."""
    try:
        with av.open(str(file)) as opened:
            stream = opened.streams.video[0]
            return (stream.width, stream.height) if stream.codec.name in NATIVE else None
    except (OSError, ValueError, IndexError):
        return None


def _mesh(facts: Facts, learned: Any, made: Made, *, budget: float) -> None:
    """A small mesh of what was learned, where it has a surface."""
    try:
        made.mesh = mesh_made(facts, learned, budget)
    except RayfieldError as error:
        made.left_out.append(f"the mesh: {error}")
        return
    if made.mesh is None and facts.has_surface:
        target = f"rayfield export {facts.run.path} -o mesh.glb"
        made.left_out.append(f"the mesh (it would take long): {target} makes one")
