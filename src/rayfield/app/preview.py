"""How one held-out view sharpens: small pictures at doubling training times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from rayfield.app import cameras as cams
from rayfield.app import figures, plots
from rayfield.app.contract import Method
from rayfield.app.display import Display
from rayfield.app.field import background_of, render_view
from rayfield.data.pixels import view_image
from rayfield.data.scene import Frame, Scene
from rayfield.objectives.photometric import psnr
from rayfield.train.files import read_json, write_json
from rayfield.train.log import read_log
from rayfield.train.run import Run

SIDE = 160  # pixels
FIRST_SECONDS = 1.0


class Preview:
    """Renders the middle test view after 1, 2, 4, ... seconds of training and at the end.

    RUN/figures/ gets the frames, `sharpening.json` about them, and at the end `sharpening.png`,
    `curves.png` and `cameras.png`. `image`: of a class of scenes, a photo of the one to show.
    """

    def __init__(
        self,
        run: Run,
        method: Method,
        model: nn.Module,
        *,
        cfg: Any,
        scene: Scene,
        display: Display,
        image: int = -1,
    ) -> None:
        self._run, self._method, self._model, self._cfg = run, method, model, cfg
        self._scene, self._display, self._image = scene, display, image
        views = scene.split("test") or scene.split("val") or scene.split("train")
        self._frame = views[len(views) // 2]
        self._camera = cams.limited(replace(self._frame.camera, distortion=()), SIDE)
        self._photo: Tensor | None = None
        self._index = run.figures / "sharpening.json"
        self._taken: list[dict[str, Any]] | None = None

    def due(self, step: int, seconds: float) -> bool:
        """Whether the next of the doubling times has been reached."""
        taken = self._history(step)
        last = max((row["seconds"] for row in taken), default=0.0)
        wanted = FIRST_SECONDS
        while wanted <= last:
            wanted *= 2
        return seconds >= wanted

    def take(self, step: int, seconds: float) -> None:
        """Render the view and keep it, with its PSNR. Raises OSError."""
        taken = self._history(step)
        if taken and taken[-1]["step"] == step:
            return
        self._model.eval()
        view = render_view(
            self._method,
            self._model,
            self._cfg,
            camera=self._camera,
            traits=self._scene.traits,
            image=self._image,
        )
        self._model.train()
        value = float(psnr(torch.from_numpy(view.color), self._target()))
        self._run.figures.mkdir(exist_ok=True)
        name = f"preview-{step:07d}.png"
        Image.fromarray(figures.bytes_of(view.color)).save(self._run.figures / name)
        taken.append({"file": name, "step": step, "seconds": seconds, "psnr": min(value, 99.0)})
        write_json(self._index, {"view": self._frame.name, "frames": taken})
        self._display.preview(seconds, value)

    def finish(self, step: int, seconds: float) -> None:
        """The last preview, and the pictures of the training. Raises OSError."""
        self.take(step, seconds)
        folder = self._run.figures
        rows = self._history(step)
        pictures = [figures.read_picture(folder / row["file"]) for row in rows]
        photo = figures.bytes_of(self._target().numpy())
        Image.fromarray(photo).save(folder / "preview-photo.png")
        figures.sharpening(
            folder / "sharpening.png",
            pictures=pictures,
            labels=[f"{row['seconds']:.3g} s   {row['psnr']:.1f} dB" for row in rows],
            photo=photo,
        )
        log = read_log(self._run.log)
        plots.curves(folder / "curves.png", log=log, previews=rows)
        plots.cameras(
            folder / "cameras.png",
            cameras=cams.of_scene(self._scene),
            world_from_scene=self._scene.world_from_scene,
            bounded=self._scene.traits.bounded,
        )

    def _target(self) -> Float[Tensor, "H W 3"]:
        """The photo at the size of the previews, over the background."""
        if self._photo is None:
            self._photo = shrunk(
                composited(self._frame, self._scene), self._camera.width, self._camera.height
            )
        return self._photo

    def _history(self, step: int) -> list[dict[str, Any]]:
        """The previews taken up to `step`, also by the process that was resumed."""
        if self._taken is None:
            self._taken = []
            if self._index.exists():
                frames = read_json(self._index, "delete it").get("frames", [])
                self._taken = [row for row in frames if row["step"] <= step]
        return self._taken


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
