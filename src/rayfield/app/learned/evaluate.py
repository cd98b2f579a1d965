"""How close a trained field comes to photos it has not seen: the verb `eval`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.app.drawing import figures
from rayfield.app.drawing.preview import composited
from rayfield.app.learned.field import TrainedField, background_of
from rayfield.app.learned.field_surface import surface
from rayfield.app.meshes.meshing import Meshing
from rayfield.app.sources.photos import scene_of
from rayfield.core.check import DataError
from rayfield.data.photo import view_image, view_subject
from rayfield.data.scene import TEST_EVERY, Frame, Scene
from rayfield.geometry.mesh import transform
from rayfield.geometry.meshio import read_mesh
from rayfield.geometry.metrics import compare
from rayfield.objectives.photometric import WINDOW, psnr, ssim
from rayfield.objectives.pointwise import iou
from rayfield.train.files import write_json
from rayfield.train.run import Run

Progress = Callable[[float], None]
COMPARED = 256  # cells along the side of a mesh that is compared
SOLID = 0.5  # alpha from which a pixel belongs to a silhouette


class Measured(NamedTuple):
    """A photo of a scene and how close what a field shows in its place comes.

    `ssim` is None for pictures smaller than its window, `outline` for scenes without alpha: the
    intersection over union of what is more than half opaque. `masked` is the PSNR of the pixels
    that a mask or alpha keeps, None without any.
    """

    field: TrainedField
    scene: Scene
    frame: Frame
    psnr: float
    ssim: float | None
    outline: float | None = None
    masked: float | None = None


def evaluate(
    field: TrainedField,
    *,
    split: str = "test",
    save_renders: bool = False,
    reference: Path | None = None,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """PSNR and SSIM of every view of a split and their means, with the protocol's name.

    With the file of a `reference` mesh, in world units, also how close the surface is to that, in
    parts of the diagonal of its box. Writes metrics.json and figures/evaluation.png, and with
    `save_renders` every rendered view. Infinite values (identical pictures) are the text "inf"; the
    SSIM of pictures smaller than its window is null. Raises DataError if the split is empty or the
    photos are gone.
    """
    scene = scene_of(field.run)
    measured = measure(field, scene, split, save_renders=save_renders, progress=progress)
    if not measured:
        raise DataError(scene.root, f"has no {split} images", "choose another --split")
    found = {
        "split": split,
        "step": field.step,
        **means(measured),
        "views": views(measured),
        "protocol": protocol(measured),
    }
    if reference is not None:
        found["reference"] = beside(field, reference)
    write_json(field.run.metrics, found)
    picture(field.run, measured)
    return found


def beside(field: TrainedField, file: Path) -> dict[str, Any]:
    """The measures of the surface against the mesh in a file; lengths by its box's diagonal."""
    true = read_mesh(file)
    mesh = surface(field, Meshing(COMPARED))
    mesh = transform(mesh, field.world_from_scene)
    diagonal = float(np.linalg.norm(np.ptp(true.vertices, axis=0)))
    unit = np.diag([1 / diagonal] * 3 + [1.0])
    generator = torch.Generator().manual_seed(0)
    found = compare(transform(mesh, unit), transform(true, unit), generator=generator)
    return {"file": file.as_posix(), "resolution": COMPARED, **found}


def measure(
    field: TrainedField, scene: Scene, split: str, *, save_renders: bool, progress: Progress
) -> list[Measured]:
    """Every view of a split of the data; `field` is what was learned of it."""
    frames = scene.split(split)
    found = []
    for index, frame in enumerate(frames):
        view = field.look(frame.camera)
        rendered, photo = view.color, composited(frame, scene).numpy()
        a, b = torch.from_numpy(rendered), torch.from_numpy(photo)
        small = min(photo.shape[:2]) < WINDOW
        similar = None if small else float(ssim(a, b))
        outline = None
        if scene.traits.alpha:
            solid = view_image(frame)[..., 3] > SOLID
            outline = float(iou(torch.from_numpy(view.opacity), solid))
        behind, alpha = background_of(scene.traits), view_image(frame)[..., 3:]
        clear = 1 - torch.from_numpy(view.opacity)[..., None]
        masked = masked_psnr(a - clear * behind, b - (1 - alpha) * behind, frame)
        found.append(Measured(field, scene, frame, float(psnr(a, b)), similar, outline, masked))
        if save_renders:
            file = field.run.renders / split / f"{index:04d}.png"
            figures.save_picture(file, figures.bytes_of(rendered))
        progress((index + 1) / len(frames))
    return found


def masked_psnr(
    rendered: Float[Tensor, "H W 3"], photo: Float[Tensor, "H W 3"], frame: Frame
) -> float | None:
    """PSNR over the pixels that the photo's mask or alpha keeps; None where there are none.

    Both pictures are over black, as NeuS (Wang et al. 2021, arXiv:2106.10689) learns from masks.
    """
    kept = view_subject(frame)
    if kept is None or not kept.any():
        return None
    return float(psnr(rendered[kept][:, None], photo[kept][:, None]))


def means(measured: Sequence[Measured]) -> dict[str, float | str | None]:
    """Mean PSNR and SSIM over views, one at least; with alpha, IoU of silhouettes too."""
    similar = [one.ssim for one in measured if one.ssim is not None]
    outlines = [one.outline for one in measured if one.outline is not None]
    masked = [one.masked for one in measured if one.masked is not None]
    found = {
        "psnr": _json(sum(one.psnr for one in measured) / len(measured)),
        "ssim": sum(similar) / len(similar) if similar else None,
    }
    if masked:
        found["psnr_masked"] = _json(sum(masked) / len(masked))
    if outlines:
        found["silhouette_iou"] = sum(outlines) / len(outlines)
    return found


def views(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """PSNR and SSIM of each view, by its name."""
    return [{"name": one.frame.name, "psnr": _json(one.psnr), "ssim": one.ssim} for one in measured]


def protocol(measured: Sequence[Measured]) -> dict[str, Any]:
    """How it was measured."""
    published = not any(_held_out(one.scene) for one in measured)
    sizes = {(one.frame.camera.width, one.frame.camera.height) for one in measured}
    kept = any(one.masked is not None for one in measured)
    masked = "pixels that the mask or alpha keeps, over black, as psnr" if kept else None
    return ({"psnr_masked": masked} if masked else {}) | {
        "psnr": "all pixels of an image, float in [0, 1]; mean over images",
        "ssim": "gaussian 11x11 sigma 1.5 valid; mean over images",
        "background": background_of(measured[0].field.traits).tolist(),
        "split": "published" if published else f"every {TEST_EVERY}th by name",
        "images": len(measured),
        "size": sorted(sizes),
    }


def picture(run: Run, measured: Sequence[Measured]) -> None:
    """Write figures/evaluation.png of a run: the worst, the median and the best view."""
    order = sorted(measured, key=lambda one: one.psnr)
    chosen = {"worst": order[0], "median": order[len(order) // 2], "best": order[-1]}
    several = len({one.scene.root for one in measured}) > 1
    rows = []
    for title, one in chosen.items():
        rendered, photo = _pair(one.field, one.scene, one.frame)
        name = f"{one.scene.root.name}/{one.frame.name}" if several else one.frame.name
        label = f"{title}: {name}, {one.psnr:.2f} dB"
        if one.ssim is not None:
            label += f", SSIM {one.ssim:.3f}"
        rows.append(figures.Comparison(label, photo, rendered))
    folder = run.figures
    folder.mkdir(parents=True, exist_ok=True)
    figures.evaluation(folder / "evaluation.png", rows)
    limit = figures.error_limit(rows)
    for title, row in zip(chosen, rows, strict=True):
        parts = {
            "photo": figures.bytes_of(row.photo),
            "rendered": figures.bytes_of(row.rendered),
            "error": figures.error_colors(row, limit),
        }
        for part, drawn in parts.items():
            figures.save_picture(folder / f"evaluation-{title}-{part}.png", drawn)


def _pair(field: TrainedField, scene: Scene, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """What the field shows in place of a photo, and the photo."""
    return field.look(frame.camera).color, composited(frame, scene).numpy()


def _json(value: float) -> float | str:
    return value if math.isfinite(value) else "inf"


def _held_out(scene: Scene) -> bool:
    """Whether the test views were chosen by us, which the loader says in a note."""
    return any(f"every {TEST_EVERY}th" in note for note in scene.notes)
