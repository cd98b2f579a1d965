"""Shared by the benchmarks: the machine, the figures, their targets, and a bare training loop."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from rayfield.app.learned.field import background_of, method_named, render_view
from rayfield.data.demo import demo_photos
from rayfield.data.load import load_scene
from rayfield.data.photo import view_image
from rayfield.data.pixels import PixelSampler
from rayfield.data.scene import Frame, Scene
from rayfield.kernels.pool import available_cores, pool
from rayfield.objectives.photometric import psnr
from rayfield.train import guard
from rayfield.train.loop import step_seed
from rayfield.train.optim import Adam

ROOT = Path(__file__).resolve().parents[1]
CAPTURES = {"chair": "nerf_synthetic/chair", "ngp_fox": "ngp_fox", "colmap_cup": "colmap_cup"}
SCENES = ("demo", *CAPTURES)


@dataclass(frozen=True)
class Figure:
    """One measured value; `ratio` is above 1 where it is better than the target."""

    name: str
    value: float | None
    unit: str
    target: float | None = None
    smaller_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        """How the value compares with the target; None where either is missing."""
        if self.value is None or self.target is None or not self.value:
            return None
        ratio = self.value / self.target
        return 1 / ratio if self.smaller_is_better else ratio

    def __str__(self) -> str:
        shown = "not reached" if self.value is None else f"{self.value:.4g} {self.unit}".strip()
        if self.target is None:
            return f"{self.name:<46} {shown:>18}"
        sign = "<=" if self.smaller_is_better else ">="
        reached = "missed" if self.ratio is None else f"{self.ratio:.2f} of it"
        verdict = "ok" if (self.ratio or 0) >= 1 else "BELOW"
        return f"{self.name:<46} {shown:>18}   target {sign} {self.target:g}: {reached}, {verdict}"


def parser(description: str) -> argparse.ArgumentParser:
    """Arguments that every benchmark takes."""
    formatter = argparse.RawDescriptionHelpFormatter
    found = argparse.ArgumentParser(description=description, formatter_class=formatter)
    found.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    found.add_argument("--quick", action="store_true", help="tiny sizes: does the script work?")
    return found


def machine() -> dict[str, Any]:
    """Processor, cores, threads, versions, commit, and how busy the machine is."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cpu": _cpu(),
        "cores": available_cores(),
        "torch threads": torch.get_num_threads(),
        "kernel threads": pool().threads,
        "load": load,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": _commit(),
    }


def report(figures: Iterable[Figure], args: argparse.Namespace, **details: object) -> None:
    """Print the figures, and write them with the details to `args.json` if asked for."""
    figures = list(figures)
    about = machine()
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    for figure in figures:
        print(figure)
    if args.json is not None:
        found = [{**asdict(figure), "ratio": figure.ratio} for figure in figures]
        record = {"machine": about, "command": sys.argv, "figures": found, **details}
        args.json.write_text(json.dumps(record, indent=1) + "\n")


def peak_gb() -> float:
    """The most memory this process has held, in GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def scene_path(name: str) -> Path:
    """The folder of a scene by its short name; captures lie in $RAYFIELD_DATA."""
    if name == "demo":
        return demo_photos()
    path = Path(os.environ.get("RAYFIELD_DATA", ROOT.parent / "shared" / "data")) / CAPTURES[name]
    if not path.is_dir():
        sys.exit(f"{path}: not found; set RAYFIELD_DATA to the folder that holds {CAPTURES[name]}")
    return path


class Training:
    """`rayfield train instant` without run folder, previews and checkpoints: seed 0, same steps.

    `seconds` is the time spent in steps so far; the learning rate follows the part of the budget
    used: of `budget` seconds, or without it of the method's own number of steps.
    """

    def __init__(self, scene: Scene, sampler: PixelSampler, budget: float | None = None) -> None:
        self.method = method_named("instant")
        self.cfg = self.method.adapt(self.method.Config(), scene.traits)
        self.model = self.method.build(self.cfg, generator=torch.Generator().manual_seed(0))
        self.optimiser = Adam(self.method.param_groups(self.model, self.cfg))
        self.parameters = dict(self.model.named_parameters())
        self.scene, self.sampler, self.budget = scene, sampler, budget
        self.generator = torch.Generator()
        self.steps = self.rays = 0
        self.seconds = 0.0

    def step(self) -> None:
        """One training step, as `train.loop.fit` does it."""
        started = time.perf_counter()
        self.generator.manual_seed(step_seed(0, self.steps))
        used = self.seconds / self.budget if self.budget else self.steps / self.cfg.steps
        factor = self.method.lr_factor(self.cfg, self.steps, min(1.0, used))
        rays = self.method.batch_size(self.model, self.cfg)
        batch = self.sampler.sample(rays, generator=self.generator)
        terms = self.method.loss(self.model, batch, self.cfg, self.steps, generator=self.generator)
        total = torch.stack(list(terms.values())).sum()
        culprit = guard.bad_term(terms, total.item())
        total.backward()
        if culprit or guard.bad_gradient(self.parameters, self.steps):
            sys.exit(f"step {self.steps}: not finite")
        self.optimiser.step(factor)
        self.steps += 1
        self.rays += rays
        self.seconds += time.perf_counter() - started

    def view(self, frame: Frame) -> torch.Tensor:
        """What the field shows in place of a photo: [H, W, 3]."""
        traits = self.scene.traits
        found = render_view(self.method, self.model, self.cfg, camera=frame.camera, traits=traits)
        return torch.from_numpy(found.color)

    def evaluate(self, frames: Iterable[Frame]) -> tuple[float, float]:
        """Mean PSNR over these views (photos over white if they have alpha); rays/s rendered."""
        values, rays, seconds = [], 0, 0.0
        background = background_of(self.scene.traits)
        for frame in frames:
            started = time.perf_counter()
            shown = self.view(frame)
            seconds += time.perf_counter() - started
            rays += shown.shape[0] * shown.shape[1]
            photo = view_image(frame)
            rgb, alpha = photo[..., :3], photo[..., 3:]
            values.append(float(psnr(shown, rgb * alpha + background * (1 - alpha))))
        return sum(values) / len(values), rays / seconds


def load(name: str) -> tuple[Scene, PixelSampler, float]:
    """A scene, its decoded training photos, and the seconds both took."""
    started = time.perf_counter()
    scene = load_scene(scene_path(name))
    sampler = PixelSampler(scene)
    return scene, sampler, time.perf_counter() - started


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not on macOS and Windows
        return platform.processor()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "unknown")


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + (
        " + changes" if git("status", "-s", "-uno") else ""
    )
