"""A picture or signal as it was learned: drawn at any size, compared with the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor, nn

from rayfield.app.drawing import figures
from rayfield.app.drawing.thumbnails import rgb
from rayfield.app.sources.photos import check_unchanged
from rayfield.core.check import DataError, UsageError
from rayfield.core.drawing import bytes_of
from rayfield.data.picture import Picture, read_picture
from rayfield.objectives.photometric import WINDOW, psnr, ssim
from rayfield.train.files import write_json
from rayfield.train.run import Run

MOST_PIXELS = 2**26


@dataclass(frozen=True)
class TrainedPicture:
    """A picture or signal as the newest checkpoint holds it."""

    run: Run
    method: Any
    cfg: Any
    model: nn.Module
    step: int

    @torch.no_grad()
    def image(self, size: tuple[int, int] | None = None) -> Float[np.ndarray, "H W C"]:
        """Values in [0, 1] at a size (width, height), by default the picture's own.

        A signal is one row. Raises UsageError for a size that the method cannot draw.
        """
        if size is not None and not 0 < size[0] * size[1] <= MOST_PIXELS:
            raise UsageError(f"{size[0]}x{size[1]}: give a size of 1 to {MOST_PIXELS:,} pixels")
        turned = None if size is None else (size[1], size[0])
        return self.method.image(self.model, self.cfg, size=turned).clamp(0, 1).numpy()

    def render(
        self, *, size: tuple[int, int] | None = None, out: Path | None = None
    ) -> dict[str, Any]:
        """Write the picture (PNG), or a signal (.npy, in the values of the file it came from).

        `out` is such a file or a folder; default: RUN/renders/WxH.png. Raises OSError, and
        UsageError for a file of another kind.
        """
        values = self.image(size)
        height, width, channels = values.shape
        suffix = ".png" if height > 1 and channels in (1, 3) else ".npy"
        path = _place(out or self.run.renders, f"{width}x{height}{suffix}")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp{suffix}")
        if suffix == ".png":
            Image.fromarray(bytes_of(rgb(torch.from_numpy(values)).numpy())).save(temporary)
        else:
            low, high = (self.run.record["traits"][name] for name in ("low", "high"))
            np.save(temporary, (low + values * (high - low)).squeeze(0))
        temporary.replace(path)
        return {"file": path.as_posix(), "width": width, "height": height, "step": self.step}

    def evaluate(self, *, reference: Path | None = None) -> dict[str, Any]:
        """PSNR and SSIM against the picture learned from, or against `reference`.

        Also PSNR on the pixels trained on and held out, and on those that a mask hides. Writes
        metrics.json and figures/evaluation.png. Raises DataError if the data is gone or does not
        fit.
        """
        picture = self._data() if reference is None else read_picture(reference)
        found = torch.from_numpy(self.image())
        if found.shape != picture.values.shape:
            got, wanted = ("x".join(map(str, x.shape)) for x in (picture.values, found))
            what = f"is {got} (rows, columns, channels), but {wanted} was learned"
            raise DataError(picture.path, what, "compare it with another --reference")
        values = self._measure(found, picture)
        write_json(self.run.metrics, values)
        if picture.traits.height > 1:
            self._compare(found, picture, values)
        return values

    def _data(self) -> Picture:
        data, mask = self.run.record["data"], self.cfg.mask
        mask = Path(self.cfg.mask) if self.cfg.mask else None
        picture = read_picture(self.run.find_data(), mask=mask, downscale=data["downscale"])
        check_unchanged(self.run, picture.path, picture.fingerprint)
        return picture

    def _measure(self, found: Tensor, picture: Picture) -> dict[str, Any]:
        known = picture.keep.flatten()
        parts = {"all": torch.ones_like(known)}
        if self.run.record["config"].get("held_out"):
            for name, part in (("train", "train"), ("held_out", "test")):
                parts[name] = torch.zeros_like(known)
                parts[name][picture.indices(part)] = True  # type: ignore[arg-type]
        if not known.all():
            parts["hidden"] = ~known
        values = {name: _psnr(found, picture.values, chosen) for name, chosen in parts.items()}
        small = min(picture.values.shape[:2]) < WINDOW
        return {
            "split": "all",
            "step": self.step,
            "psnr": values.pop("all"),
            "ssim": None if small else float(ssim(found, picture.values)),
            **{f"psnr_{name}": value for name, value in values.items()},
            "protocol": {
                "psnr": "all pixels and channels, float in [0, 1]",
                "reference": picture.path.as_posix(),
            },
        }

    def _compare(self, found: Tensor, picture: Picture, values: dict[str, Any]) -> None:
        title = f"{picture.path.name}: {float(values['psnr']):.2f} dB"
        row = figures.Comparison(title, rgb(picture.values).numpy(), rgb(found).numpy())
        self.run.figures.mkdir(exist_ok=True)
        figures.evaluation(self.run.figures / "evaluation.png", [row])


def _place(out: Path, name: str) -> Path:
    """The file to write: `out`, or `name` in the folder `out`. Raises UsageError."""
    if out.is_dir() or not out.suffix:
        return out / name
    if out.suffix.lower() != Path(name).suffix:
        raise UsageError(f"{out}: this is written as {Path(name).suffix}; name the file so")
    return out


def _psnr(
    found: Float[Tensor, "H W C"], truth: Float[Tensor, "H W C"], chosen: Bool[Tensor, " N"]
) -> float | str:
    """PSNR of some samples; as text where it is infinite."""
    a, b = (x.flatten(0, 1)[chosen][None] for x in (found, truth))
    value = float(psnr(a, b))
    return value if math.isfinite(value) else "inf"
