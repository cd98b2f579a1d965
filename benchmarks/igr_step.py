"""One training step of igr's published network: one analytic pass against double backward.

Both compute the same loss, with normals, of the same points, in turn in one process; the least of
the rounds counts, in seconds and in processor time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from common import Figure, parser, report
from torch import Tensor

from rayfield.fields.geometric import GeometricMLP, autograd_value_and_gradient
from rayfield.kernels.pool import available_cores
from rayfield.methods import igr
from rayfield.objectives.geometric import eikonal, normal_misfit, on_surface

TARGET = 1.25
SlopesFn = Callable[[Tensor], tuple[Tensor, Tensor]]


def step(model: GeometricMLP, slopes: SlopesFn, points: Tensor) -> tuple[float, float]:
    """Seconds and processor seconds of the loss and its backward pass."""
    count = len(points) // 2
    normals = torch.nn.functional.normalize(points[:count])
    model.zero_grad(set_to_none=False)
    started, busy = time.perf_counter(), time.process_time()
    value, gradient = slopes(points)
    loss = on_surface(value[:count]) + normal_misfit(gradient[:count], normals)
    (loss + 0.1 * eikonal(gradient[count:])).backward()
    return time.perf_counter() - started, time.process_time() - busy


def main() -> None:
    """Measure and report."""
    args = parser(__doc__ or "")
    args.add_argument("--points", type=int, default=4096, help="at which the network is asked")
    args.add_argument("--rounds", type=int, default=5)
    args.add_argument("--threads", type=int, default=available_cores())
    chosen = args.parse_args()
    torch.set_num_threads(chosen.threads)
    count, rounds = (64, 1) if chosen.quick else (chosen.points, chosen.rounds)
    generator = torch.Generator().manual_seed(0)
    model = igr.build(igr.PRESETS["paper"], generator=generator)
    points = 0.5 * torch.randn(count, 3, generator=generator)
    ways: dict[str, SlopesFn] = {
        "double backward": lambda x: autograd_value_and_gradient(model, x),
        "one pass": model.value_and_gradient,
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for slopes in ways.values():
        step(model, slopes, points)
    for _ in range(rounds):
        for name, slopes in ways.items():
            taken[name].append(step(model, slopes, points))
    figures = []
    for index, unit in enumerate(("s", "processor s")):
        least = {name: min(times[index] for times in taken[name]) for name in ways}
        figures += [Figure(f"{name}, {count} points", v, unit) for name, v in least.items()]
        ratio = least["double backward"] / least["one pass"]
        figures.append(Figure(f"double backward / one pass, {unit}", ratio, "", TARGET))
    report(figures, chosen, taken=taken)


if __name__ == "__main__":
    main()
