"""Poses that `rayfield process` finds from the photos of a capture alone, beside the stored ones.

    benchmarks/process.py ngp_fox                  # photos
    benchmarks/process.py ngp_fox --video 8        # an MP4 of them, at 8 frames a second
    benchmarks/process.py ngp_fox --steps 2000     # and fields trained on both sets of poses

Distances are after the similarity between the camera centres is taken out, as a share of the
scene's size: the diagonal of the box that holds the stored centres. Stored poses are themselves
estimates: of `colmap_cup`, two runs of the same program that made them differ as much.
"""

from __future__ import annotations

import shutil
import tempfile
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import Figure, Training, parser, report, scene_path

from rayfield.app.command.display import Plain
from rayfield.app.drawing.video import Video
from rayfield.app.process.job import Settings
from rayfield.app.process.reconstruct import process
from rayfield.data.images import read_image
from rayfield.data.load import load_scene, read_capture
from rayfield.data.pixels import PixelSampler
from rayfield.geometry.alignment import PoseErrors, pose_errors
from rayfield.kernels.pool import available_cores


def copy_photos(scene: str, folder: Path, most: int | None) -> list[Path]:
    """The photos of a capture alone, in the order of their names, in a new folder."""
    folder.mkdir()
    frames = read_capture(scene_path(scene)).frames[:most]
    return [Path(shutil.copy(frame.path, folder / frame.path.name)) for frame in frames]


def film(photos: list[Path], path: Path, fps: float) -> None:
    """A video that shows the photos one after another."""
    with Video(path, fps=fps) as video:
        for photo in photos:
            video.add(read_image(photo)[..., :3])


def compared(scene: str, data: Path, names: dict[str, str]) -> tuple[PoseErrors, float]:
    """How far the poses of a data set are from the stored ones, and the size of the scene.

    `names`: what the photos of the data set are called in the capture.
    """
    stored = {
        frame.path.name: frame.camera.pose for frame in read_capture(scene_path(scene)).frames
    }
    frames = read_capture(data).frames
    true = np.stack([stored[names[frame.path.name]] for frame in frames])
    size = float(np.linalg.norm(np.ptp(true[:, :3, 3], axis=0)))
    return pose_errors(np.stack([frame.camera.pose for frame in frames]), true), size


def quality(path: Path, args: Namespace) -> float:
    """PSNR over held-out views after a number of steps of `instant`."""
    scene = load_scene(path, downscale=args.downscale)
    training = Training(scene, PixelSampler(scene))
    training.cfg = replace(training.cfg, steps=args.steps)  # the learning rate follows them
    while training.steps < args.steps:
        training.step()
    return training.evaluate(scene.split("test"))[0]


def main() -> None:
    """Process, compare, report."""
    arguments = parser(__doc__)
    arguments.add_argument("scene", nargs="?", choices=("ngp_fox", "colmap_cup"), default="ngp_fox")
    arguments.add_argument("--video", type=float, metavar="FPS", help="from an MP4 of the photos")
    arguments.add_argument("--camera", choices=("auto", "single", "per-image"), default="auto")
    matching = ("auto", "sequential", "exhaustive")
    arguments.add_argument("--matching", choices=matching, default="auto")
    arguments.add_argument("--steps", type=int, help="train on both sets of poses for so long")
    arguments.add_argument("--downscale", type=int, default=1, help="for that training")
    arguments.add_argument("--keep", type=Path, metavar="DATA", help="keep the data set there")
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print_figures(args, Path(folder))


def print_figures(args: Namespace, folder: Path) -> None:
    """Find the poses in a temporary folder and report how they compare."""
    photos = copy_photos(args.scene, folder / "photos", 8 if args.quick else None)
    source, names = folder / "photos", {photo.name: photo.name for photo in photos}
    if args.video:
        source = folder / "clip.mp4"
        film(photos, source, args.video)
        names = {f"frame_{i:05}.jpg": photo.name for i, photo in enumerate(photos)}
    data = args.keep or folder / "data"
    found = process(
        source,
        data,
        Settings(camera=args.camera, matching=args.matching),
        threads=available_cores(),
        force=True,
        display=Plain(),
    )
    figures = [
        Figure("images with a pose", 100 * found["registered"] / found["total"], "%", 95),
        Figure("seconds", found["seconds"], "s"),
        Figure("mean reprojection error", found["error"], "px"),
        *distances(*compared(args.scene, data, names)),
    ]
    if args.steps:
        figures += fields(args, data)
    report(figures, args, scene=args.scene, video=args.video, outcome=found)


def distances(off: PoseErrors, size: float) -> list[Figure]:
    """Mean, median and greatest distance of the centres and angle between the cameras."""
    figures = []
    for name, value in (("mean", np.mean), ("median", np.median), ("greatest", np.max)):
        target: Any = 1.0 if name == "mean" else None
        share = 100 * float(value(off.distance)) / size
        figures.append(Figure(f"centres, {name}, of the scene's size", share, "%", target, True))
        figures.append(Figure(f"angles, {name}", float(value(off.angle)), "degrees", target, True))
    return figures


def fields(args: Namespace, data: Path) -> list[Figure]:
    """What fields trained on both sets of poses show of the photos held out."""
    stored, own = quality(scene_path(args.scene), args), quality(data, args)
    return [
        Figure(f"PSNR on stored poses, {args.steps} steps", stored, "dB"),
        Figure(f"PSNR on found poses, {args.steps} steps", own, "dB", stored - 0.7),
    ]


if __name__ == "__main__":
    main()
