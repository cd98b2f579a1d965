"""How one held-out view sharpens: small pictures at doubling training times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rayfield.app.command.display import Display
from rayfield.app.contract import RayMethod
from rayfield.app.drawing import figures, plots
from rayfield.app.drawing.gallery import Gallery, Shown, Words
from rayfield.app.learned import cameras as cams
from rayfield.app.learned.field import background_of, render_view
from rayfield.data.photo import view_image
from rayfield.data.scene import Frame, Scene
from rayfield.objectives.photometric import psnr
from rayfield.train.run import Run

SIDE = 160  # pixels


def scene_gallery(
    run: Run,
    method: RayMethod,
    model: nn.Module,
    *,
    cfg: Any,
    scene: Scene,
    display: Display,
    image: int = -1,
) -> Gallery:
    """Draws the middle test view while a field is trained, and the cameras at the end.

    `image`: of a class of scenes, a photo of the one to show.
    """
    views = scene.split("test") or scene.split("val") or scene.split("train")
    frame = views[len(views) // 2]
    camera = cams.limited(frame.camera, SIDE)  # through the photo's own lens
    photo = shrunk(composited(frame, scene), camera.width, camera.height)

    def draw() -> Shown:
        color = render_view(
            method, model, cfg, camera=camera, traits=scene.traits, image=image
        ).color
        return Shown(figures.bytes_of(color), float(psnr(torch.from_numpy(color), photo)))

    def cameras(folder: Path) -> None:
        plots.cameras(
            folder / "cameras.png",
            cameras=cams.of_scene(scene),
            world_from_scene=scene.world_from_scene,
            bounded=scene.traits.bounded,
        )

    target = figures.bytes_of(photo.numpy())
    words = Words("photo", "test view", frame.name)
    return Gallery(run, model, draw, target=target, display=display, words=words, last=cameras)


def composited(frame: Frame, scene: Scene) -> Float[Tensor, "H W 3"]:
    """A photo over the scene's background."""
    rgba = view_image(frame)
    alpha = rgba[..., 3:]
    return rgba[..., :3] * alpha + background_of(scene.traits) * (1 - alpha)


def shrunk(image: Float[Tensor, "H W 3"], width: int, height: int) -> Float[Tensor, "h w 3"]:
    """The image averaged down to another size."""
    moved = image.permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(moved, (height, width), mode="area")
    return small[0].permute(1, 2, 0).contiguous()
