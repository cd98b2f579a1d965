"""Mesh optimisation step by step: the silhouette, its error, and the gradient on the vertices."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from rayfield.core.drawing import bytes_of
from rayfield.core.types import Mesh, RayBatch, Rays
from rayfield.math.rays import pixel_grid
from rayfield.methods import mesh_optimisation as method
from rayfield.objectives.silhouette import soft_iou_loss
from rayfield.render import raster
from rayfield.render.screen import project, screens
from rayfield.studies.study import Report
from rayfield.train.optim import Adam

VIEWS, SIDE = 12, 64  # pictures of the target, pixels a side
WIDTH = 2.2  # scene units across a picture
DISTANCE = 3.5
SHOWN = (0, 10, 30, 80)  # steps in the figure, beside the last
EVERY = 5  # steps between the pictures of the film
CFG = method.Config(subdivisions=3, radius=0.5, rays=2048, views=4, color=0.0, halving=60)
EXCESS, MISSING = np.array([0.85, 0.44, 0.11]), np.array([0.15, 0.39, 0.69])


class Frame(NamedTuple):
    """One step seen by the first camera: the error picture, IoU, and vertices [V 2] in pixels with
    the way [V 2] that the step down the gradient moves them."""

    step: int
    picture: UInt8[np.ndarray, "S S 3"]
    iou: float
    at: Float[np.ndarray, "V 2"]
    way: Float[np.ndarray, "V 2"]


def view(eye: Float[Tensor, " 3"], *, side: int) -> Rays:
    """The side x side pixels of a camera that looks at the middle."""
    forward = -eye / eye.norm()
    right = torch.nn.functional.normalize(
        torch.linalg.cross(forward, torch.tensor([0.0, 0.0, 1.0])), dim=0
    )
    down = torch.linalg.cross(forward, right)
    plane = (pixel_grid(side, side, dtype=torch.float32) / side - 0.5) * WIDTH
    directions = forward * DISTANCE + plane[:, :1] * right + plane[:, 1:] * down
    directions = torch.nn.functional.normalize(directions, dim=1)
    zero = torch.zeros(len(directions))
    eyes = (DISTANCE * eye / eye.norm()).expand(len(directions), 3)
    return Rays(eyes, directions, zero, zero + 9, torch.full((len(directions),), -1))


def silhouettes(mesh: Mesh) -> list[RayBatch]:
    """The target seen from around, hardly softened."""
    generator = torch.Generator().manual_seed(3)
    eyes = torch.randn(VIEWS, 3, generator=generator)
    eyes[0] = torch.tensor([0.5, -1.0, 0.45])
    vertices = torch.from_numpy(mesh.vertices).float()
    faces, white = torch.from_numpy(mesh.faces).long(), torch.ones(len(vertices), 3)
    found = []
    for eye in eyes:
        rays = view(eye, side=SIDE)
        seen = raster.render(
            vertices, faces, white, rays=rays, softness=1e-3, sharpness=1.0,
            background=torch.zeros(1, 3),
        )  # fmt: skip
        found.append(RayBatch(rays, torch.cat([seen.color, seen.opacity[:, None]], dim=1)))
    return found


def sequence(mesh: Mesh, steps: int, report: Report) -> list[Frame]:
    """Frames of a sphere on its way to the silhouettes of a mesh."""
    views = silhouettes(mesh)
    generator = torch.Generator().manual_seed(0)
    model = method.build(CFG, generator=generator)
    optimiser, frames = Adam(method.param_groups(model, CFG)), []
    for step in range(steps + 1):
        if step % EVERY == 0 or step in SHOWN or step == steps:
            frames.append(_frame(model, views[0], step))
        parts = []
        for index in torch.randperm(VIEWS, generator=generator)[: CFG.views].tolist():
            pixels = torch.randint(SIDE**2, (CFG.rays // CFG.views,), generator=generator)
            whole = views[index]
            parts.append((*(x[pixels] for x in whole.rays), whole.rgba[pixels]))
        *rays, rgba = (torch.cat(column) for column in zip(*parts, strict=True))
        terms = method.loss(model, RayBatch(Rays(*rays), rgba), CFG, step, generator=generator)
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step(method.lr_factor(CFG, step, step / steps))
        report(step / steps, f"silhouettes: step {step}")
    return frames


def _frame(model: method.FreeMesh, target: RayBatch, step: int) -> Frame:
    vertices = model.vertices().detach().requires_grad_()
    softness = max(CFG.final_softness, CFG.softness * 0.5 ** (step / CFG.halving))
    seen = raster.render(
        vertices, model.faces, model.colors().detach(), rays=target.rays, softness=softness,
        sharpness=CFG.sharpness, background=torch.zeros(1, 3),
    )  # fmt: skip
    alpha = target.rgba[:, 3]
    (gradient,) = torch.autograd.grad(soft_iou_loss(seen.opacity, alpha), vertices)
    screen = screens(target.rays)
    at, _ = project(screen, vertices.detach())
    way = -(gradient @ screen.axes[0].T)[:, :2]
    ours = seen.opacity.detach()
    error = (ours - alpha).reshape(SIDE, SIDE, 1).numpy()
    grey = 1 - 0.25 * torch.minimum(ours, alpha).reshape(SIDE, SIDE, 1).numpy()
    more, less = error.clip(0), (-error).clip(0)
    picture = grey * (1 - more - less) + more * EXCESS + less * MISSING
    found, true = ours > 0.5, alpha > 0.5
    iou = float((found & true).sum() / (found | true).sum())
    pixels = (at[0].numpy() / WIDTH + 0.5) * SIDE
    return Frame(step, bytes_of(picture), iou, pixels, way.numpy())


def write_film(path: Path, frames: list[Frame]) -> None:
    """The error pictures as an animated GIF. Raises OSError."""
    pictures = [Image.fromarray(f.picture).resize((4 * SIDE,) * 2, 0) for f in frames]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=120, loop=0)
