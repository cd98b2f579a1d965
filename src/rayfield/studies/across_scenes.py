"""One function for a whole class of scenes, and a new scene from a photo or two.

Sitzmann, Zollhoefer, Wetzstein 2019 (Scene Representation Networks), arXiv:1906.01618, Sec. 3.3
and 4: a hypernetwork learns a class; for a new scene only a code is sought, which then shows the
sides that the photos do not. Here on toys made for it (a ball on a box), or on the user's scenes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.core import drawing
from rayfield.core.drawing import BLUE, FAINT, INK
from rayfield.core.types import RayBatch, Rays
from rayfield.data.photo import view_image
from rayfield.data.pixels import view_rays
from rayfield.data.scene import Frame, Scene
from rayfield.data.scenes import Scenes, ScenesSampler, load_scenes
from rayfield.data.synthetic import write_toys
from rayfield.fields.srn import SceneNetworks
from rayfield.methods import srn
from rayfield.objectives.photometric import psnr
from rayfield.studies.study import FIGURE, Findings, Report, Verdict, part
from rayfield.studies.trial import trial
from rayfield.studies.views import mean, photo

NEW_EVERY = 6  # scenes: every sixth is not learned from
ROWS, BETWEEN = 3, 6  # of the figure: unseen views, and codes between two
SEEN = (0, 1, 2)  # photos of a new scene; with none it is the mean of the codes


@dataclass(frozen=True)
class Size:
    """Steps of training, networks, steps of fitting a code; and of the toys."""

    steps: int = 6000
    width: int = 64
    rays: int = 1024
    rate: float = 3e-3
    fit_steps: int = 150
    fit_rate: float = 0.02
    toys: int = 24
    photos: int = 24
    side: int = 48


FULL = Size(steps=200_000, width=128, fit_steps=1000, toys=200, photos=48, side=64)


class Shown(NamedTuple):
    """What is shown in place of one photo of a new scene, by how many others of it were seen."""

    scene: Scene
    frame: Frame
    pictures: list[Float[Tensor, "H W 3"]]
    psnr: list[float]


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; `data` is a folder of scenes, each a folder of posed photos."""
    return examine(folder, FULL if full else Size(), report, data=data)


def examine(folder: Path, size: Size, report: Report, *, data: Path | None = None) -> Findings:
    """The study at a given size."""
    report(0.0, "scenes")
    scenes = load_scenes(data or _toys(folder / "toys", size))
    old, new = _parted(scenes)
    cfg = replace(srn.Config(), width=size.width, rays=size.rays, rate=size.rate)
    cfg = srn.adapt(cfg, old.traits)
    model: Any = trial(
        folder / "class", srn, cfg, sampler=ScenesSampler(old), steps=size.steps,
        report=part(report, 0.05, 0.75),
    )  # fmt: skip
    known = _known(model, cfg, old)
    shown = []
    for index, scene in enumerate(new.scenes):
        report(0.78 + 0.2 * index / len(new.scenes), f"{scene.root.name}: looking for its code")
        shown += _new(model, cfg, scene, size=size)
    numbers = {
        "scenes": len(old.scenes),
        "photos": old.traits.images,
        "new_scenes": len(new.scenes),
        "steps": size.steps,
        "known_psnr": known,
        "seen": list(SEEN),
        "new_psnr": [mean([s.psnr[i] for s in shown]) for i in range(len(SEEN))],
        "views": len(shown),
    }
    _draw(folder / FIGURE, shown, _between(model, cfg, old), numbers=numbers)
    return Findings(numbers, judge(numbers))


def judge(numbers: dict[str, Any]) -> Verdict:
    """One photo says more than none, and two at least as much as one."""
    none, one, two = numbers["new_psnr"]
    return Verdict(
        "a class learned from many scenes shows the unseen sides of a new one from a single photo, "
        "better from two (SRN Sec. 4, few-shot reconstruction)",
        f"unseen photos of {numbers['new_scenes']} new scenes: {none:.2f} dB by the mean of the "
        f"codes, {one:.2f} with a code from one photo, {two:.2f} from two; of the "
        f"{numbers['scenes']} scenes learned from: {numbers['known_psnr']:.2f}",
        none < one <= two,
    )


def _toys(folder: Path, size: Size) -> Path:
    """The toys, made unless the last of them is there."""
    if not (folder / f"toy_{size.toys - 1:03d}" / "transforms_test.json").exists():
        views = {"train": size.photos, "test": 3}
        write_toys(folder, scenes=size.toys, views=views, size=size.side)
    return folder


def _parted(scenes: Scenes) -> tuple[Scenes, Scenes]:
    """Those to learn from, and every sixth (at least the last), which is new."""
    count = len(scenes.scenes)
    new = list(range(NEW_EVERY - 1, count, NEW_EVERY)) or [count - 1]
    old = [index for index in range(count) if index not in new]
    return _some(scenes, old), _some(scenes, new)


def _some(scenes: Scenes, chosen: list[int]) -> Scenes:
    return replace(scenes, scenes=tuple(scenes.scenes[index] for index in chosen))


def _known(model: SceneNetworks, cfg: srn.Config, old: Scenes) -> float:
    """Mean PSNR of one test photo of each scene that was learned from."""
    values = []
    for number, scene in enumerate(old.scenes):
        frame = scene.split("test")[0]
        picture = _look(model, cfg, old.view_rays(number, frame), frame)
        values.append(float(psnr(picture, photo(scene, frame))))
    return mean(values)


def _new(model: SceneNetworks, cfg: srn.Config, scene: Scene, *, size: Size) -> list[Shown]:
    """The test photos of a new scene, with its code sought from no, one and two photos."""
    seen = scene.split("train")[: max(SEEN)]
    models = [model]
    for count in SEEN[1:]:
        views, generator = _pixels(scene, seen[:count]), torch.Generator().manual_seed(0)
        models.append(
            srn.fit_code(
                model, views, cfg, steps=size.fit_steps, rate=size.fit_rate, generator=generator
            )
        )
    shown = []
    for frame in scene.split("test"):
        pictures = [_look(one, cfg, view_rays(scene, frame), frame) for one in models]
        truth = photo(scene, frame)
        shown.append(Shown(scene, frame, pictures, [float(psnr(p, truth)) for p in pictures]))
    return shown


def _pixels(scene: Scene, frames: Sequence[Frame]) -> RayBatch:
    """All pixels of some photos."""
    rays = [view_rays(scene, frame) for frame in frames]
    rgba = torch.cat([view_image(frame).reshape(-1, 4) for frame in frames])
    return RayBatch(Rays(*(torch.cat(column) for column in zip(*rays, strict=True))), rgba)


@torch.no_grad()
def _look(
    model: SceneNetworks, cfg: srn.Config, rays: Rays, frame: Frame
) -> Float[Tensor, "H W 3"]:
    color = srn.render(model, rays, cfg, background=torch.ones(3)).color
    return color.view(frame.camera.height, frame.camera.width, 3)


def _between(model: SceneNetworks, cfg: srn.Config, old: Scenes) -> list[Float[Tensor, "H W 3"]]:
    """One view of scenes whose codes lie evenly between those of the first and the last."""
    frame = old.scenes[0].split("test")[0]
    rays = view_rays(old.scenes[0], frame)
    pictures = []
    for share in torch.linspace(0, 1, BETWEEN).tolist():
        code = torch.lerp(model.codes[:1], model.codes[-1:], share).detach()
        one = SceneNetworks(model.phi, model.stepper, model.pixel, codes=code, photos=(1,))
        pictures.append(_look(one, cfg, rays, frame))
    return pictures


def _draw(
    path: Path,
    shown: Sequence[Shown],
    between: Sequence[Float[Tensor, "H W 3"]],
    *,
    numbers: dict[str, Any],
) -> None:
    rows = shown[:: max(1, len(shown) // ROWS)][:ROWS]
    titles = (
        "one photo of a new scene", "an unseen one", "by the mean of the codes",
        "a code from that photo", "from two photos",
    )  # fmt: skip
    with drawing.style():
        figure = drawing.new_figure(9.2, 1.1 + 1.75 * (len(rows) + 1))
        grid = figure.add_gridspec(len(rows) + 1, BETWEEN * len(titles))
        for line, one in enumerate(rows):
            first = photo(one.scene, one.scene.split("train")[0])
            cells = [first, photo(one.scene, one.frame), *one.pictures]
            values = ["", "", *(f"{value:.1f} dB" for value in one.psnr)]
            for column, (cell, value) in enumerate(zip(cells, values, strict=True)):
                place = grid[line, BETWEEN * column : BETWEEN * (column + 1)]
                axes = figure.add_subplot(place)
                drawing.show(axes, drawing.bytes_of(cell.numpy()))
                title = titles[column] if line == 0 else ""
                axes.set_title(title, fontsize=9, color=INK if column < 2 else BLUE)
                axes.text(0.5, 0.02, value, transform=axes.transAxes, ha="center", color=FAINT)
        for column, cell in enumerate(between):
            place = grid[-1, len(titles) * column : len(titles) * (column + 1)]
            axes = figure.add_subplot(place)
            drawing.show(axes, drawing.bytes_of(cell.numpy()))
            ends = {0: "code of one scene", BETWEEN - 1: "of another"}
            axes.set_title(
                ends.get(column, "between" if column == BETWEEN // 2 else ""), fontsize=9
            )
        drawing.headline(
            figure,
            "A network that knows a class needs one photo of a new scene",
            below="the same networks throughout: only a code is sought for a new scene",
            remark=f"SRN, {numbers['scenes']} scenes of {numbers['photos']} photos, "
            f"{numbers['steps']:,} steps of training; {numbers['new_scenes']} scenes are new",
        )
        figure.tight_layout(rect=drawing.between(figure))
    drawing.save(figure, path)
