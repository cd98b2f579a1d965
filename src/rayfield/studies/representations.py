"""Five ways to hold one shape, each fitted and measured in the same way as time goes.

Three are explicit (a mesh, voxels, points: their own method files) and two implicit (a plain
network and a hash grid, both fitted to occupancy).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor, nn
from torch.nn import functional

from rayfield.core.check import RayfieldError
from rayfield.core.types import Mesh, PointCloud
from rayfield.data.points import PointSampler, read_points
from rayfield.fields.coordinate import ReLUNetwork
from rayfield.fields.free_points import FreePoints
from rayfield.fields.hashgrid import HashGrid
from rayfield.geometry.distance import MeshDistance
from rayfield.geometry.marching import extract
from rayfield.geometry.mesh import report as report_of
from rayfield.geometry.meshio import write_mesh
from rayfield.geometry.metrics import chamfer_l1_onet, iou, match
from rayfield.geometry.pointwriter import write_points
from rayfield.geometry.sampling import sample_surface
from rayfield.methods import mesh_optimisation, point_optimisation, voxel_optimisation
from rayfield.studies.study import Report
from rayfield.train.files import read_json, write_json
from rayfield.train.interrupt import Interrupted, Interrupts
from rayfield.train.optim import Adam

PROBES = 20_000  # points of the cube for IoU, and of each surface for Chamfer
POOL = 2**17  # points whose occupancy networks learn from
NEAR = 0.05  # half of them are near the surface, off it by a Gaussian of this deviation
BATCH = 2**11
RESOLUTION = 80  # cells a side of meshes made of functions
FIRST, GROWTH = 0.2, 1.4  # seconds to the first measurement, and factor to each further one
SIDE = 1.6  # longest side of the target, scene units

InsideFn = Callable[[Float[Tensor, "N 3"]], Bool[Tensor, " N"]]


class Target(NamedTuple):
    """A shape in the scene's cube: its mesh, points of it, places and whether they are inside."""

    mesh: Mesh
    sampler: PointSampler
    surface: PointCloud
    probes: Float[Tensor, "N 3"]
    inside: Bool[Tensor, " N"]
    pool: Float[Tensor, "M 3"]
    labels: Float[Tensor, " M"]


def target_of(path: Path) -> Target:
    """The mesh in a file as a target. Raises DataError if it is none."""
    cloud = read_points(path)
    if cloud.mesh is None:
        raise RayfieldError(f"{path}: the study needs a closed mesh, not points alone")
    generator = torch.Generator().manual_seed(0)
    enclosed = MeshDistance(cloud.mesh).inside
    surface = sample_surface(cloud.mesh, PROBES, generator=generator)
    close = sample_surface(cloud.mesh, POOL // 2, generator=generator).points
    near = torch.from_numpy(close).float()
    near = near + NEAR * torch.randn(len(near), 3, generator=generator)
    pool = torch.cat([near, 2 * torch.rand(POOL // 2, 3, generator=generator) - 1])
    probes = 2 * torch.rand(PROBES, 3, generator=generator) - 1
    inside, labels = (torch.from_numpy(enclosed(x.double().numpy())) for x in (probes, pool))
    sampler = PointSampler(cloud)
    return Target(cloud.mesh, sampler, surface, probes, inside, pool, labels.float())


@dataclass(frozen=True)
class Net:
    """An occupancy network: with `levels`, on a hash grid."""

    widths: tuple[int, ...] = (128, 128, 128)
    levels: int = 0
    entries: int = 1 << 12
    rate: float = 3e-3


class Occupancy(nn.Module):
    """Occupancy logits of points of the cube [-1, 1]^3."""

    def __init__(self, net: Net, generator: Generator) -> None:
        super().__init__()
        self.grid = None
        if net.levels:
            self.grid = HashGrid(
                levels=net.levels, features=2, entries=net.entries, base=8, finest=64,
                generator=generator,
            )  # fmt: skip
        inputs = 2 * net.levels or 3
        self.net = ReLUNetwork(inputs, *net.widths, 1, generator=generator)

    def forward(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """Positive inside."""
        unit = (points + 1) / 2
        return self.net(points if self.grid is None else self.grid(unit))[:, 0]


class Fitted(NamedTuple):
    """What a representation needs to be fitted and looked at."""

    model: nn.Module
    groups: list[dict[str, Any]]
    loss: Callable[[int, Generator], Tensor]
    mesh: Callable[[], Mesh] | None
    inside: InsideFn | None
    size: int


def networks(net: Net, target: Target, generator: Generator) -> Fitted:
    """An occupancy network, ready to be fitted by binary cross entropy."""
    model = Occupancy(net, generator)

    def loss(step: int, generator: Generator) -> Tensor:
        chosen = torch.randint(len(target.pool), (BATCH,), generator=generator)
        logits = model(target.pool[chosen])
        return functional.binary_cross_entropy_with_logits(logits, target.labels[chosen])

    group = {"params": list(model.parameters()), "lr": net.rate, "betas": (0.9, 0.99), "eps": 1e-8}
    size = 4 * sum(p.numel() for p in model.parameters())
    return Fitted(
        model, [group], loss, lambda: _levelled(model, "above"), lambda x: model(x) > 0, size
    )


def explicit(kind: str, target: Target, generator: Generator) -> Fitted:
    """A "mesh", "voxels" or "points", ready to be fitted to points of the surface."""
    method: Any = {
        "mesh": mesh_optimisation, "voxels": voxel_optimisation, "points": point_optimisation
    }[kind]  # fmt: skip
    cfg = {
        "mesh": mesh_optimisation.Config(subdivisions=4, radius=0.6),
        "voxels": voxel_optimisation.Config(
            cells=8, doublings=3, doubling=30, target="points", signed_rate=0.03
        ),
        "points": point_optimisation.Config(points=4000, opacity=0.9, rate=0.01),
    }[kind]
    model = method.build(cfg, generator=generator)

    def loss(step: int, generator: Generator) -> Tensor:
        batch = target.sampler.sample(BATCH, generator=generator)
        return sum(method.loss(model, batch, cfg, step, generator=generator).values())

    groups = method.param_groups(model, cfg)
    if kind == "mesh":
        size = 12 * (len(model.latent) + len(model.faces))

        def inside(points: Tensor) -> Tensor:
            return torch.from_numpy(MeshDistance(model.mesh()).inside(points.double().numpy()))

        return Fitted(model, groups, loss, model.mesh, inside, size)
    if kind == "points":
        return Fitted(model, groups, loss, None, None, 12 * len(model.places))
    value = method.surface(model)
    size = 4 * (model.sides[-1] + 1) ** 3
    return Fitted(
        model, groups, loss, lambda: _levelled(value, "below"), lambda x: value(x) < 0, size
    )


def _levelled(value: Callable[[Tensor], Tensor], inside: Any) -> Mesh:
    return extract(
        value, level=0.0, inside=inside, box_min=(-1.0,) * 3, box_max=(1.0,) * 3,
        resolution=RESOLUTION,
    )  # fmt: skip


def follow(
    folder: Path, name: str, fit: Fitted, *, target: Target, seconds: float, report: Report
) -> dict[str, Any]:
    """Fit for so many CPU seconds, IoU measured at growing times, Chamfer distance at the end.

    Leaves folder/name.json and name.ply; what is there already is not done again. `seconds` and
    `steps` count training alone; CPU time is told, which other programs change little. Raises
    Interrupted.
    """
    file = folder / f"{name}.json"
    if file.exists() and (found := read_json(file, "delete it"))["budget"] == seconds:
        return found
    generator, optimiser = torch.Generator(), Adam(fit.groups)
    _warm()
    curve: list[dict[str, int | float]] = []
    step, spent, due = 0, 0.0, FIRST
    with Interrupts() as interrupts:
        while spent < seconds:
            if interrupts.requested:
                raise Interrupted("stopped")
            generator.manual_seed(step)
            started = time.process_time()
            fit.loss(step, generator).backward()
            optimiser.step(0.05 ** (spent / seconds))
            step, spent = step + 1, spent + time.process_time() - started
            if fit.inside is not None and spent >= min(due, seconds):
                curve.append({"step": step, "seconds": spent, "iou": overlap(fit, target)})
                due *= GROWTH
            report(min(spent / seconds, 1.0), f"{name}: step {step:,}")
    found = {"budget": seconds, "bytes": fit.size, "steps": step, "curve": curve}
    found |= _ending(folder / f"{name}.ply", fit, target)
    write_json(file, found)
    return found


def _warm() -> None:
    """Compile the optimiser's kernel, which is no part of any training."""
    some = nn.Parameter(torch.zeros(4))
    some.sum().backward()
    Adam([{"params": [some], "lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8}]).step(1.0)


@torch.no_grad()
def overlap(fit: Fitted, target: Target) -> float:
    """Intersection over union of the insides, over points of the cube."""
    assert fit.inside is not None
    return iou(fit.inside(target.probes).numpy(), target.inside.numpy())


@torch.no_grad()
def _ending(path: Path, fit: Fitted, target: Target) -> dict[str, Any]:
    """Chamfer distance in parts of the longest side, and what the mesh is like; written as PLY.

    None where there is no surface.
    """
    if fit.mesh is None:
        assert isinstance(fit.model, FreePoints)
        cloud, told = fit.model.cloud()[0], {}
        write_points(path, cloud, force=True)
    else:
        try:
            mesh = fit.mesh()
        except RayfieldError:  # a function that has not crossed its level yet
            path.unlink(missing_ok=True)
            return {"chamfer_l1_onet": None, "euler_number": None, "components": 0}
        write_mesh(path, mesh, force=True)
        told = {key: report_of(mesh)[key] for key in ("euler_number", "components")}
        cloud = sample_surface(mesh, PROBES, generator=torch.Generator().manual_seed(1))
    scaled = (PointCloud(x.points / SIDE) for x in (cloud, target.surface))
    return {"chamfer_l1_onet": chamfer_l1_onet(match(*scaled)), **told}
