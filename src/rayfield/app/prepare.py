"""Getting the compiled kernels ready: compiled once per machine, loaded from disk afterwards."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal

import torch
from torch import Generator

from rayfield.app.catalogue import Entry
from rayfield.app.command.display import Display
from rayfield.core.types import Rays
from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.radiance import RadianceField
from rayfield.fields.sdf_grid import SDFGrid
from rayfield.kernels.pool import available_cores
from rayfield.render.occupancy import OccupancyGrid
from rayfield.render.radiance import Marching, density, render
from rayfield.train.optim import Adam

RAYS = 16
SLOW_PREPARATION = 1.0  # seconds; from here on it is worth a remark
Kernels = Literal["", "radiance", "surface", "all"]


def kernels_for(entry: Entry, cfg: Any) -> Kernels:
    """The kernels that a method runs on with these settings."""
    if entry.kernels == "surface" and not dataclasses.asdict(cfg).get("grid", True):
        return ""
    return entry.kernels


def prepare(what: Kernels = "all") -> float:
    """Use the kernels of radiance fields, of surfaces or all once, on a toy; the seconds it took.

    Kernels are specialised by types, not by sizes, so a toy makes ready what any scene needs.
    Safe beside other threads, and draws nothing from torch's global generator.
    """
    started = time.perf_counter()
    generator = torch.Generator().manual_seed(0)
    if what in ("radiance", "all"):
        _prepare_radiance(generator)
    if what in ("surface", "all"):
        _prepare_surface(generator)
    return time.perf_counter() - started


def _prepare_surface(generator: Generator) -> None:
    field = SDFGrid(_toy_grid(generator), 8, generator=generator)
    points = torch.rand(9, 3, generator=generator)
    value, gradient, _ = field(points)
    (value.sum() + gradient.square().sum()).backward()
    field.distance(points)
    rates = {"lr": 1e-3, "betas": (0.9, 0.99), "eps": 1e-15}
    table = {"params": [field.grid.table], "sparse": True}
    Adam([table | rates, {"params": list(field.matrices())} | rates]).step(1.0)


def _prepare_radiance(generator: Generator) -> None:
    field = _toy_field(generator)
    occupancy = OccupancyGrid(8, contracted=False)
    out = render(field, occupancy, _toy_rays(), marching=Marching(0.25), observe=True)
    assert out.distortion is not None
    (out.color.sum() + out.opacity.sum() + out.distortion.sum()).backward()
    rates = {"lr": 1e-3, "betas": (0.9, 0.99), "eps": 1e-15}
    Adam([{"params": list(field.parameters()), **rates}]).step(1.0)
    occupancy.update(
        lambda unit: density(field, unit), torch.arange(8**3), decay=0.9, generator=generator
    )
    occupancy.threshold(0.25, 0.1)


def _toy_grid(generator: Generator) -> HashGrid:
    return HashGrid(levels=2, features=4, entries=1 << 9, base=4, finest=16, generator=generator)


def _toy_field(generator: Generator) -> RadianceField:
    return RadianceField(_toy_grid(generator), 8, generator=generator)


def _toy_rays() -> Rays:
    """Parallel rays through the cube [-1, 1]^3, along x."""
    origins = torch.tensor([-1.0, 0.1, 0.2]).expand(RAYS, 3).contiguous()
    directions = torch.tensor([1.0, 0.0, 0.0]).expand(RAYS, 3).contiguous()
    near, far = torch.zeros(RAYS), torch.full((RAYS,), 2.0)
    return Rays(origins, directions, near, far, torch.full((RAYS,), -1))


@contextlib.contextmanager
def preparing(display: Display, *, kernels: Kernels) -> Iterator[None]:
    """Settle torch's threads, and compile the kernels beside the block, which loads the data."""
    if not kernels:
        torch.set_num_threads(available_cores())
        yield
        return
    with ThreadPoolExecutor(1) as pool:
        started = time.perf_counter()
        # the kernels bring their own threads; torch's would spin beside them, waiting
        torch.set_num_threads(1)
        future: Future[float] = pool.submit(prepare, kernels)
        yield
        if not future.done() and time.perf_counter() - started > SLOW_PREPARATION:
            display.note("preparing kernels, once per machine ...")
        seconds = future.result()
        if seconds > SLOW_PREPARATION:
            display.note(f"kernels ready after {seconds:.1f} s")
