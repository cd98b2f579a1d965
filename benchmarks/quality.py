"""Quality against seconds of training: `instant`, as `rayfield train instant --seconds N` runs it.

The clock counts training steps alone; it stands still while the mean PSNR over all test views is
measured (photos with alpha over white), at the last step that ends by each of the given seconds. A
target in dB counts as reached at the first measured point that is at or above it, so the true time
is earlier. Loading and kernel preparation come before, and are printed. Rays per second are those
between the last two points (trained) and of the last evaluation (rendered).
"""

from __future__ import annotations

import torch
from common import SCENES, Figure, Training, load, parser, peak_gb, report

from rayfield.app.prepare import prepare

TARGETS = {  # dB: seconds
    "chair": {25: 12, 28: 30, 30: 60, 32: 240},
    "ngp_fox": {24: 20, 26: 45, 27: 240},
}
MILESTONES = (20, 22, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34)
Point = dict[str, float]


def curve(training: Training, at: list[float], views: int | None) -> list[Point]:
    """Train to each of the seconds `at` and measure there."""
    frames = training.scene.split("test")[:views]
    points: list[Point] = []
    for seconds in at:
        rays, before = training.rays, training.seconds
        last = 0.0
        while training.seconds + last < seconds:
            started = training.seconds
            training.step()
            last = training.seconds - started
        trained = (training.rays - rays) / (training.seconds - before)
        psnr, rendered = training.evaluate(frames)
        point = {"seconds": training.seconds, "step": training.steps, "psnr": psnr}
        points.append({**point, "rays/s trained": trained, "rays/s rendered": rendered})
        print(
            f"{training.seconds:7.1f} s  step {training.steps:6d}  {psnr:6.2f} dB  "
            f"{trained / 1e3:6.0f} k rays/s trained  {rendered / 1e3:6.0f} k rendered",
            flush=True,
        )
    return points


def reached(points: list[Point], level: float) -> float | None:
    """Seconds of the first point at or above this PSNR."""
    return next((p["seconds"] for p in points if p["psnr"] >= level), None)


def figures(scene: str, points: list[Point]) -> list[Figure]:
    """When each level was reached, the targets among them, and the end."""
    targets = TARGETS.get(scene, {})
    found = []
    for level in sorted({*MILESTONES, *targets}):
        when = reached(points, level)
        if when is not None or level in targets:
            found.append(Figure(f"{level} dB by", when, "s", targets.get(level), True))
    end = points[-1]
    return [
        *found,
        Figure(f"PSNR after {end['seconds']:.0f} s", end["psnr"], "dB"),
        Figure("rays trained per second, at the end", end["rays/s trained"] / 1e3, "k"),
        Figure("rays rendered per second, at the end", end["rays/s rendered"] / 1e3, "k"),
    ]


def main() -> None:
    """Measure and report."""
    arguments = parser(__doc__)
    arguments.add_argument("scene", nargs="?", choices=SCENES, default="demo")
    arguments.add_argument("--seconds", type=float, default=60, help="budget of training")
    arguments.add_argument("--at", default="5,12,30,60,120,240,600", help="seconds to measure at")
    arguments.add_argument("--torch-threads", type=int, default=1, help="beside the kernels' own")
    args = arguments.parse_args()
    torch.set_num_threads(args.torch_threads)
    budget, views = (1.0, 1) if args.quick else (args.seconds, None)
    preparation = prepare()
    scene, sampler, loading = load(args.scene)
    at = sorted({t for t in map(float, args.at.split(",")) if t < budget} | {budget})
    count = len(scene.split("test")[:views])
    print(f"{args.scene}: {budget:g} s of training, PSNR over {count} test views")
    points = curve(Training(scene, sampler, budget), at, views)
    found = [
        Figure("loading", loading, "s"),
        Figure("kernel preparation", preparation, "s"),
        *figures(args.scene, points),
        Figure("peak memory", peak_gb(), "GB", 3, True),
    ]
    report(found, args, scene=args.scene, curve=points)


if __name__ == "__main__":
    main()
