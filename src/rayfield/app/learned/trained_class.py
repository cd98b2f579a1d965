"""A class of scenes as it was learned. What belongs to one of them is in RUN/scenes/NAME/."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from torch import nn

from rayfield.app.catalogue import suggestion
from rayfield.app.contract import Method
from rayfield.app.learned import cameras as cams
from rayfield.app.learned import evaluate as evaluation
from rayfield.app.learned.field import CAMERAS, TrainedField, traits_of
from rayfield.app.learned.restoring import Restored, open_field
from rayfield.app.sources.photos import scenes_of
from rayfield.core.check import DataError, UsageError
from rayfield.train.files import write_json
from rayfield.train.run import Run

SCENES = "scenes"


class Place(NamedTuple):
    """A scene's name and its frame."""

    name: str
    world_from_scene: Float[np.ndarray, "4 4"]


@dataclass(frozen=True)
class TrainedClass:
    """Several scenes as the newest checkpoint holds them; `scene` gives one of them."""

    run: Run
    method: Method
    cfg: Any
    model: nn.Module
    step: int

    @property
    def names(self) -> tuple[str, ...]:
        """The scenes: the names of their folders."""
        return tuple(place.name for place in _places(self.run))

    def scene(self, name: str | None = None) -> TrainedField:
        """One of the scenes, by default the first; its `run` is the folder RUN/scenes/NAME.

        Raises UsageError, with the nearest name, for one that was not learned.
        """
        names = self.names
        if name is not None and name not in names:
            near = suggestion(name, list(names))
            raise UsageError(f"{self.run.path}: there is no scene {name!r}{near}")
        number = 0 if name is None else names.index(name)
        own = _run_of(self.run, number)
        first = sum(traits_of(self.run).photos[:number])
        restored = Restored(own, self.method, self.cfg, self.model, self.step)
        return open_field(restored, image=first)

    def evaluate(
        self,
        split: str = "test",
        *,
        save_renders: bool = False,
        progress: Callable[[float], None] = lambda _: None,
    ) -> dict[str, Any]:
        """PSNR and SSIM of every view of every scene, their means by scene and over all views.

        Files and values as in `evaluate.evaluate`; scenes without views in the split are left
        out. Raises DataError if none has any, or if the photos are gone.
        """
        data = scenes_of(self.run)
        measured = []
        for index, (name, scene) in enumerate(zip(self.names, data.scenes, strict=True)):
            measured.append(
                evaluation.measure(
                    self.scene(name),
                    scene,
                    split,
                    save_renders=save_renders,
                    progress=_part(progress, index, len(data.scenes)),
                )
            )
        everything = [one for views in measured for one in views]
        if not everything:
            raise DataError(data.root, f"has no {split} images", "choose another --split")
        each = [
            {"name": name, **evaluation.means(views), "views": evaluation.views(views)}
            for name, views in zip(self.names, measured, strict=True)
            if views
        ]
        found = {
            "split": split,
            "step": self.step,
            **evaluation.means(everything),
            "scenes": each,
            "protocol": evaluation.protocol(everything),
        }
        write_json(self.run.metrics, found)
        evaluation.picture(self.run, everything)
        return found


def keep_cameras(run: Run, scene: str, cameras: tuple[cams.NamedCamera, ...]) -> None:
    """Write the cameras of a scene into a new run. Raises OSError."""
    folder = run.path / SCENES / scene
    folder.mkdir(parents=True, exist_ok=True)
    cams.save_cameras(folder / CAMERAS, cameras)


def _run_of(run: Run, number: int) -> Run:
    """The run of a class as that of one of its scenes, in the folder for what belongs to it."""
    place = _places(run)[number]
    record = run.record.copy()
    record["world_from_scene"] = place.world_from_scene.tolist()
    record["traits"] = {k: v for k, v in record["traits"].items() if k != SCENES}
    record["traits"]["scene"] = number
    relative = PurePosixPath("../..") / record["data"]["relative"]
    record["data"] = {**record["data"], "relative": relative.as_posix()}
    return replace(run, path=run.path / SCENES / place.name, record=record)


def _places(run: Run) -> tuple[Place, ...]:
    """The scenes in run.json. Raises DataError if they are not what they should be."""
    try:
        rows = run.record["traits"][SCENES]
        found = tuple(
            Place(str(row["name"]), np.array(row["world_from_scene"], dtype=np.float64))
            for row in rows
        )
        whole = all(p.world_from_scene.shape == (4, 4) for p in found)
        whole &= all(np.isfinite(p.world_from_scene).all() for p in found)
        # names lead to folders: none may lead out of the run
        whole &= all(Path(p.name).name == p.name and p.name[0] != "." for p in found)
        if found and whole and len(found) == len(traits_of(run).photos):
            return found
    except (KeyError, TypeError, ValueError, IndexError):
        pass
    raise DataError(run.path / "run.json", "traits are damaged", cams.FIX)


def _part(progress: Callable[[float], None], index: int, count: int) -> Callable[[float], None]:
    """The progress of one of several equal parts."""
    return lambda done: progress((index + done) / count)
