"""Meshes at fine resolutions: how many points, seconds and bytes the search for a surface takes.

The sphere of radius 0.4 in the box of side 1.1 of Occupancy Networks, at 512 and 1024 cells a side
as `extract` begins by itself, each in a process of its own so that its memory is its own; at 512
beside it the mesh from asking everywhere, in the same process, which must be the same. Then a field
on a hash grid (8 levels of 4 features, an MLP of 64 units, a distance to which the network adds
bumps) at 256 cells a side.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from common import Figure, parser, peak_gb, report

from rayfield.fields.hashgrid import HashGrid
from rayfield.geometry.marching import Search, extract
from rayfield.geometry.mesh import report as measures

SIDE = 1.1
BOX = {"box_min": (-SIDE / 2,) * 3, "box_max": (SIDE / 2,) * 3}


class Counted:
    """A field that counts the points it is asked for."""

    def __init__(self, field) -> None:
        self.field, self.points = field, 0

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        self.points += len(points)
        return self.field(points)


def sphere(points: torch.Tensor) -> torch.Tensor:
    """Signed distance."""
    return points.norm(dim=1) - 0.4


class Bumpy(torch.nn.Module):
    """A sphere's distance and what a small network of hash-grid features adds to it."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.grid = HashGrid(
            levels=8, features=4, entries=2**17, base=16, finest=1024, generator=generator
        )
        self.grid.table.data.mul_(1e4)  # from +-1e-4 to +-1, as if trained
        sizes = (8 * 4, 64, 64, 1)
        self.weights = [
            torch.randn(a, b, generator=generator) * (2 / a) ** 0.5 for a, b in pairwise(sizes)
        ]

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """Level 0 is the surface, at most a few hundredths off the sphere."""
        found = []
        for part in points.split(2**16):
            x = self.grid(part / SIDE + 0.5)
            for weight in self.weights[:-1]:
                x = torch.relu(x @ weight)
            found.append(sphere(part) + 0.01 * torch.tanh(x @ self.weights[-1])[:, 0])
        return torch.cat(found)


def measure(field, resolution: int, coarse: int | None):
    """The mesh, and a record of what it took."""
    counted = Counted(field)
    started, busy = time.perf_counter(), time.process_time()
    with torch.no_grad():
        mesh = extract(
            counted,
            level=0.0,
            resolution=resolution,
            inside="below",
            search=Search(coarse=coarse),
            **BOX,
        )
    seconds = time.perf_counter() - started
    busy = time.process_time() - busy
    return mesh, {
        "seconds": seconds,
        "busy": busy,
        "points": counted.points,
        "share": 100 * counted.points / (resolution + 1) ** 3,
        "peak_gb": peak_gb(),
        "vertices": len(mesh.vertices),
    }


def alone(resolution: int, dense: bool) -> None:
    """What the child process does: print a JSON object."""
    measure(sphere, 16, None)  # the first one loads and derives what the others share
    mesh, found = measure(sphere, resolution, None)
    if dense:
        same, everywhere = measure(sphere, resolution, resolution)
        found["dense"] = everywhere
        found["identical"] = bool(
            np.array_equal(mesh.faces, same.faces) and np.array_equal(mesh.vertices, same.vertices)
        )
    print(json.dumps(found))


def spheres(resolution: int, dense: bool) -> Iterator[Figure]:
    """Figures of the sphere at one resolution."""
    command = [sys.executable, __file__, "--alone", str(resolution), "--dense"]
    command = command if dense else command[:-1]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    name = f"sphere at {resolution}^3"
    yield Figure(f"{name}, points", found["points"] / 1e6, "M")
    yield Figure(f"{name}, share of all nodes", found["share"], "%", 5, True)
    yield Figure(name, found["seconds"], "s")
    yield Figure(f"{name}, of the processor", found["busy"], "s")
    yield Figure(f"{name}, peak memory", found["peak_gb"], "GB", 4, True)
    yield Figure(f"{name}, vertices", found["vertices"] / 1e6, "M")
    if dense:
        other = found["dense"]
        yield Figure(f"{name}, asking everywhere", other["seconds"], "s")
        yield Figure(f"{name}, everywhere, of the processor", other["busy"], "s")
        yield Figure(f"{name}, less processor time", other["busy"] / found["busy"], "x")
        yield Figure(f"{name}, identical mesh", float(found["identical"]), "(1: yes)", 1)


def hash_grid(resolution: int) -> Iterator[Figure]:
    """Figures of the field on a hash grid."""
    field = Bumpy()
    mesh, found = measure(field, resolution, None)
    name = f"hash grid at {resolution}^3"
    yield Figure(name, found["seconds"], "s", 10, True)
    yield Figure(f"{name}, of the processor", found["busy"], "s")
    yield Figure(f"{name}, points", found["points"] / 1e6, "M")
    yield Figure(f"{name}, boundary edges", float(measures(mesh)["boundary_edges"]), "")


def main() -> None:
    """Measure and report."""
    arguments = parser(__doc__)
    arguments.add_argument("--alone", type=int, metavar="N", help=argparse.SUPPRESS)
    arguments.add_argument("--dense", action="store_true", help=argparse.SUPPRESS)
    args = arguments.parse_args()
    torch.set_num_threads(1)
    if args.alone is not None:
        alone(args.alone, args.dense)
        return
    sizes = (64, 128, 64) if args.quick else (512, 1024, 256)
    found = [*spheres(sizes[0], True), *spheres(sizes[1], False), *hash_grid(sizes[2])]
    report(found, args)


if __name__ == "__main__":
    main()
