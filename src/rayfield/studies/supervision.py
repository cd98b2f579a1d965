"""Full 3-D supervision against raw points: the same shapes, network, steps and number of samples.

A signed function can be told inside from outside (Mescheder et al. 2019, arXiv:1812.03828, eq. 3)
or distances (Park et al. 2019, arXiv:1901.05103, eq. 4) at places all over space, which takes a
closed mesh to compute them from; or it is given nothing but points of the surface: implicit
geometric regularisation (Gropp et al. 2020, arXiv:2002.10099, eq. 1-2), with normals or without,
and sign agnostic learning (Atzmon & Lipman 2020, arXiv:1911.10414, eq. 4). All start as the same
sphere; what differs is the loss, and what one sample tells.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from rayfield.core.check import RayfieldError
from rayfield.data.pointfiles import usual_up
from rayfield.data.points import HALF_SIDE, Cloud, PointSampler
from rayfield.data.solids import PointFn
from rayfield.fields.geometric import GeometricMLP, Start
from rayfield.geometry.distance import MeshDistance
from rayfield.geometry.marching import extract
from rayfield.geometry.metrics import compare
from rayfield.methods import igr, sal
from rayfield.objectives.pointwise import clamped_error
from rayfield.studies import supervision_figure
from rayfield.studies.shapes import shapes
from rayfield.studies.study import FIGURE, Findings, Report, Verdict
from rayfield.train.interrupt import Interrupted, Interrupts
from rayfield.train.optim import Adam

FULL_3D = ("inside or outside", "signed distance")
RAW = ("points and normals", "points", "points, sign agnostic")
WAYS = (*FULL_3D, *RAW)
NEAR = 0.05  # half of the places in space are off the surface by a Gaussian of this deviation
CLAMP = 0.1  # of signed distances, Park et al. 2019
STEEP = 40.0  # logits of being inside by scene unit of the signed function
RATE, FINAL_RATE, WARM = 2e-3, 0.02, 20
TESTED = 10_000  # points of both surfaces, and of the cube
CHUNK = 2**14
SIDE = 2 * HALF_SIDE
AS_GOOD = 1.1  # times the other's distance still counts as as good

LossFn = Callable[[Any, int, Generator], Tensor]


@dataclass(frozen=True)
class Size:
    """Samples given, network, steps, places asked at a step, and cells a side of meshes."""

    amounts: tuple[int, ...] = (250, 2000, 16_000)
    shown: int = 2000
    width: int = 128
    layers: int = 4
    steps: int = 1200
    batch: int = 512
    resolution: int = 64


FULL = Size((125, 500, 2000, 8000, 32_000), 2000, 256, 6, 5000, 4096, 192)


class Case(NamedTuple):
    """One training: the shape and its number, the supervision, and how many samples it has."""

    shape: str
    way: str
    amount: int

    @property
    def name(self) -> str:
        """For its file."""
        return f"{self.shape}-{self.way.replace(',', '').replace(' ', '-')}-{self.amount}"


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; `data` is a closed mesh or a folder of them, else three exact shapes."""
    return examine(folder, FULL if full else Size(), report, data=data)


def examine(folder: Path, size: Size, report: Report, *, data: Path | None = None) -> Findings:
    """The study at a given size. Cases that `folder` holds are not computed again."""
    given = shapes(folder / "shapes", data)
    cases = [Case(s, way, n) for s in given for way in WAYS for n in size.amounts]
    rows, pictures = [], {}
    for done, case in enumerate(cases):
        told = f"{case.shape}: {case.way}, {case.amount:,} samples"
        report(done / len(cases), told)
        row, picture = _case(folder, case, given[case.shape], size)
        rows.append(row)
        if case.amount == size.shown:
            pictures[case.shape, case.way] = picture
    for name, cloud in given.items():
        pictures[name, "truth"] = supervision_figure.seen(_distance(cloud), usual_up(cloud.path))
    numbers = {"size": asdict(size), "shapes": list(given), "cases": rows}
    supervision_figure.draw(folder / FIGURE, numbers, pictures, ways=WAYS)
    return Findings(numbers, judge(numbers))


def _case(folder: Path, case: Case, cloud: Cloud, size: Size) -> tuple[dict[str, Any], np.ndarray]:
    """The numbers of a case and its picture, which are kept in `folder`."""
    file = folder / "cases" / f"{case.name}.npz"
    essence = json.dumps([asdict(size), cloud.fingerprint])
    if file.exists():
        with np.load(file, allow_pickle=False) as archive:
            if str(archive["essence"]) == essence:
                return json.loads(str(archive["row"])), archive["picture"]
    generator = torch.Generator().manual_seed(0)
    loss, started = supervised(case.way, cloud, case.amount, batch=size.batch), time.process_time()
    model = learn(loss, size, generator=generator)
    row = case._asdict() | {"cpu_seconds": time.process_time() - started}
    row |= measure(model, cloud, size.resolution)
    picture = np.zeros((1, 1), np.uint8)
    if case.amount == size.shown:
        picture = supervision_figure.seen(model, usual_up(cloud.path))
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".tmp.npz")
    np.savez(
        temporary, allow_pickle=False, row=np.array(json.dumps(row)), picture=picture,
        essence=np.array(essence),
    )  # fmt: skip
    temporary.replace(file)
    return row, picture


def supervised(way: str, cloud: Cloud, amount: int, *, batch: int) -> LossFn:
    """The loss of a supervision that has so many samples, at about `batch` places a step."""
    if way in FULL_3D:
        return _in_space(way, cloud, amount, batch=batch)
    points, normals = cloud.points[:amount], cloud.normals
    assert normals is not None
    some = Cloud(cloud.path, points, normals[:amount], None, cloud.world_from_scene, (), "")
    sampler = PointSampler(some)
    method: Any = sal if way == RAW[2] else igr
    cfg: Any = sal.Config() if way == RAW[2] else igr.Config(grid=False, normals=way == RAW[0])
    count = round(batch / (1 + cfg.wide_share)) if way == RAW[2] else batch // 2

    def loss(model: Any, step: int, generator: Generator) -> Tensor:
        drawn = sampler.sample(count, generator=generator)
        return torch.stack(
            list(method.loss(model, drawn, cfg, step, generator=generator).values())
        ).sum()

    return loss


def _in_space(way: str, cloud: Cloud, amount: int, *, batch: int) -> LossFn:
    """What is inside, or signed distances: half of the places near the surface."""
    generator = torch.Generator().manual_seed(1)
    near = torch.from_numpy(cloud.points[: amount // 2]).float()
    near = near + NEAR * torch.randn(near.shape, generator=generator)
    rest = 2 * torch.rand(amount - len(near), 3, generator=generator) - 1
    places = torch.cat([near, rest])
    distance = _distance(cloud)(places)

    def loss(model: Any, step: int, generator: Generator) -> Tensor:
        chosen = torch.randint(amount, (batch,), generator=generator)
        value, true = model(places[chosen]), distance[chosen]
        if way == FULL_3D[1]:
            return clamped_error(value, true, CLAMP)
        return binary_cross_entropy_with_logits(-STEEP * value, (true < 0).float())

    return loss


def _distance(cloud: Cloud) -> PointFn:
    """The true signed distance."""
    assert cloud.mesh is not None
    mesh = MeshDistance(cloud.mesh)
    return lambda points: torch.from_numpy(mesh.signed(points.double().numpy())).float()


def learn(loss: LossFn, size: Size, *, generator: Generator) -> GeometricMLP:
    """The network that a loss leads to. Raises Interrupted."""
    start, skip = Start(radius=0.6), size.layers // 2
    model = GeometricMLP(size.width, size.layers, skips=(skip,), start=start, generator=generator)
    rates = {"lr": RATE, "betas": (0.9, 0.999), "eps": 1e-8}
    optimiser = Adam([{"params": list(model.parameters()), **rates}])
    with Interrupts() as interrupts:
        for step in range(size.steps):
            if interrupts.requested:
                raise Interrupted("stopped")
            loss(model, step, generator).backward()
            rate = FINAL_RATE ** (step / size.steps)
            optimiser.step(min(1.0, (step + 1) / WARM) * rate)
    return model


def measure(model: PointFn, cloud: Cloud, resolution: int) -> dict[str, float | None]:
    """How close the zero set is to the truth, in parts of its longest side; None: there is none."""

    @torch.no_grad()
    def value(points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        return torch.cat([model(part) for part in points.split(CHUNK)])

    assert cloud.mesh is not None
    try:
        mesh = extract(
            value, level=0.0, inside="below", box_min=(-1.0, -1.0, -1.0),
            box_max=(1.0, 1.0, 1.0), resolution=resolution,
        )  # fmt: skip
    except RayfieldError:  # all is on one side
        return {"chamfer": None, "normal_consistency": None, "iou": 0.0}
    found = compare(mesh, cloud.mesh, TESTED, generator=torch.Generator().manual_seed(2))
    both = 0.5 * (found["p2s_accuracy"] + found["p2s_completeness"])
    shared = {key: float(found[key]) for key in ("normal_consistency", "iou")}
    return {"chamfer": float(both) / SIDE, **shared}


def judge(numbers: dict[str, Any]) -> Verdict:
    """Of as many samples, points without normals are as good as the better full supervision."""
    amounts = numbers["size"]["amounts"]

    def mean(way: str, amount: int) -> float:
        return supervision_figure.mean_of(numbers["cases"], "chamfer", way=way, amount=amount)

    told, good = [], []
    for amount in amounts:
        each = {way: mean(way, amount) for way in WAYS}
        words = [f"{1e3 * x:.1f}" if np.isfinite(x) else "none" for x in each.values()]
        told.append(f"{amount:,}: {', '.join(words)}")
        raw = np.nanmin([each[RAW[1]], each[RAW[2]], np.inf])
        full = np.nanmin([*(each[way] for way in FULL_3D), np.inf])
        good.append(bool(np.isfinite(raw) and raw <= AS_GOOD * full))
    return Verdict(
        "raw points teach a signed function as well as insides or distances computed all over "
        "space (Atzmon & Lipman 2020, Gropp et al. 2020)",
        f"mean distance between surfaces, thousandths of the longest side, of {'; '.join(WAYS)}; "
        f"by samples (none: a shape got no surface): {'; '.join(told)}; points "
        f"without normals are as good as the better full supervision in "
        f"{sum(good)} of {len(good)} cases",
        all(good),
    )
