"""A surface learned from photos with masks, and from the same photos without.

NeuS (Wang et al. 2021, arXiv:2106.10689), Sec. 4: with masks, what is not the subject is empty;
without, a second field stands for all that is behind the subject's ball, and where the subject
ends has to be found from colours alone (on DTU, Chamfer 0.77 and 0.84 mm). Shown: a view held out,
what of it is the subject, and normals. Both are judged by the masks of views held out: PSNR inside
them, and the IoU of them and of the rays that meet the zero set.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from rayfield.core import drawing
from rayfield.core.drawing import show
from rayfield.core.types import MaskUse, Rays
from rayfield.data.demo import demo_photos
from rayfield.data.load import load_scene
from rayfield.data.photo import view_image, view_subject
from rayfield.data.pixels import view_rays
from rayfield.data.scene import Frame, Scene
from rayfield.math.calculus import central_gradient
from rayfield.math.rays import ray_sphere
from rayfield.methods import neus
from rayfield.objectives.photometric import psnr
from rayfield.objectives.pointwise import iou
from rayfield.render.surface import Tracing, first_hits
from rayfield.studies.study import FIGURE, Findings, Report, Verdict, part
from rayfield.studies.views import held_out_photos, learned, mean, photo

CASES: dict[str, MaskUse] = {"with masks": "cut", "without masks": "off"}
TRACING = Tracing(steps=30, samples=100, slack=1.2)
GROUND = 128  # grey level behind the subject that comes with the package
STEP = 0.004  # of the differences that normals are made from


class Size(NamedTuple):
    """Steps of training, by how much photos are reduced, and views compared."""

    steps: int = 1500
    downscale: int = 2
    views: int = 4


class Seen(NamedTuple):
    """What is shown in place of a photo: colour, what of it is the surface, its normals."""

    color: Float[Tensor, "H W 3"]
    hit: Bool[Tensor, "H W"]
    normal: Float[Tensor, "H W 3"]


def own_photos(folder: Path) -> Path:
    """The photos that come with the package on grey ground, their alpha as masks."""
    source = demo_photos()
    if (folder / "transforms_test.json").exists():  # written last
        return folder
    for split in ("train", "test"):
        document = json.loads((source / f"transforms_{split}.json").read_text())
        for frame in document["frames"]:
            name = frame["file_path"].removeprefix("./").removesuffix(".png")
            with Image.open(source / f"{name}.png") as stored:
                rgba = np.array(stored)
            alpha = rgba[..., 3:] / 255
            rgb = rgba[..., :3] * alpha + GROUND * (1 - alpha)
            for kind, pixels in (("images", rgb), ("masks", rgba[..., 3])):
                path = folder / kind / f"{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(path)
            frame |= {"file_path": f"images/{name}.png", "mask_path": f"masks/{name}.png"}
        (folder / f"transforms_{split}.json").write_text(json.dumps(document))
    return folder


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; `data` is a folder of posed photos with masks."""
    size = Size(neus.Config().steps, 1, 7) if full else Size()
    return examine(folder, size, report, data=data)


def examine(folder: Path, size: Size, report: Report, *, data: Path | None = None) -> Findings:
    """The study at a given size."""
    root = data or own_photos(folder / "photos")
    numbers: dict[str, Any] = {"steps": size.steps, "downscale": size.downscale}
    shown: dict[str, Seen] = {}
    for index, (name, use) in enumerate(CASES.items()):
        scene = load_scene(root, downscale=size.downscale, masks=use)
        held = held_out_photos(scene)
        frames = held[:: max(1, len(held) // size.views)][: size.views]
        cfg = neus.Config(steps=size.steps)
        share = part(report, index / 2, index / 2 + 0.4)
        model, cfg = learned(folder / use, neus, cfg, scene=scene, steps=size.steps, report=share)
        views = [look(model, cfg, scene, frame=frame) for frame in frames]
        pairs = list(zip(views, frames, strict=True))
        numbers[name] = {
            "psnr_masked": mean([_masked(view, scene, frame) for view, frame in pairs]),
            "mask_iou": mean(
                [float(iou(view.hit.float(), _subject(frame))) for view, frame in pairs]
            ),
        }
        shown[name] = views[len(views) // 2]
        example = frames[len(views) // 2]
        report(index / 2 + 0.5, name)
    _draw(folder / FIGURE, numbers, shown, photo_shown=view_image(example)[..., :3])
    return Findings(numbers, judge(numbers))


@torch.no_grad()
def look(model: Any, cfg: Any, scene: Scene, *, frame: Frame) -> Seen:
    """What the field shows in place of a photo."""
    rays, size = view_rays(scene, frame), (frame.camera.height, frame.camera.width)
    background = torch.full((3,), float(scene.traits.alpha))
    color = neus.render(model, rays, cfg, background=background).color.clamp(0, 1)
    distance = neus.surface(model)
    found = first_hits(distance, within(rays, cfg.ball), TRACING)
    points = (rays.origins + found.t[:, None] * rays.directions)[found.hit]
    normal = torch.zeros(len(found.t), 3)
    gradient = central_gradient(distance, points, STEP)
    normal[found.hit] = torch.nn.functional.normalize(gradient, dim=-1)
    return Seen(color.view(*size, 3), found.hit.view(size), normal.view(*size, 3))


def within(rays: Rays, radius: float) -> Rays:
    """The parts of rays inside a ball about the origin."""
    first, last = ray_sphere(rays.origins, rays.directions, radius=radius)
    return rays._replace(near=torch.maximum(rays.near, first), far=torch.minimum(rays.far, last))


def _subject(frame: Frame) -> Bool[Tensor, "H W"]:
    kept = view_subject(frame)
    return torch.ones(frame.camera.height, frame.camera.width) > 0 if kept is None else kept


def _masked(view: Seen, scene: Scene, frame: Frame) -> float:
    """PSNR over the pixels that the photo's mask keeps."""
    kept = _subject(frame)
    return float(psnr(view.color[kept][:, None], photo(scene, frame)[kept][:, None]))


def judge(numbers: dict[str, Any]) -> Verdict:
    """The subject is found either way, and its outline better with masks."""
    some, none = (numbers[name] for name in CASES)
    holds = some["mask_iou"] > 0.9 and some["mask_iou"] >= none["mask_iou"] > 0.5
    told = "; ".join(
        f"{name}: {numbers[name]['psnr_masked']:.2f} dB inside the masks, "
        f"IoU {numbers[name]['mask_iou']:.3f}"
        for name in CASES
    )
    return Verdict(
        "surfaces are found without masks too, a little worse (NeuS, table 1: Chamfer 0.84 mm, "
        "with masks 0.77)",
        f"after {numbers['steps']:,} steps, on views held out: {told}",
        holds,
    )


def _draw(
    path: Path,
    numbers: dict[str, Any],
    shown: dict[str, Seen],
    *,
    photo_shown: Float[Tensor, "H W 3"],
) -> None:
    with drawing.style():
        figure = drawing.new_figure(13.2, 6.9)
        grid = figure.subplots(2, 4)
        for row, (name, view) in zip(grid, shown.items(), strict=True):
            normals = torch.where(view.hit[..., None], 0.5 + 0.5 * view.normal, 1.0)
            outline = view.hit[..., None].expand(-1, -1, 3).float()
            pictures = (photo_shown, view.color, outline, normals)
            found = numbers[name]
            titles = ("photo held out", f"{name}: {found['psnr_masked']:.1f} dB inside the mask",
                      f"subject: IoU {found['mask_iou']:.3f}", "normals")  # fmt: skip
            for axes, picture, title in zip(row, pictures, titles, strict=True):
                show(axes, drawing.bytes_of(picture.numpy()))
                axes.set_title(title, fontsize=9.5, loc="left")
        drawing.headline(
            figure,
            "A surface from photos with masks, and without",
            below="neus learns the same photos twice; without masks a second field stands for what "
            "is behind the subject",
            remark=f"{numbers['steps']:,} steps each; figures are means over the views compared",
        )
        figure.tight_layout(rect=drawing.between(figure), h_pad=3.0)
    drawing.save(figure, path)
