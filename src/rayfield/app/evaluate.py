"""How close a trained field comes to photos it has not seen: the verb `eval`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image

from rayfield.app import figures
from rayfield.app.field import TrainedField, background_of, render_view
from rayfield.app.preview import composited
from rayfield.app.training import scene_of
from rayfield.core.check import DataError
from rayfield.data.scene import TEST_EVERY, Frame, Scene
from rayfield.objectives.photometric import WINDOW, psnr, ssim
from rayfield.train.files import write_json


def evaluate(
    field: TrainedField,
    *,
    split: str = "test",
    save_renders: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> dict[str, Any]:
    """PSNR and SSIM of every view of a split and their means, with the protocol's name.

    Writes metrics.json and figures/evaluation.png, and with `save_renders` every rendered view.
    Infinite values (identical pictures) are the text "inf"; the SSIM of pictures smaller than
    its window is null. Raises DataError if the split is empty or the photos are gone.
    """
    scene = scene_of(field.run)
    frames = scene.split(split)
    if not frames:
        raise DataError(scene.root, f"has no {split} images", "choose another --split")
    values: list[tuple[float, float | None]] = []
    for index, frame in enumerate(frames):
        rendered, photo = _pair(field, scene, frame)
        values.append(_measure(rendered, photo))
        if save_renders:
            folder = field.run.renders / split
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(figures.bytes_of(rendered)).save(folder / f"{index:04d}.png")
        progress((index + 1) / len(frames))
    found = {
        "split": split,
        "step": field.step,
        **_means(values),
        "views": [
            {"name": frame.name, "psnr": _json(p), "ssim": s}
            for frame, (p, s) in zip(frames, values, strict=True)
        ],
        "protocol": _protocol(scene, split),
    }
    write_json(field.run.metrics, found)
    _picture(field, scene, frames, values=values)
    return found


def _pair(field: TrainedField, scene: Scene, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """What the field shows in place of a photo, and the photo."""
    view = render_view(
        field.method, field.model, field.cfg, camera=frame.camera, traits=scene.traits
    )
    return view.color, composited(frame, scene).numpy()


def _measure(rendered: np.ndarray, photo: np.ndarray) -> tuple[float, float | None]:
    a, b = torch.from_numpy(rendered), torch.from_numpy(photo)
    small = min(photo.shape[:2]) < WINDOW
    return float(psnr(a, b)), None if small else float(ssim(a, b))


def _means(values: list[tuple[float, float | None]]) -> dict[str, float | str | None]:
    similar = [s for _, s in values if s is not None]
    return {
        "psnr": _json(sum(p for p, _ in values) / len(values)),
        "ssim": sum(similar) / len(similar) if similar else None,
    }


def _json(value: float) -> float | str:
    return value if math.isfinite(value) else "inf"


def _protocol(scene: Scene, split: str) -> dict[str, Any]:
    held_out = f"every {TEST_EVERY}th by name" if _held_out(scene) else "published"
    return {
        "psnr": "all pixels of an image, float in [0, 1]; mean over images",
        "ssim": "gaussian 11x11 sigma 1.5 valid; mean over images",
        "background": background_of(scene.traits).tolist(),
        "split": held_out,
        "images": len(scene.split(split)),
        "size": sorted({(f.camera.width, f.camera.height) for f in scene.split(split)}),
    }


def _held_out(scene: Scene) -> bool:
    """Whether the test views were chosen by us, which the loader says in a note."""
    return any(f"every {TEST_EVERY}th" in note for note in scene.notes)


def _picture(
    field: TrainedField,
    scene: Scene,
    frames: tuple[Frame, ...],
    *,
    values: list[tuple[float, float | None]],
) -> None:
    order = sorted(range(len(frames)), key=lambda i: values[i][0])
    chosen = {"worst": order[0], "median": order[len(order) // 2], "best": order[-1]}
    rows = []
    for title, index in chosen.items():
        rendered, photo = _pair(field, scene, frames[index])
        label = f"{title}: {frames[index].name}, {values[index][0]:.2f} dB"
        if (similar := values[index][1]) is not None:
            label += f", SSIM {similar:.3f}"
        rows.append(figures.Comparison(label, photo, rendered))
    folder = field.run.figures
    folder.mkdir(exist_ok=True)
    figures.evaluation(folder / "evaluation.png", rows)
    limit = figures.error_limit(rows)
    for title, row in zip(chosen, rows, strict=True):
        parts = {
            "photo": figures.bytes_of(row.photo),
            "rendered": figures.bytes_of(row.rendered),
            "error": figures.error_colors(row, limit),
        }
        for part, picture in parts.items():
            Image.fromarray(picture).save(folder / f"evaluation-{title}-{part}.png")
