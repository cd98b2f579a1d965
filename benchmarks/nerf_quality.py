"""Quality of `nerf` against training time, measured over the test views of a capture.

The clock counts training steps alone. With `--cpu` it is the processor time of this process, which
other work on the machine hardly changes: with `--threads 1` the seconds of one core. The learning
rate follows `--budget`; training may be measured, and ended, before (`--at`).
"""

from __future__ import annotations

import time

import torch
from common import CAPTURES, Figure, parser, peak_gb, report, scene_path

from rayfield.app.learned.field import background_of, render_view
from rayfield.data.load import load_scene
from rayfield.data.photo import view_image
from rayfield.data.pixels import PixelSampler
from rayfield.data.scene import Scene
from rayfield.kernels.pool import available_cores
from rayfield.methods import nerf
from rayfield.objectives.photometric import psnr
from rayfield.train.loop import step_seed
from rayfield.train.optim import Adam


def evaluate(model: nerf.Model, cfg: nerf.Config, scene: Scene, views: int | None) -> float:
    """Mean PSNR over test views (photos with alpha over white)."""
    background, values = background_of(scene.traits), []
    for frame in scene.split("test")[:views]:
        shown = render_view(nerf, model, cfg, camera=frame.camera, traits=scene.traits).color
        photo = view_image(frame)
        rgb, alpha = photo[..., :3], photo[..., 3:]
        values.append(float(psnr(torch.from_numpy(shown), rgb * alpha + background * (1 - alpha))))
    return sum(values) / len(values)


def main() -> None:
    """Train, measure at the given seconds, report."""
    arguments = parser(__doc__)
    arguments.add_argument("scene", nargs="?", choices=("demo", *CAPTURES), default="chair")
    arguments.add_argument("--downscale", type=int, default=4)
    arguments.add_argument("--preset", choices=nerf.PRESETS, default="laptop")
    arguments.add_argument("--budget", type=float, default=1800, help="seconds the rate follows")
    arguments.add_argument("--at", default="60,120,300,600,1800", help="seconds to measure at")
    arguments.add_argument("--threads", type=int, default=available_cores())
    arguments.add_argument("--cpu", action="store_true", help="count processor time")
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    clock = time.process_time if args.cpu else time.perf_counter
    scene = load_scene(scene_path(args.scene), downscale=args.downscale)
    sampler = PixelSampler(scene)
    cfg = nerf.adapt(nerf.PRESETS[args.preset], scene.traits)
    model = nerf.build(cfg, generator=torch.Generator().manual_seed(0))
    optimiser, generator = Adam(nerf.param_groups(model, cfg)), torch.Generator()
    seconds, step, figures = 0.0, 0, []
    for mark in (1.0,) if args.quick else map(float, args.at.split(",")):
        while seconds < mark:
            started = clock()
            generator.manual_seed(step_seed(0, step))
            batch = sampler.sample(nerf.batch_size(model, cfg), generator=generator)
            terms = nerf.loss(model, batch, cfg, step, generator=generator)
            torch.stack(list(terms.values())).sum().backward()
            optimiser.step(nerf.lr_factor(cfg, step, min(1.0, seconds / args.budget)))
            seconds += clock() - started
            step += 1
        value = evaluate(model, cfg, scene, 1 if args.quick else None)
        figures.append(Figure(f"PSNR after {seconds:.0f} s, {step} steps", value, "dB"))
        print(figures[-1], flush=True)
    figures.append(Figure("rays trained per second", step * cfg.rays / seconds, ""))
    figures.append(Figure("peak memory", peak_gb(), "GB", 4, True))
    report(figures, args, scene=args.scene, downscale=args.downscale, preset=args.preset)


if __name__ == "__main__":
    main()
