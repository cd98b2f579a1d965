"""A training step of `nerf --preset paper` beside plain matrix products of the same shapes.

Both are timed in turn, in one process, with all of torch's threads. The products are those that
forward and backward of both networks cannot do without, each a single `torch.mm` into memory that
is already there: no encoding, bias, ReLU, sampling, compositing or loss. "every sample live"
is the worst case, where no sample is without density; "as training starts" has the samples that
fresh networks find live, the others cost their forward pass alone. Rays per second count the
whole step with Adam.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from common import Figure, parser, peak_gb, report

from rayfield.core.types import RayBatch, Rays, SceneTraits
from rayfield.kernels.pool import available_cores
from rayfield.math.rays import ray_box
from rayfield.methods import nerf
from rayfield.train.optim import Adam

SHARE = 0.8  # of the products' rate
OBJECT = SceneTraits(bounded=True, alpha=True, images=1, near=0.01)


def batch(rays: int, generator: torch.Generator) -> RayBatch:
    """Rays from all sides that cross the box, and colours for them."""
    origins = torch.nn.functional.normalize(torch.randn(rays, 3, generator=generator)) * 3
    target = torch.rand(rays, 3, generator=generator) - 0.5
    directions = torch.nn.functional.normalize(target - origins)
    near, far = ray_box(origins, directions)
    image = torch.zeros(rays, dtype=torch.int64)
    rgba = torch.rand(rays, 4, generator=generator)
    return RayBatch(Rays(origins, directions, near, far, image), rgba)


def layers(network: torch.nn.Module) -> list[tuple[int, int]]:
    """(inputs, outputs) of every linear layer."""
    found = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
    return [(layer.in_features, layer.out_features) for layer in found]


def products(shapes: list[tuple[int, int]], rows: list[int]) -> tuple[Callable[[], None], float]:
    """The matrix products of a step for each number of rows, and their floating-point operations.

    For each layer output, weight gradient, and, past the first, input gradient.
    """
    widest, most = max(max(s) for s in shapes), max(rows)
    left, right = torch.rand(most * widest), torch.rand(most * widest)
    weight, out = torch.rand(widest**2), torch.empty(most * widest)
    operations = sum(
        2 * n * i * o * (3 - (k == 0)) for n in rows for k, (i, o) in enumerate(shapes)
    )

    def run() -> None:
        for n in rows:
            for k, (i, o) in enumerate(shapes):
                x, dy = left[: n * i].view(n, i), right[: n * o].view(n, o)
                w = weight[: i * o].view(o, i)
                torch.mm(x, w.T, out=out[: n * o].view(n, o))
                torch.mm(dy.T, x, out=out[: i * o].view(o, i))
                if k:
                    torch.mm(dy, w, out=out[: n * i].view(n, i))

    return run, float(operations)


def timed(functions: list[Callable[[], None]], repeats: int) -> list[float]:
    """Median seconds of each, called in turn so that all meet the same machine."""
    seconds: list[list[float]] = [[] for _ in functions]
    for turn in range(repeats + 1):
        for function, found in zip(functions, seconds, strict=True):
            started = time.perf_counter()
            function()
            if turn:  # the first warms up
                found.append(time.perf_counter() - started)
    return [statistics.median(found) for found in seconds]


def step_of(model: nerf.Model, cfg: nerf.Config, rays: RayBatch) -> Callable[[], None]:
    """Forward and backward of the loss."""
    generator = torch.Generator()

    def run() -> None:
        model.zero_grad()
        terms = nerf.loss(model, rays, cfg, 0, generator=generator.manual_seed(0))
        torch.stack(list(terms.values())).sum().backward()

    return run


def main() -> None:
    """Measure and report."""
    arguments = parser(__doc__)
    arguments.add_argument("--rays", type=int, default=256, help="of a batch")
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=available_cores())
    arguments.add_argument("--preset", choices=nerf.PRESETS, default="paper")
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    n = 16 if args.quick else args.rays
    generator = torch.Generator().manual_seed(0)
    cfg = nerf.adapt(nerf.PRESETS[args.preset], OBJECT)
    model, full = (nerf.build(cfg, generator=generator.manual_seed(0)) for _ in range(2))
    with torch.no_grad():
        for network in full.networks:
            network.density_head.bias.fill_(10.0)
    rays = batch(n, generator)
    rows = [n * cfg.coarse_samples, n * (cfg.coarse_samples + cfg.fine_samples)]
    plain, operations = products(layers(model.coarse), rows)
    start, dense = step_of(model, cfg, rays), step_of(full, cfg, rays)
    optimiser = Adam(nerf.param_groups(model, cfg))

    def whole() -> None:
        start()
        optimiser.step(1e-6)

    seconds = timed([plain, dense, start, whole], 1 if args.quick else args.repeats)
    count = sum(p.numel() for p in model.coarse.parameters())
    figures = [
        Figure("parameters of a network", count, ""),
        Figure("plain products", operations / seconds[0] / 1e9, "GF/s"),
        Figure("step, every sample live, of products", seconds[0] / seconds[1], "", SHARE),
        Figure("step, as training starts, of products", seconds[0] / seconds[2], "", SHARE),
        Figure("rays trained per second, as training starts", n / seconds[3], ""),
        Figure("peak memory", peak_gb(), "GB", 4, True),
    ]
    report(figures, args, rays=n, preset=args.preset)


if __name__ == "__main__":
    main()
