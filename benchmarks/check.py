"""Seconds that `rayfield check` takes: the whole command, the best of some runs, and its parts.

The chair has 150 images of 400x400 with alpha. The parts are measured in this process, where
libraries are loaded already; `--quick` takes the demo's photos.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import Figure, parser, report, scene_path

from rayfield.app.check.examine import examine
from rayfield.app.check.sheet import draw

RUNS = 3


def command(data: Path, picture: Path) -> tuple[float, float]:
    """Seconds of the whole command, and those that processors spent on it."""
    words = [sys.executable, "-m", "rayfield", "check", str(data), "--picture", str(picture)]
    started, before = time.perf_counter(), os.times()
    subprocess.run(words, check=True, capture_output=True)
    after = os.times()
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    return time.perf_counter() - started, spent


def main() -> None:
    """Measure and report."""
    args = parser(__doc__).parse_args()
    name = "demo" if args.quick else "chair"
    data = scene_path(name)
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "check.png"
        runs = [command(data, picture) for _ in range(1 if args.quick else RUNS)]
        started = time.perf_counter()
        found = examine(data)
        looked = time.perf_counter()
        draw(picture, found)
        drawn = time.perf_counter()
    count = len(found.frames)
    figures = [
        Figure(f"check {name}, {count} images", min(wall for wall, _ in runs), "s", 5, True),
        Figure("of it processor time", min(spent for _, spent in runs), "s"),
        Figure("looking, libraries loaded", looked - started, "s"),
        Figure("drawing the picture", drawn - looked, "s"),
    ]
    report(figures, args)


if __name__ == "__main__":
    main()
