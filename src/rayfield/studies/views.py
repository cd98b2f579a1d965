"""Photos of a scene, fields learned from them, and how well those show photos they never saw."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.core.check import DataError
from rayfield.core.types import Rays, Rendered
from rayfield.data.demo import demo_photos
from rayfield.data.load import load_scene
from rayfield.data.photo import view_image
from rayfield.data.pixels import PixelSampler, view_rays
from rayfield.data.scene import Frame, Scene
from rayfield.methods import instant_ngp
from rayfield.objectives.photometric import psnr, ssim
from rayfield.studies.study import Report
from rayfield.studies.trial import trial

RenderFn = Callable[[Rays], Rendered]
PointFn = Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]
ColorFn = Callable[[Float[Tensor, "N 3"], Float[Tensor, "N 3"]], Float[Tensor, "N 3"]]


class Field(NamedTuple):
    """A trained field: what rays see of it, and density and colour at scene points."""

    render: RenderFn
    density: PointFn
    color: ColorFn


class Score(NamedTuple):
    """One view: the photo's name, how close the field comes to it, and what it shows instead."""

    name: str
    psnr: float
    ssim: float
    picture: Float[Tensor, "H W 3"]


def load(data: Path | None, *, downscale: int = 1) -> Scene:
    """The user's posed photos, or those that come with the package. Raises DataError."""
    return load_scene(data or demo_photos(), downscale=downscale)


def sized(data: Path | None, side: int) -> Scene:
    """The scene with photos averaged down to about `side` pixels. Raises DataError."""
    scene = load(data)
    longest = max(max(f.camera.width, f.camera.height) for f in scene.frames)
    return load(data, downscale=max(1, round(longest / side)))


def held_out_photos(scene: Scene) -> tuple[Frame, ...]:
    """The photos kept for comparison. Raises DataError if there are none."""
    frames = scene.split("test")
    if not frames:
        raise DataError(scene.root, "has no test images", "give at least three posed photos")
    return frames


def subset(scene: Scene, names: Collection[str]) -> Scene:
    """The scene with only these training photos; the others are still there to compare with."""
    frames = tuple(
        replace(f, split="val") if f.split == "train" and f.name not in names else f
        for f in scene.frames
    )
    traits = scene.traits._replace(images=sum(f.split == "train" for f in frames))
    return replace(scene, frames=frames, traits=traits)


def learn(folder: Path, scene: Scene, *, steps: int, report: Report) -> Field:
    """What the fast method learns from a scene in `steps` steps; see `trial`."""
    cfg = instant_ngp.Config()
    found = learned(folder, instant_ngp, cfg, scene=scene, steps=steps, report=report)
    return field(instant_ngp, *found, scene=scene)


def learned(
    folder: Path,
    method: Any,
    cfg: Any,
    *,
    scene: Scene,
    steps: int | None = None,
    seconds: float | None = None,
    report: Report,
) -> tuple[Any, Any]:
    """The model that `method` learns from the photos of a scene, and `cfg` as that scene has it.

    See `trial`.
    """
    cfg = method.adapt(cfg, scene.traits)
    sampler = PixelSampler(scene)
    return trial(
        folder, method, cfg, sampler=sampler, steps=steps, seconds=seconds, report=report
    ), cfg


def field(method: Any, model: Any, cfg: Any, *, scene: Scene) -> Field:
    """The field of a trained model, seen over the backdrop of the scene's photos."""
    background = torch.full((3,), backdrop(scene))
    return Field(
        lambda rays: method.render(model, rays, cfg, background=background),
        method.density(model),
        method.color(model),
    )


def backdrop(scene: Scene) -> float:
    """Behind everything: white (1) for cut-out subjects, black (0) for whole scenes."""
    return 1.0 if scene.traits.alpha else 0.0


def photo(scene: Scene, frame: Frame) -> Float[Tensor, "H W 3"]:
    """The photo of a frame over the scene's backdrop."""
    rgb, alpha = view_image(frame).split((3, 1), dim=-1)
    return rgb * alpha + backdrop(scene) * (1 - alpha)


@torch.no_grad()
def look(render: RenderFn, scene: Scene, frame: Frame) -> Float[Tensor, "H W 3"]:
    """What a field shows in place of a photo."""
    color = render(view_rays(scene, frame)).color.clamp(0, 1)
    return color.view(frame.camera.height, frame.camera.width, 3)


def score(render: RenderFn, scene: Scene, frame: Frame) -> Score:
    """PSNR (dB, all pixels) and SSIM (Gaussian 11x11) of one view."""
    picture, truth = look(render, scene, frame), photo(scene, frame)
    return Score(frame.name, float(psnr(picture, truth)), float(ssim(picture, truth)), picture)


def mean(values: Sequence[float]) -> float:
    """The mean of some views' figures."""
    return sum(values) / len(values)
