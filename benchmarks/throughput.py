"""One training step at 2^17 samples: the compiled engine beside its eager twin, and the floor.

A step is march, encode, both networks, compositing, their reverse, and Adam, on a field of
8 levels x 4 features, 2^17 entries, finest 1024, MLPs 32-64-16 and 32-64-64-3: 4096 rays of 32
samples each through a fully occupied grid, so thin that no sample is left out. The engine runs
with its own threads, the twin (render_readable, automatic differentiation, torch.optim.Adam) with
torch's. In every round all contenders take their turn, and the machine's rates are measured again;
a figure is the median over rounds of ratios taken within a round.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from common import Figure, parser, report
from rates import Rates, measure

from rayfield.core.types import Rays, Rendered
from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.radiance import RadianceField
from rayfield.kernels.pool import Pool, available_cores, set_threads
from rayfield.render.occupancy import OccupancyGrid
from rayfield.render.radiance import Marching, render, render_readable
from rayfield.train.optim import Adam

SAMPLES_PER_RAY = 32
RATE = 1e-6  # of learning: small, so that the field stays as thin as it is
PARTS = {
    "count_samples": "march (count)",
    "fill_samples": "march (fill)",
    "encode_all": "encode",
    "render_chunks": "MLP forward, compositing",
    "backward_chunks": "compositing, MLP backward",
    "scatter_chunks": "scatter",
    "adam": "Adam",
}


class Step:
    """A field and what one step of training it takes."""

    def __init__(self, rays: int, *, compiled: bool) -> None:
        generator = torch.Generator().manual_seed(0)
        grid = HashGrid(
            levels=8, features=4, entries=1 << 17, base=16, finest=1024, generator=generator
        )
        self.field = RadianceField(grid, 64, generator=generator)
        self.occupancy = OccupancyGrid(128, contracted=False)
        self.marching = Marching(1 / 128, most=SAMPLES_PER_RAY)
        self.rays = random_rays(rays, self.marching.step, generator)
        self.jitter = torch.rand(rays, generator=generator)
        self.target = torch.rand(rays, 3, generator=generator)
        self.compiled = compiled
        self.optimiser = Adam([{"params": list(self.field.parameters()), **_rates()}])
        self.eager = torch.optim.Adam(self.field.parameters(), **_rates())

    def forward(self) -> Rendered:
        """What the rays see."""
        function = render if self.compiled else render_readable
        return function(
            self.field, self.occupancy, self.rays, marching=self.marching, jitter=self.jitter
        )

    def __call__(self) -> int:
        """One step; the samples it took."""
        out = self.forward()
        (out.color - self.target).square().mean().backward()
        if self.compiled:
            self.optimiser.step(1.0)
        else:
            self.eager.step()
            self.eager.zero_grad()
        return int(out.samples.sum())


def _rates() -> dict[str, object]:
    return {"lr": RATE, "betas": (0.9, 0.99), "eps": 1e-15}


def random_rays(n: int, step: float, generator: torch.Generator) -> Rays:
    """Rays inside the cube, long enough for all samples."""
    origins = torch.rand(n, 3, generator=generator) - 0.5
    directions = torch.randn(n, 3, generator=generator)
    directions = directions / directions.norm(dim=-1, keepdim=True)
    far = torch.full((n,), step * (SAMPLES_PER_RAY + 8))
    return Rays(origins, directions, torch.zeros(n), far, torch.full((n,), -1))


def samples_per_second(step: Step, repeats: int, threads: int) -> float:
    """Median rate over so many steps, after one to warm up."""
    torch.set_num_threads(1 if step.compiled else threads)
    if step.compiled:
        set_threads(threads)
    step()
    found = []
    for _ in range(repeats):
        started = time.perf_counter()
        samples = step()
        found.append(samples / (time.perf_counter() - started))
    return statistics.median(found)


@contextmanager
def timed_kernels(spent: dict[str, float]) -> Iterator[None]:
    """Add up the seconds of every kernel the pool runs."""
    original = Pool.run

    def run(self: Pool, kernel: Callable, *args: object) -> None:
        started = time.perf_counter()
        original(self, kernel, *args)
        spent[kernel.__name__] += time.perf_counter() - started

    Pool.run = run  # type: ignore[method-assign]
    try:
        yield
    finally:
        Pool.run = original  # type: ignore[method-assign]


def where_time_goes(step: Step, repeats: int) -> dict[str, float]:
    """Milliseconds of each part of one step with all threads, and of the rest."""
    torch.set_num_threads(1)
    set_threads(available_cores())
    step()
    spent: dict[str, float] = defaultdict(float)
    started = time.perf_counter()
    with timed_kernels(spent):
        for _ in range(repeats):
            step()
    total = time.perf_counter() - started
    parts = {label: spent.pop(name, 0.0) for name, label in PARTS.items()} | spent
    parts["torch and Python"] = total - sum(parts.values())
    return {label: 1e3 * seconds / repeats for label, seconds in parts.items()}


def figures(rounds: list[dict[str, float]], rates: list[Rates]) -> Iterator[Figure]:
    """Medians of the rates, and of the ratios within each round."""
    columns = zip(*((r[key] for key in ("engine", "one", "twin")) for r in rounds), strict=True)
    engine, one, twin = (list(column) for column in columns)
    floor = [r.floor() for r in rates]
    median = statistics.median

    def ratio(above: list[float], below: list[float]) -> float:
        return median([a / b for a, b in zip(above, below, strict=True)])

    yield Figure("compiled engine", median(engine) / 1e6, "M samples/s")
    yield Figure("eager twin", median(twin) / 1e6, "M samples/s")
    yield Figure("engine / twin", ratio(engine, twin), "x", 15)
    yield Figure("sgemm, 2048^2", median([r.sgemm for r in rates]) / 1e9, "GF/s")
    yield Figure("rows read, half", median([r.gather_half for r in rates]) / 1e6, "M/s")
    yield Figure("rows read, float32", median([r.gather_float for r in rates]) / 1e6, "M/s")
    yield Figure("rows added to, float32", median([r.scatter for r in rates]) / 1e6, "M/s")
    yield Figure("floor that these rates allow", median(floor) / 1e6, "M samples/s")
    yield Figure("share of the floor reached", 100 * ratio(engine, floor), "%", 55)
    yield Figure("engine, one thread", median(one) / 1e6, "M samples/s")
    yield Figure(f"scaling 1 -> {available_cores()} threads", ratio(engine, one), "x", 1.8)


def main() -> None:
    """Measure and report."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    args = arguments.parse_args()
    rays, rounds, repeats = (128, 1, 1) if args.quick else (4096, args.rounds, 5)
    fast, slow = Step(rays, compiled=True), Step(rays, compiled=False)
    with torch.no_grad():
        a, b = fast.forward(), slow.forward()
    cores = available_cores()
    found, rates = [], []
    for _ in range(rounds):
        rates.append(measure(quick=args.quick))
        found.append({
            "engine": samples_per_second(fast, repeats, cores),
            "one": samples_per_second(fast, repeats, 1),
            "twin": samples_per_second(slow, 1, cores),
        })  # fmt: skip
    parts = where_time_goes(fast, repeats)
    print(f"{int(a.samples.sum())} samples; the twin took {int(b.samples.sum())}, its colours")
    print(f"differ by at most {(a.color - b.color).abs().max().item():.1e}")
    all_rates = [r._asdict() for r in rates]
    report(figures(found, rates), args, rounds=found, rates=all_rates, milliseconds=parts)
    total = sum(parts.values())
    for label, spent in parts.items():
        print(f"  {label:<28} {spent:8.2f} ms {100 * spent / total:5.1f} %")


if __name__ == "__main__":
    main()
