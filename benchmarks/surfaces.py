"""Surfaces from raw points: `igr` at its default beside Screened Poisson reconstruction.

100,000 points of a mesh, longest side 1: clean with normals; Gaussian noise of 0.005 with true
normals; the same noise without normals. And scans of $RAYFIELD_DATA/points. p2s: mean distance of
100,000 points of the found mesh to the true triangles (of a scan without truth: of the scan's
points to the found mesh). NC: mean |cosine| between its normals and those of the closest
triangles. Poisson (Kazhdan & Hoppe 2013) is Open3D's, depth 9; where there are no normals they are
estimated from 30 neighbours and made consistent. It runs in a process of its own, in any Python
that has Open3D: pip install "open3d>=0.18".
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from common import ROOT, Figure, parser, peak_gb, report

from rayfield.app.drawing.surfaces import surface_mesh
from rayfield.app.prepare import prepare
from rayfield.core.types import Mesh, PointCloud
from rayfield.data.pointfiles import read_raw
from rayfield.data.points import HALF_SIDE, Cloud, PointSampler
from rayfield.geometry.distance import MeshDistance
from rayfield.geometry.mesh import components, face_normals, transform
from rayfield.geometry.mesh import report as report_mesh
from rayfield.geometry.meshio import read_mesh, write_mesh
from rayfield.geometry.metrics import point_to_surface
from rayfield.geometry.pointio import PointFile
from rayfield.geometry.sampling import sample_surface
from rayfield.methods import igr
from rayfield.train.loop import step_seed
from rayfield.train.optim import Adam

SAMPLES, RESOLUTION, NOISE, LIMIT = 100_000, 256, 0.005, 120.0
CASES = {"clean": (0.0, True), "noisy": (NOISE, True), "bare": (NOISE, False)}
GOALS = {"clean": (0.3e-3, 0.983), "noisy": (0.8e-3, 0.965), "bare": (0.9e-3, 0.955)}
POISSON = """
import sys, time, numpy as np, open3d as o3d, resource
data = np.load(sys.argv[1])
cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(data["points"]))
start = time.perf_counter()
if "normals" in data:
    cloud.normals = o3d.utility.Vector3dVector(data["normals"])
else:
    cloud.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(30))
    cloud.orient_normals_consistent_tangent_plane(30)
mesh, _ = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(cloud, depth=9)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
np.savez(sys.argv[2], vertices=np.asarray(mesh.vertices), faces=np.asarray(mesh.triangles),
         seconds=seconds, peak=peak)
"""


class Case(NamedTuple):
    """Points of longest side 1 about the origin, and the true mesh where there is one."""

    name: str
    cloud: PointCloud
    truth: Mesh | None


def unit(mesh: Mesh, like: np.ndarray) -> Mesh:
    """A mesh moved so that the box of some points is of longest side 1 about the origin."""
    low, high = like.min(axis=0), like.max(axis=0)
    scale = 1 / (high - low).max()
    matrix = np.diag([scale] * 3 + [1.0])
    matrix[:3, 3] = -scale * (low + high) / 2
    return transform(mesh, matrix)


def of_mesh(path: Path, kind: str) -> Case:
    """Points of a mesh, as one of CASES."""
    mesh = read_mesh(path)
    truth = unit(mesh, mesh.vertices)
    cloud = sample_surface(truth, SAMPLES, generator=torch.Generator().manual_seed(0))
    noise, with_normals = CASES[kind]
    points = cloud.points + noise * np.random.default_rng(1).normal(size=cloud.points.shape)
    return Case(
        f"{path.stem} {kind}", PointCloud(points, cloud.normals if with_normals else None), truth
    )


def of_scan(path: Path, truth: Path | None = None) -> Case:
    """A file of points."""
    raw = read_raw(path)
    assert isinstance(raw, PointFile)
    cloud = raw.cloud
    low, high = cloud.points.min(axis=0), cloud.points.max(axis=0)
    points = (cloud.points - (low + high) / 2) / (high - low).max()
    true = None if truth is None else unit(read_mesh(truth), cloud.points)
    return Case(path.stem, PointCloud(points, cloud.normals), true)


def fitted(case: Case, steps: int, resolution: int) -> tuple[Mesh, float, float]:
    """The mesh of `igr`, the seconds of its training and those of the extraction."""
    started = time.perf_counter()
    scale = 2 * HALF_SIDE
    world = np.diag([1 / scale] * 3 + [1.0])
    points, normals = case.cloud.points, case.cloud.normals
    cloud = Cloud(Path("points"), points * scale, normals, None, world, (), "")
    cfg = igr.adapt(igr.Config(steps=steps), cloud.traits)
    model = igr.build(cfg, generator=torch.Generator().manual_seed(0))
    sampler, optimiser = PointSampler(cloud), Adam(igr.param_groups(model, cfg))
    generator = torch.Generator()
    for step in range(steps):
        generator.manual_seed(step_seed(0, step))
        batch = sampler.sample(igr.batch_size(model, cfg), generator=generator)
        terms = igr.loss(model, batch, cfg, step, generator=generator)
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step(igr.lr_factor(cfg, step, step / steps))
    trained = time.perf_counter()
    mesh = transform(surface_mesh(igr.surface(model), resolution), world)
    return mesh, trained - started, time.perf_counter() - trained


def poisson(case: Case, python: str) -> tuple[Mesh, float, float] | None:
    """Open3D's mesh, its seconds and its memory in GB; None where it is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "points.npz", Path(folder) / "mesh.npz"
        arrays = {"points": case.cloud.points}
        if case.cloud.normals is not None:
            arrays["normals"] = case.cloud.normals
        np.savez(given, **arrays)
        command = [python, "-c", POISSON, str(given), str(found)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no message"]
            print(f'Poisson left out: {lines[-1]}; pip install "open3d>=0.18"', file=sys.stderr)
            return None
        out = np.load(found)
        mesh = Mesh(out["vertices"], out["faces"].astype(np.int32))
        return mesh, float(out["seconds"]), float(out["peak"])


def measured(case: Case, mesh: Mesh, who: str) -> list[Figure]:
    """How close a mesh is to the truth, and whether it is closed and in one piece."""
    goal = (None, None)
    if who == "igr" and case.name.startswith("armadillo "):
        goal = GOALS[case.name.split()[1]]
    name = f"{case.name}: {who}"
    if case.truth is None:
        found = [Figure(f"{name} p2s data to mesh", point_to_surface(case.cloud.points, mesh), "")]
    else:
        ours = sample_surface(mesh, SAMPLES, generator=torch.Generator().manual_seed(1))
        close = MeshDistance(case.truth).closest(ours.points)
        truth = face_normals(case.truth)[close.face]
        truth /= np.maximum(np.linalg.norm(truth, axis=1, keepdims=True), 1e-300)
        assert ours.normals is not None
        cosine = np.abs((ours.normals * truth).sum(axis=1)).mean()
        found = [
            Figure(
                f"{name} p2s", float(close.distance.mean()), "", goal[0], smaller_is_better=True
            ),
            Figure(f"{name} NC", float(cosine), "", goal[1]),
        ]
    about = report_mesh(mesh)
    closed = float(not about["boundary_edges"] and not about["nonmanifold_edges"])
    pieces = float(np.unique(components(mesh)).size)
    return [
        *found,
        Figure(f"{name} watertight", closed, "", 1.0),
        Figure(f"{name} components", pieces, "", 1.0, smaller_is_better=True),
    ]


def cases(data: Path, names: list[str]) -> list[Case]:
    """Those asked for: a mesh's name gives its three cases, `scans` the scans."""
    found = []
    for name in names:
        if name == "scans":
            folder, true = data / "points", "abc_00016513"
            found += [of_scan(folder / "elephant.pwn"), of_scan(folder / "hand.pwn")]
            found.append(of_scan(folder / f"{true}.xyz.npy", folder / f"{true}.ply"))
            continue
        shape, _, kind = name.partition(":")
        paths = sorted((data / "meshes").glob(f"{shape}.o*"))
        if not paths or kind not in ("", *CASES):
            sys.exit(f"{name}: there is no such mesh in {data / 'meshes'}; set RAYFIELD_DATA")
        found += [of_mesh(paths[0], one) for one in ([kind] if kind else CASES)]
    return found


def main() -> None:
    """Measure and report."""
    arguments = parser(__doc__)
    arguments.add_argument("names", nargs="*", default=["armadillo", "scans"],
                           help="MESH, MESH:clean|noisy|bare, or scans")  # fmt: skip
    arguments.add_argument("--steps", type=int, default=igr.Config().steps)
    arguments.add_argument("--poisson-python", metavar="PATH", default=sys.executable,
                           help="a Python with Open3D")  # fmt: skip
    arguments.add_argument("--save", type=Path, metavar="FOLDER", help="write the meshes there")
    args = arguments.parse_args()
    torch.set_num_threads(1)  # the kernels bring their own
    data = Path(os.environ.get("RAYFIELD_DATA", ROOT.parent / "shared" / "data"))
    prepare("surface")
    figures = []
    for case in cases(data, args.names):
        steps, resolution = (20, 48) if args.quick else (args.steps, RESOLUTION)
        mesh, training, meshing = fitted(case, steps, resolution)
        figures += measured(case, mesh, "igr")
        goal = LIMIT if case.name.startswith("armadillo ") else None
        total = training + meshing
        figures.append(
            Figure(f"{case.name}: igr seconds", total, "s", goal, smaller_is_better=True)
        )
        figures.append(Figure(f"{case.name}: igr extraction", meshing, "s", 10.0, True))
        figures.append(Figure(f"{case.name}: igr memory so far", peak_gb(), "GB"))
        if args.save:
            args.save.mkdir(parents=True, exist_ok=True)
            write_mesh(args.save / f"{case.name.replace(' ', '_')}.ply", mesh, force=True)
        other = poisson(case, args.poisson_python)
        if other is not None:
            figures += measured(case, other[0], "Poisson")
            figures.append(Figure(f"{case.name}: Poisson seconds", other[1], "s"))
            figures.append(Figure(f"{case.name}: Poisson memory", other[2], "GB"))
        for figure in figures:
            if figure.name.startswith(case.name):
                print(figure, flush=True)
    report(figures, args, steps=args.steps, resolution=RESOLUTION)


if __name__ == "__main__":
    main()
