"""How what is learned sharpens: small pictures of it at doubling training times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import nn

from rayfield.app.command.display import Display
from rayfield.app.drawing import figures, plots
from rayfield.train.files import read_json, write_json
from rayfield.train.log import read_log
from rayfield.train.run import Run

FIRST_SECONDS = 1.0


class Shown(NamedTuple):
    """A picture of what has been learned so far, and how close it is to the data (dB), if known."""

    picture: UInt8[np.ndarray, "H W 3"]
    psnr: float | None = None
    remark: str = ""


class Words(NamedTuple):
    """What the pictures are called: what they should become, what is shown, and which one."""

    target: str = "target"
    shown: str = "all of it"
    view: str | None = None


WORDS = Words()


class Gallery:
    """Draws after 1, 2, 4, ... seconds of training and at its end.

    RUN/figures/ gets the pictures, `sharpening.json` about them, and at the end `sharpening.png`
    and `curves.png`. `target` is what the pictures should become; `last` draws more into the folder
    at the end.
    """

    def __init__(
        self,
        run: Run,
        model: nn.Module,
        draw: Callable[[], Shown],
        *,
        target: UInt8[np.ndarray, "H W 3"],
        display: Display,
        words: Words = WORDS,
        last: Callable[[Path], None] | None = None,
    ) -> None:
        self._run, self._model, self._draw = run, model, draw
        self._target, self._display, self._words, self._last = target, display, words, last
        self._index = run.figures / "sharpening.json"
        self._taken: list[dict[str, Any]] | None = None

    def due(self, step: int, seconds: float) -> bool:
        """Whether the next of the doubling times has been reached."""
        last = max((row["seconds"] for row in self._history(step)), default=0.0)
        wanted = FIRST_SECONDS
        while wanted <= last:
            wanted *= 2
        return seconds >= wanted

    def take(self, step: int, seconds: float) -> None:
        """Draw and keep it, with its PSNR if there is one. Raises OSError."""
        taken = self._history(step)
        if taken and taken[-1]["step"] == step:
            return
        self._model.eval()
        shown = self._draw()
        self._model.train()
        self._run.figures.mkdir(exist_ok=True)
        name = f"preview-{step:07d}.png"
        Image.fromarray(shown.picture).save(self._run.figures / name)
        close = None if shown.psnr is None else min(shown.psnr, 99.0)
        row = {"file": name, "step": step, "seconds": seconds, "psnr": close}
        taken.append(row | {"remark": shown.remark})
        write_json(self._index, {"view": self._words.view, "frames": taken})
        if shown.psnr is not None:
            self._display.preview(seconds, shown.psnr)

    def finish(self, step: int, seconds: float) -> None:
        """The last picture, and the strip of all of them. Raises OSError."""
        self.take(step, seconds)
        folder, rows = self._run.figures, self._history(step)
        Image.fromarray(self._target).save(folder / "preview-photo.png")
        figures.sharpening(
            folder / "sharpening.png",
            pictures=[figures.read_picture(folder / row["file"]) for row in rows],
            labels=[_label(row) for row in rows],
            photo=self._target,
            name=self._words.target,
        )
        log = read_log(self._run.log)
        plots.curves(folder / "curves.png", log=log, previews=rows, previewed=self._words.shown)
        if self._last is not None:
            self._last(folder)

    def _history(self, step: int) -> list[dict[str, Any]]:
        """What was drawn up to `step`, also by the process that was resumed."""
        if self._taken is None:
            self._taken = []
            if self._index.exists():
                frames = read_json(self._index, "delete it").get("frames", [])
                self._taken = [row for row in frames if row["step"] <= step]
        return self._taken


def _label(row: dict[str, Any]) -> str:
    return f"{row['seconds']:.3g} s   " + (row.get("remark") or f"{row['psnr']:.1f} dB")
