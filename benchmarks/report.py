"""What a page about a run and a mesh of it cost: whole commands, on a run of the chair.

The run is trained first, without a page. `rayfield report RUN` then makes views, a video and a
mesh; a second time, after `eval` and `render`, it takes what they left. `rayfield export RUN -o
mesh.glb` follows. Each is a process of its own, imports included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import Figure, parser, report, scene_path


def rayfield(*words: object) -> tuple[float, dict[str, Any]]:
    """Seconds that a command took, and the object it printed."""
    command = [sys.executable, "-m", "rayfield", *map(str, words), "--json"]
    started = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - started, json.loads(done.stdout)


def main() -> None:
    """Measure and report."""
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=float, default=60, help="training before")
    args = arguments.parse_args()
    name, budget = ("demo", 2.0) if args.quick else ("chair", args.seconds)
    small = ("--frames", 4, "--resolution", "64x64") if args.quick else ()
    coarse = ("--resolution", 32) if args.quick else ()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        rayfield(
            "train", "instant", scene_path(name), "-o", run, "--seconds", budget, "--no-report"
        )
        first, page = rayfield("report", run)
        rayfield("eval", run)
        rayfield("render", run, *small)
        again, full = rayfield("report", run)
        meshed, mesh = rayfield("export", run, "-o", Path(folder) / "mesh.glb", *coarse)
    figures = [
        Figure("rayfield report, all of it to be made", first, "s", 10, True),
        Figure("size of the page", page["bytes"] / 1e6, "MB"),
        Figure("left out of the page", len(page["left_out"]) + len(page["problems"]), ""),
        Figure("rayfield report, after eval and render", again, "s", 10, True),
        Figure("size of the page", full["bytes"] / 1e6, "MB"),
        Figure("rayfield export to GLB", meshed, "s", 30, True),
        Figure("faces", mesh["faces"], ""),
        Figure("boundary edges", mesh["boundary_edges"], ""),
    ]
    report(figures, args)


if __name__ == "__main__":
    main()
