"""What a user waits for: one view, loading the photos, `--help`, and kernel preparation.

Views: 400x400 views of the chair's test cameras after a short training, camera rays included,
median and slowest. Loading: reading the chair's poses and decoding all 150 images; beside it what
training waits for (poses, and the 100 training images with their subject masks). `--help`: the
whole command, best of five. Kernel preparation: in a new process with an empty cache, as `instant`
waits for it, then what surfaces need besides, then both in two more processes with the cache that
those left; imports are not counted, for every command has them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from common import Figure, Training, load, parser, report, scene_path

from rayfield.app.prepare import prepare
from rayfield.data.load import load_scene
from rayfield.data.photo import view_image

PREPARE = "import sys; from rayfield.app.prepare import prepare; print(prepare(sys.argv[1]))"
HELP_RUNS = 5


def loading(name: str) -> Iterator[Figure]:
    """Seconds to read the poses and decode every image, and to get ready for training."""
    started = time.perf_counter()
    scene = load_scene(scene_path(name))
    with ThreadPoolExecutor(2) as decoders:
        count = sum(1 for _ in decoders.map(view_image, scene.frames))
    seconds = time.perf_counter() - started
    yield Figure(f"loading {name}, all {count} images", seconds, "s", 3, True)
    yield Figure(f"loading {name}, for training", load(name)[2], "s", 3, True)


def views(name: str, budget: float, count: int) -> Iterator[Figure]:
    """Seconds a view of the trained field, at the size of the photos."""
    scene, sampler, _ = load(name)
    training = Training(scene, sampler, budget)
    while training.seconds < budget:
        training.step()
    frames = scene.split("test")[:count]
    training.view(frames[0])  # the first one reserves the storage
    found = []
    for frame in frames:
        started = time.perf_counter()
        training.view(frame)
        found.append(time.perf_counter() - started)
    size = f"{frames[0].camera.width}x{frames[0].camera.height}"
    psnr, rays = training.evaluate(frames)
    yield Figure(f"PSNR after {training.seconds:.0f} s of training", psnr, "dB")
    yield Figure(f"a view of {size}, median", statistics.median(found), "s", 1.5, True)
    yield Figure(f"a view of {size}, slowest", max(found), "s", 1.5, True)
    yield Figure("rays rendered per second", rays / 1e3, "k")


def help_text(runs: int) -> Figure:
    """Seconds of `rayfield --help`, the best of some runs."""
    script = Path(sys.executable).with_name("rayfield")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "rayfield"]
    found = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run([*command, "--help"], check=True, stdout=subprocess.DEVNULL)
        found.append(time.perf_counter() - started)
    return Figure("rayfield --help", min(found), "s", 0.5, True)


def preparation() -> Iterator[Figure]:
    """Seconds to prepare kernels the first time and the next times, in processes of their own."""
    with tempfile.TemporaryDirectory() as cache:
        kinds = ("radiance", "surface", "all", "all")
        radiance, surface, *later = (_prepare_anew(cache, kind) for kind in kinds)
    yield Figure("kernels of radiance fields, first time", radiance, "s", 20, True)
    yield Figure("those of surfaces after them, first time", surface, "s", 20, True)
    yield Figure("kernels of both, afterwards", min(later), "s", 0.5, True)


def _prepare_anew(cache: str, kind: str) -> float:
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    command = [sys.executable, "-c", PREPARE, kind]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)


def main() -> None:
    """Measure and report."""
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=float, default=30, help="training before the views")
    args = arguments.parse_args()
    name, budget, count = ("demo", 1.0, 1) if args.quick else ("chair", args.seconds, 25)
    torch.set_num_threads(1)
    found = [help_text(1 if args.quick else HELP_RUNS), *loading(name)]
    if not args.quick:  # compiles everything anew
        found += preparation()
    prepare()
    report([*found, *views(name, budget, count)], args)


if __name__ == "__main__":
    main()
